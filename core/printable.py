"""Text of others, such as names of files, made safe to be shown."""

from __future__ import annotations

import unicodedata


def printable(text: str, keep: str = "") -> str:
    r"""`text` with control characters, line breaks, marks of writing direction and bytes that are
    no text written as escapes: "\x1b", "\n", "\u202e". keep: characters that stay all the same."""
    if text.isprintable():
        return text
    return "".join(char if char in keep or _is_shown(char) else _escape(char) for char in text)


def _is_shown(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
