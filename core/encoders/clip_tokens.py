"""CLIP's tokenizer: cleaned text to byte-pair ids, from the merges beside this file."""

from __future__ import annotations

import functools
import html
import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import PreTokenizer

MERGES = Path(__file__).parent / "clip_merges.json"
START = 49406
END = 49407
PAD = 0
# Words that stand for the marks themselves, also where they are typed.
_MARKS = {"<start_of_text>": START, "<end_of_text>": END}
# Marks, contractions, runs of letters, single digits, runs of anything else but spaces.
_WORD = r"(?i)<start_of_text>|<end_of_text>|'(?:s|t|re|ve|m|ll|d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
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
    """Ids int64 [B, context]: start, text, end, zeros; a text too long is cut, its end kept."""
    rows = torch.full((len(prompts), context), PAD, dtype=torch.int64)
    for row, prompt in zip(rows, prompts):
        ids = [START, *encode(prompt), END][:context]
        ids[-1] = END
        row[: len(ids)] = torch.tensor(ids)
    return rows


def encode(prompt: str) -> list[int]:
    """Ids of a prompt without start and end."""
    words, model = _tokenizer()
    ids: list[int] = []
    for word, _ in words.pre_tokenize_str(clean(prompt)):
        ids += [_MARKS[word]] if word in _MARKS else [part.id for part in model.tokenize(word)]
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


@functools.lru_cache(maxsize=1)
def _tokenizer() -> tuple[PreTokenizer, BPE]:
    """What cuts a text into words of byte symbols, and what gives the ids of a word's parts."""
    from tokenizers import Regex, models, pre_tokenizers

    text = json.loads(MERGES.read_text(encoding="utf-8"))["merges"]
    merges = [tuple(line.split()) for line in text.split("\n")]
    symbols = sorted(pre_tokenizers.ByteLevel.alphabet(), key=lambda s: (ord(s) >= 256, ord(s)))
    parts = [*symbols, *(s + "</w>" for s in symbols), *("".join(pair) for pair in merges)]
    split = pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)
    to_symbols = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model = models.BPE({p: i for i, p in enumerate(parts)}, merges, end_of_word_suffix="</w>")
    return pre_tokenizers.Sequence([split, to_symbols]), model
