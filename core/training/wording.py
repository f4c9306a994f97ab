"""Words of English captions in their place: replaced so that the sentence stays one."""

from __future__ import annotations

import re

_DETERMINERS = frozenset(
    "a an the this that these those some several many its his her their our my your one two three "
    "four five no each every another".split()
)
_CONJUNCTIONS = frozenset(("and", "or", "but", "then"))
# After these an adjective stands before its noun, after all other words it may be an adverb.
_PREPOSITIONS = frozenset(
    "of with without in into on onto at by from to over under through across past along around "
    "near during after before while as amid among behind between against for like".split()
)
_PLACES = frozenset("outside inside away nearby again forward there here down up back off".split())
_AFTER_ADVERBS = _PREPOSITIONS | _CONJUNCTIONS | _PLACES | {"when", "until", "followed", "because"}
_STRONG = ("very", "really", "so", "extremely", "incredibly")
_INTENSIFIER = re.compile(
    rf"\b({'|'.join(_STRONG)}|quite|rather|fairly|pretty|somewhat|relatively|slightly)\s+$",
    re.IGNORECASE,
)
_DENIALS = frozenset("not no never without isn't aren't wasn't don't doesn't".split())
_COMPARISONS = frozenset("as less least more most too how".split())
_PACES = frozenset("pace speed rate tempo rhythm beat motion".split())
_LISTENERS = r"(?:microphone|mic|camera|listener|recorder|viewer|observer|phone)\b"
_TO_LISTENER = re.compile(rf"(?:\s+(?:to|by))?\s+(?=(?:the|a|an|his|her)\s+{_LISTENERS})", re.I)
_WORD_BEFORE = re.compile(r"([\w'’-]+)\s+$")
_WORD_AFTER = re.compile(r"\s+([\w'’-]+)")
_PAIRED = re.compile(r"\s+(?:and|or|but)\s+\w+ly\b", re.IGNORECASE)
_MEDIUM = "at a medium pace"


def blocked(caption: str, match: re.Match[str]) -> bool:
    """Whether a word is denied or compared: "not very loud", "as fast as"."""
    start, _ = _with_intensifier(caption, match)
    before = _before(caption, start)
    further = re.findall(r"[\w'’-]+", caption[:start].lower())[-2:]
    return before in _COMPARISONS or any(word.replace("’", "'") in _DENIALS for word in further)


def is_verb(caption: str, match: re.Match[str]) -> bool:
    """Whether "close", "slow" or "quiet" is what somebody does: "close the door", "slow down"."""
    word, after = match.group().lower(), _after(caption, match.end())
    if word != "close":
        return word in ("slow", "quiet") and after in ("down", "up")
    before = _before(caption, match.start())
    last = not after or (after in _AFTER_ADVERBS and after not in ("by", "to", "up"))
    names = ("door", "doors", "drawer", "drawers", "to")
    return after in _DETERMINERS or (last and (before in _CONJUNCTIONS or before in names))


def replace_word(
    caption: str, match: re.Match[str], operation: str, manner: str
) -> tuple[str, bool]:
    """The caption with what an operation makes of one of its words, and whether it now says it.

    match: a word of the list `manner`. Where it does not say it, a phrase has to be added.
    """
    start, intensifier = _with_intensifier(caption, match)
    if operation in ("very_fast", "very_slow"):
        degree = "very" if intensifier not in _STRONG else "extremely"
        degree = "incredibly" if intensifier == "extremely" else degree
        return _put(caption, start, match.end(), f"{degree} {_lower(match.group())}"), True
    if operation.startswith("medium"):
        new, said = _medium(caption, start, match)
        return _put(caption, start, match.end(), new), said
    if manner in ("near", "nearby"):
        return _away(caption, start, match, "very far" if operation == "very_far" else "far")
    if operation in ("crescendo", "decrescendo") and _is_adverb(caption, start, match):
        new = "louder and louder" if operation == "crescendo" else "quieter and quieter"
        return _put(caption, start, match.end(), new), True
    return caption, False


def append(caption: str, phrase: str) -> str:
    """The caption with a phrase behind it, before its full stop."""
    stop = "." if caption.rstrip().endswith(".") else ""
    return f"{caption.rstrip(' .,;:!')}, {phrase}{stop}"


def _medium(caption: str, start: int, match: re.Match[str]) -> tuple[str, bool]:
    """What stands instead of a word of speed, "" for nothing."""
    word, before = match.group().lower(), _before(caption, start)
    after = _after(caption, match.end())
    ends = not after or after in _AFTER_ADVERBS
    if after in _PACES:
        return "medium", True
    if word.endswith("ly") and word != "leisurely":
        paired = _PAIRED.match(caption, match.end()) is not None
        if ends and not paired:
            return _MEDIUM, True
        # Left out beside "and", the words around it would no longer fit together.
        return ("steadily" if paired or before in _CONJUNCTIONS else ""), False
    if ends:
        of_noun = not start or before in _DETERMINERS | _PREPOSITIONS
        return ("medium-paced" if of_noun else _MEDIUM), True
    if after.endswith(("ing", "ed")):
        return "", False
    return "medium-paced", True


def _away(caption: str, start: int, match: re.Match[str], far: str) -> tuple[str, bool]:
    """With "near", "nearby" or "close" turned round, unless it tells where something else is."""
    before, after = _before(caption, start), _after(caption, match.end())
    if before == "up":
        start = caption[:start].lower().rindex("up")
        return _put(caption, start, match.end(), f"{far} away"), True
    by = re.match(r"\s+(?:by|at hand)(?=\s*(?:[.,;:!]|$))", caption[match.end() :], re.I)
    if by:
        return _put(caption, start, match.end() + by.end(), f"{far} away"), True
    listener = _TO_LISTENER.match(caption, match.end())
    if listener:
        return _put(caption, start, listener.end(), f"{far} from "), True
    if after and after not in _AFTER_ADVERBS and (before in _DETERMINERS or not start):
        return _put(caption, start, match.end(), far.replace("far", "distant")), True
    if not after or match.group().lower() == "nearby":
        return _put(caption, start, match.end(), f"{far} away"), True
    return caption, False


def _is_adverb(caption: str, start: int, match: re.Match[str]) -> bool:
    """Whether a word of loudness may make room for "louder and louder"."""
    word, before = match.group().lower(), _before(caption, start)
    after = _after(caption, match.end())
    return (
        (word == "loud" or word.endswith("ly"))
        and (not after or after in _AFTER_ADVERBS - {"and", "or", "but"})
        and bool(before)
        and before not in _DETERMINERS | _PREPOSITIONS | _CONJUNCTIONS
    )


def _with_intensifier(caption: str, match: re.Match[str]) -> tuple[int, str]:
    """Where a word begins with the "very" before it, and that word or ""."""
    found = _INTENSIFIER.search(caption, 0, match.start())
    return (found.start(), found.group(1).lower()) if found else (match.start(), "")


def _before(caption: str, start: int) -> str:
    """The word before a place, in lower case; "" where there is none or punctuation."""
    found = _WORD_BEFORE.search(caption, 0, start)
    return found.group(1).lower() if found else ""


def _after(caption: str, end: int) -> str:
    found = _WORD_AFTER.match(caption, end)
    return found.group(1).lower() if found else ""


def _put(caption: str, start: int, end: int, new: str) -> str:
    """With another text, or none, in a place; articles and the first capital as they must be."""
    head, tail = caption[:start], caption[end:]
    if not new:
        tail = tail.lstrip()
    article = re.search(r"\b(a)n?(\s+)$", head, re.IGNORECASE)
    if article:
        n = "n" if _begins_with_vowel(new or tail) else ""
        head = head[: article.start()] + article.group(1) + n + article.group(2)
    made = head + new + tail
    return made[:1].upper() + made[1:] if caption[:1].isupper() else made


def _begins_with_vowel(text: str) -> bool:
    word = text.lower()
    if word.startswith(("hour", "honest")):
        return True
    return word[:1] in tuple("aeiou") and not word.startswith(("uni", "use", "usu", "eu", "one"))


def _lower(word: str) -> str:
    """A word without the capital of a sentence's beginning; LOUD stays as it is."""
    return word if word.isupper() else word.lower()
