"""Prompts for synthetic scenes, and the vocabulary they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..scenes import manner
from ..scenes.materials import WORDS

ACTIONS: dict[str, tuple[str, ...]] = {
    "bounce": ("bounce", "dribble"),
    "collide": ("collide", "collision", "crash"),
    "hammer": ("hammer", "strike"),
    "drum": ("drumming", "beat", "stick"),
    "chop": ("chop", "knife", "cut"),
    "footsteps": ("footsteps", "step", "walk"),
    "clap": ("applause",),
    "drops": ("drop", "fall"),
    "swish": ("sweep", "fly"),
    "knock": ("knock", "rap"),
    "tap": ("tap", "press", "type", "key"),
    "topple": ("topple", "slam", "drop"),
    "burst": ("burst", "bang", "pop"),
}
_ANY_ACTION = ("hit", "impact", "struck", "contact")
_MANNERS = ("loud", "hard", "short", "sharp", "single")
_ADVERBS = frozenset(word for words in manner.WORDS.values() for word in words)
_FRAMES = ("{m}", "{m} {a}", "{a} {m}", "{m} {m2} {a}", "{n} {m} {a}", "{m} {m2}", "{m2} {m} {n}")


def vocabulary() -> tuple[str, ...]:
    """Every single word that prompts are made of, sorted."""
    words = [word for synonyms in WORDS.values() for phrase in synonyms for word in phrase.split()]
    words += [word for actions in ACTIONS.values() for word in actions]
    return tuple(sorted({*words, *_ANY_ACTION, *_MANNERS}))


def vocabulary_with_adverbs() -> tuple[str, ...]:
    """`vocabulary`, and the words of every manner."""
    return tuple(sorted({*vocabulary(), *_ADVERBS}))


def sample_prompt(
    rng: np.random.Generator, kind: str, material: str, adverbs: Sequence[str] | None = None
) -> str:
    """A short prompt that names the material, often the action, sometimes the manner.

    adverbs: of all words of manners, these alone are said; None: as it comes.
    """
    unsaid = frozenset() if adverbs is None else _ADVERBS
    synonyms, manners = (
        tuple(phrase for phrase in phrases if not unsaid & set(phrase.split()))
        for phrases in (WORDS[material], _MANNERS)
    )
    first = synonyms[0] if rng.random() < 0.4 else rng.choice(synonyms)
    action = rng.choice((*ACTIONS[kind], *_ANY_ACTION))
    plain = str(rng.choice(_FRAMES)).format(
        m=first, m2=rng.choice(synonyms), a=action, n=rng.choice(manners)
    )
    if not adverbs:
        return plain
    said = " ".join(rng.permutation(adverbs))
    return f"{said} {plain}" if rng.random() < 0.7 else f"{plain} {said}"
