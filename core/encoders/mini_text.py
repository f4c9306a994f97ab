"""Text for the minis: a small learned vocabulary of materials and events.

Words it does not know are matched to the nearest known spelling; what still means nothing is left
out and named, so that nobody believes it was heard.
"""

from __future__ import annotations

import difflib
import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

TOKENS = 8
WIDTH = 64
PAD = 0
_LONGEST_PROMPT = 4000
_ENDINGS = ("ing", "ed", "es", "s", "er", "en", "y", "ic")


@dataclass(frozen=True)
class Reading:
    """How a prompt was understood: token ids, the words they stand for, and the words left out."""

    ids: tuple[int, ...]
    known: tuple[str, ...]
    unknown: tuple[str, ...]


class MiniTextEncoder(nn.Module):
    """Prompts to text features (B, 8, 64): one learned vector a known word, a learned pad
    elsewhere.
    """

    def __init__(self, words: Sequence[str]):
        super().__init__()
        self.words = tuple(words)
        self._index = {word: index + 1 for index, word in enumerate(self.words)}
        self.table = nn.Embedding(len(self.words) + 1, WIDTH)
        nn.init.normal_(self.table.weight, std=1.0)

    def read(self, prompt: str) -> Reading:
        """Known words in order, at most 8; words without meaning here are in `unknown`."""
        plain = unicodedata.normalize("NFKC", prompt[:_LONGEST_PROMPT]).lower()
        known, unknown = [], []
        for word in re.findall(r"[^\W\d_]+", plain):
            match = self._match(word)
            if match is not None:
                known.append(match)
            elif word not in _STOP_WORDS:
                unknown.append(word)
        known = list(dict.fromkeys(known))[:TOKENS]
        return Reading(
            tuple(self._index[w] for w in known), tuple(known), tuple(dict.fromkeys(unknown))
        )

    def forward(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Token ids of B prompts to features (B, 8, 64)."""
        padded = [list(row)[:TOKENS] + [PAD] * (TOKENS - len(row)) for row in ids]
        return self.table(torch.tensor(padded, device=self.table.weight.device))

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Prompts to features (B, 8, 64)."""
        return self([self.read(prompt).ids for prompt in prompts])

    def _match(self, word: str) -> str | None:
        if word in _STOP_WORDS:
            return None
        for candidate in (word, *_stems(word)):
            if candidate in self._index:
                return candidate
        near = difflib.get_close_matches(word, self.words, 1, 0.84) if len(word) > 3 else []
        return near[0] if near else None


@torch.inference_mode()
def encode_prompt(encoder: MiniTextEncoder, prompt: str) -> Tensor | None:
    """The text stream `[1, 8, 64]`, None when the prompt holds no word that is known; what means
    nothing is logged."""
    reading = encoder.read(prompt)
    if reading.unknown:
        log.warning(
            "The prompt's %s mean nothing to the mini text encoder and have no effect.",
            _some(reading.unknown),
        )
    if reading.known:
        return encoder([reading.ids])
    if prompt.strip():
        log.warning(
            "No word of the prompt is known to the mini text encoder; the sound follows the rest."
        )
    return None


def _some(words: tuple[str, ...]) -> str:
    shown = ", ".join(f"'{word[:30]}'" for word in words[:5])
    return f"words {shown}{' ...' if len(words) > 5 else ''}"


def _stems(word: str) -> list[str]:
    """The word without a usual ending, also with the e that English drops or the doubled letter."""
    stems = []
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            stem = word[: -len(ending)]
            stems += [stem, stem + "e"] + ([stem[:-1]] if stem[-1] == stem[-2] else [])
    return stems


_STOP_WORDS = frozenset(
    "a an and the of on in at to with for by from or is are it its this that some very sound "
    "sounds "
    "noise audio foley video against into onto over under no not".split()
)
