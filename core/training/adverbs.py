"""Captions that say how fast, how near or how loud a sound is, and what they become.

Source: the adverb augmentation of FoleyGenEx (arXiv 2606.14049): its six word lists, three axes and
five levels of speed. The templates are ours.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from .wording import append, blocked, is_verb, replace_word

Axis = Literal["speed", "distance", "volume"]
AXES: tuple[Axis, ...] = get_args(Axis)
MOST_WORDS = 30

# The paper's lists, with the forms in -ly that exist.
LISTS: dict[str, tuple[str, ...]] = {
    "fast": (
        *("fast", "quick", "rapid", "swift", "brisk", "hasty"),
        *("quickly", "rapidly", "swiftly", "briskly", "hastily"),
    ),
    "slow": (
        *("slow", "leisurely", "gradual", "sluggish", "unhurried", "languid"),
        *("slowly", "gradually", "sluggishly", "unhurriedly", "languidly"),
    ),
    "far": ("distant", "far", "remote", "distantly", "remotely"),
    "near": ("near", "close"),
    "loud": (
        *("loud", "boisterous", "deafening", "thunderous"),
        *("resounding", "blaring", "piercing", "noisy"),
        *("loudly", "boisterously", "deafeningly", "thunderously"),
        *("resoundingly", "blaringly", "piercingly", "noisily"),
    ),
    "quiet": (
        *("soft", "quiet", "faint", "gentle", "muffled", "whispering", "hushed", "muted"),
        *("softly", "quietly", "faintly", "gently", "muffledly"),
        *("whisperingly", "hushedly", "mutedly"),
    ),
}
_LISTS_OF: dict[Axis, tuple[str, ...]] = {
    "speed": ("fast", "slow"),
    "distance": ("near", "far", "loud"),
    "volume": ("loud", "quiet"),
}
# A word with a hyphen is another word: a close-up is not close.
_PATTERNS = {
    name: re.compile(rf"(?<![\w'’-])(?:{'|'.join(words)})(?![\w’-])", re.IGNORECASE)
    # "Nearby" is not mined, but it would contradict that a sound is far.
    for name, words in {**LISTS, "nearby": ("nearby",)}.items()
}


@dataclass(frozen=True)
class Rule:
    """An operation's place among captions.

    needs: it is made of clips whose caption has a word of one of these lists, and of none of
    `without`. phrases: one is added where no word of the caption can be replaced.
    """

    axis: Axis
    needs: tuple[str, ...]
    without: tuple[str, ...]
    phrases: tuple[str, ...]


_GROWING = ("growing louder and louder", "getting louder and louder", "swelling from quiet to loud")
_FALLING = ("growing quieter and quieter", "getting quieter and quieter", "fading away bit by bit")
_VERY_FAR = ("very far away", "a very long way off", "heard from very far away")
RULES: dict[str, Rule] = {
    "very_fast": Rule("speed", ("fast",), ("slow",), ("very fast", "at a very fast pace")),
    "medium_from_fast": Rule("speed", ("fast",), ("slow",), ("at a medium pace",)),
    "medium_from_slow": Rule("speed", ("slow",), ("fast",), ("at a medium pace",)),
    "very_slow": Rule("speed", ("slow",), ("fast",), ("very slowly", "at a very slow pace")),
    "far": Rule("distance", ("near", "loud"), ("far",), ("in the distance", "far away")),
    "very_far": Rule("distance", ("near", "loud"), ("far",), _VERY_FAR),
    "crescendo": Rule("volume", ("loud",), ("quiet",), _GROWING),
    "decrescendo": Rule("volume", ("loud",), ("quiet",), _FALLING),
}
ORIGINAL = "original"
OPERATIONS: tuple[str, ...] = (ORIGINAL, *RULES)


def find_manners(caption: str) -> frozenset[str]:
    """The lists of which the caption has a word: whole, in any case, not denied and not compared
    ("not loud", "as fast as"), and no verb ("close the door", "slow down")."""
    return frozenset(name for name in LISTS if _matches(caption, name))


def operations_of(caption: str, axes: Collection[Axis] = AXES) -> tuple[str, ...]:
    """What is made of a clip with this caption, in the order of `OPERATIONS`.

    The clip as it is comes first wherever the caption says something of one of the axes: it is the
    level that the others are told from. Both sides of an axis in one caption: nothing on that axis.
    """
    manners = find_manners(caption)
    if not manners & {name for axis in axes for name in _LISTS_OF[axis]}:
        return ()
    made = (
        name
        for name, rule in RULES.items()
        if rule.axis in axes and manners & set(rule.needs) and not manners & set(rule.without)
    )
    return (ORIGINAL, *made)


def write_caption(caption: str, operation: str, rng: np.random.Generator) -> str:
    """The caption of what an operation makes of a clip, at most 30 words.

    The word that says it is replaced where the sentence stays one, otherwise a phrase is added. A
    longer caption is cut from its end first. `ORIGINAL`: the caption as it is.
    """
    caption = " ".join(caption.split())
    if operation == ORIGINAL:
        return caption
    phrase = str(rng.choice(RULES[operation].phrases))
    words = caption.split()
    for kept in range(len(words), 0, -1):
        made = _rewrite(words[:kept], operation, phrase)
        if len(made.split()) <= MOST_WORDS:
            return made
    return phrase


def _rewrite(words: list[str], operation: str, phrase: str) -> str:
    text, done = " ".join(words), False
    rule = RULES[operation]
    for name in (*rule.needs, *(("nearby",) if rule.axis == "distance" else ())):
        # From the end, so that the earlier ones stay where they were found.
        for match in reversed(_matches(text, name)):
            text, says_it = replace_word(text, match, operation, name)
            done |= says_it
    return text if done else append(text, phrase)


def _matches(caption: str, name: str) -> list[re.Match[str]]:
    found = _PATTERNS[name].finditer(caption)
    return [m for m in found if not blocked(caption, m) and not is_verb(caption, m)]
