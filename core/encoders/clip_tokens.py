"""CLIP's tokenizer: cleaned text to byte-pair ids, from the merges beside this file."""

from __future__ import annotations

import functools
import html
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

MERGES = Path(__file__).parent / "clip_merges.json"
START = 49406
END = 49407
PAD = 0
# Words that stand for the marks themselves, also where they are typed.
_MARKS = {"<start_of_text>": START, "<end_of_text>": END}
_CONTRACTIONS = ("'re", "'ve", "'ll", "'s", "'t", "'m", "'d")
_QUOTES = str.maketrans("\u2018\u2019\u201a\u201b\u02bc\u201c\u201d\u201e\u201f", "'''''" + '""""')
_TERMINAL = re.compile(r"\x1b\[[0-9;]*[a-zA-Z]")
# Letters written as one character, full-width and half-width forms.
_COMPOSED = re.compile(
    "[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\u3000\ufb00-\ufb06\uff01-\uffef]"
)
# Characters that leave no trace, among them the vertical tab; other white space stays.
_DROPPED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\u206a-\u206f\ufeff\ufff9-\ufffc]")
# A lone control of the second kind is a byte of Windows' code page.
_WINDOWS = {code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(128, 160)}
_LONGEST = 10_000


def tokenize(prompts: Sequence[str], context: int = 77) -> Tensor:
    """Ids int64 (B, context): start, text, end, zeros; a text too long is cut, its end kept."""
    rows = torch.full((len(prompts), context), PAD, dtype=torch.int64)
    for row, prompt in zip(rows, prompts):
        ids = [START, *encode(prompt), END][:context]
        ids[-1] = END
        row[: len(ids)] = torch.tensor(ids)
    return rows


def encode(prompt: str) -> list[int]:
    """Ids of a prompt without start and end."""
    vocabulary, _ = _tables()
    ids: list[int] = []
    for word in _words(clean(prompt)):
        ids += [_MARKS[word]] if word in _MARKS else [vocabulary[part] for part in _merged(word)]
    return ids


def clean(prompt: str) -> str:
    """Lower case, entities unescaped twice, one form of quotes, widths and ligatures, one space.

    Text that was decoded with the wrong code page is not repaired (ftfy would).
    """
    text = _plain(html.unescape(prompt[:_LONGEST]))
    text = html.unescape(html.unescape(text))
    return " ".join(text.split()).lower()


def _plain(text: str) -> str:
    text = _TERMINAL.sub("", text).translate(_WINDOWS)
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = _COMPOSED.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    text = _DROPPED.sub("", text.translate(_QUOTES))
    return unicodedata.normalize("NFC", text)


def _words(text: str) -> Iterator[str]:
    """Marks, runs of letters, single digits, contractions, and runs of anything else but spaces."""
    at = 0
    while at < len(text):
        end = at + 1
        kind = _kind(text[at])
        whole = next((w for w in (*_MARKS, *_CONTRACTIONS) if text.startswith(w, at)), None)
        if whole:
            end = at + len(whole)
        elif kind in ("letter", "other"):
            while end < len(text) and _kind(text[end]) == kind:
                end += 1
        if kind != "space":
            yield text[at:end]
        at = end


def _kind(char: str) -> str:
    if char.isspace():
        return "space"
    return {"L": "letter", "N": "digit"}.get(unicodedata.category(char)[0], "other")


@functools.lru_cache(maxsize=8192)
def _merged(word: str) -> tuple[str, ...]:
    """The parts of one word after all merges, the earliest learned first."""
    _, ranks = _tables()
    symbols = _byte_symbols()
    parts = [symbols[byte] for byte in word.encode("utf-8")]
    parts[-1] += "</w>"
    while len(parts) > 1:
        pairs = list(zip(parts, parts[1:]))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        joined: list[str] = []
        for part in parts:
            if joined and (joined[-1], part) == best:
                joined[-1] += part
            else:
                joined.append(part)
        parts = joined
    return tuple(parts)


@functools.lru_cache(maxsize=1)
def _byte_symbols() -> list[str]:
    """A visible character for each byte: itself where it is one, else the next from U+0100 on."""
    visible = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in visible else next(spare)) for byte in range(256)]


@functools.lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Ids of parts, and the order in which pairs were merged."""
    text = json.loads(MERGES.read_text(encoding="utf-8"))["merges"]
    merges = [tuple(line.split()) for line in text.split("\n")]
    symbols = sorted(_byte_symbols(), key=lambda s: (ord(s) >= 256, ord(s)))
    parts = symbols + [s + "</w>" for s in symbols] + ["".join(pair) for pair in merges]
    return {part: i for i, part in enumerate(parts)}, {pair: i for i, pair in enumerate(merges)}
