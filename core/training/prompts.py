"""Prompts for synthetic scenes, and the vocabulary they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..scenes import ambience, manner, materials

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
WORDS = {**materials.WORDS, **ambience.WORDS}
# What a sound is of: of hits by their material, and what goes on.
SOUNDS = (*materials.MATERIALS, *ambience.AMBIENCES)
_ANY_ACTION = ("hit", "impact", "struck", "contact")
_MANNERS = ("loud", "hard", "short", "sharp", "single")
_ADVERBS = frozenset(word for words in manner.WORDS.values() for word in words)
_AMBIENT_FRAMES = ("{m}", "{m} {m2}", "{n} {m}")
_AMBIENT_MANNERS = ("background", "steady", "constant", "distant")
_FRAMES = ("{m}", "{m} {a}", "{a} {m}", "{m} {m2} {a}", "{n} {m} {a}", "{m} {m2}", "{m2} {m} {n}")


def vocabulary(ambient: bool = False) -> tuple[str, ...]:
    """Every single word that prompts are made of, sorted; ambient: with those of what goes on."""
    of = WORDS if ambient else materials.WORDS
    words = [word for synonyms in of.values() for phrase in synonyms for word in phrase.split()]
    words += [word for actions in ACTIONS.values() for word in actions]
    words += _AMBIENT_MANNERS if ambient else ()
    return tuple(sorted({*words, *_ANY_ACTION, *_MANNERS}))


def vocabulary_with_adverbs() -> tuple[str, ...]:
    """`vocabulary`, and the words of every manner."""
    return tuple(sorted({*vocabulary(), *_ADVERBS}))


def sample_prompt(
    rng: np.random.Generator, kind: str, material: str, adverbs: Sequence[str] | None = None
) -> str:
    """A short prompt that names the material, often the action, sometimes the manner; of what goes
    on, that alone.

    adverbs: of all words of manners, these alone are said; None: as it comes.
    """
    unsaid = frozenset() if adverbs is None else _ADVERBS
    synonyms, manners = (
        tuple(phrase for phrase in phrases if not unsaid & set(phrase.split()))
        for phrases in (WORDS[material], _MANNERS)
    )
    first = synonyms[0] if rng.random() < 0.4 else rng.choice(synonyms)
    if material in ambience.AMBIENCES:
        return str(rng.choice(_AMBIENT_FRAMES)).format(
            m=first, m2=rng.choice(synonyms), n=rng.choice(_AMBIENT_MANNERS)
        )
    action = rng.choice((*ACTIONS[kind], *_ANY_ACTION))
    plain = str(rng.choice(_FRAMES)).format(
        m=first, m2=rng.choice(synonyms), a=action, n=rng.choice(manners)
    )
    if not adverbs:
        return plain
    said = " ".join(rng.permutation(adverbs))
    return f"{said} {plain}" if rng.random() < 0.7 else f"{plain} {said}"
