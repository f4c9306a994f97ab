"""Text for the minis: a small learned vocabulary of materials and events.

Words it does not know are matched to the nearest known spelling; what still means nothing is left
out and named, so that nobody believes it has an effect.
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
_ENDINGS = ("ing", "ed", "es", "s", "er", "en", "ly", "y", "ic")


@dataclass(frozen=True)
class Reading:
    """How a prompt was understood: words of the vocabulary, and the words left out."""

    known: tuple[str, ...]
    unknown: tuple[str, ...]


class MiniTextEncoder(nn.Module):
    """Prompts to text features [B, 8, width]: a learned vector for each known word, then a pad."""

    def __init__(self, words: Sequence[str], width: int = WIDTH):
        super().__init__()
        self.words = tuple(words)
        self._index = {word: index + 1 for index, word in enumerate(self.words)}
        self.table = nn.Embedding(len(self.words) + 1, width)
        nn.init.normal_(self.table.weight, std=1.0)

    def read(self, prompt: str) -> Reading:
        """Known words in order, at most 8; words without meaning here are in `unknown`."""
        plain = unicodedata.normalize("NFKC", prompt[:_LONGEST_PROMPT]).lower()
        known: list[str] = []
        unknown: list[str] = []
        for word in re.findall(r"[^\W\d_]+", plain):
            if word not in _STOP_WORDS:
                match = self._match(word)
                (known if match else unknown).append(match or word)
        return Reading(tuple(dict.fromkeys(known))[:TOKENS], tuple(dict.fromkeys(unknown)))

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Prompts to features [B, 8, width]."""
        ids = [[self._index[word] for word in self.read(prompt).known] for prompt in prompts]
        padded = [row + [PAD] * (TOKENS - len(row)) for row in ids]
        return self.table(torch.tensor(padded, device=self.table.weight.device))

    def _match(self, word: str) -> str | None:
        for candidate in (word, *_stems(word)):
            if candidate in self._index:
                return candidate
        near = difflib.get_close_matches(word, self.words, 1, 0.84) if len(word) > 3 else []
        return near[0] if near else None


@torch.inference_mode()
def encode_prompt(encoder: MiniTextEncoder, prompt: str) -> Tensor | None:
    """The text stream `[1, 8, width]`, None when the prompt holds no word that is known; what means
    nothing is logged."""
    reading = encoder.read(prompt)
    if reading.unknown:
        shown = ", ".join(f"'{word[:30]}'" for word in reading.unknown[:5])
        more = " ..." if len(reading.unknown) > 5 else ""
        log.warning(
            f"The prompt's words {shown}{more} mean nothing to the mini text encoder and have no "
            "effect."
        )
    if reading.known:
        return encoder.encode([prompt])
    if prompt.strip():
        log.warning(
            "No word of the prompt is known to the mini text encoder; the sound follows the rest."
        )
    return None


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
    "sounds noise audio foley video against into onto over under no not".split()
)
