"""The mini codec: a fixed PCA of three log-mel views, and a decoder that makes them a waveform."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor

from ..weights.fill import fill_from
from ..weights.minis import mini_path
from .base import Codec
from .foley_mini_analysis import (
    LATENT_DIM,
    SAMPLE_RATE,
    SAMPLES_PER_LATENT,
    VIEWS,
    Analysis,
    split_features,
)
from .foley_mini_synthesis import Synthesis, calm, limit, project

BLOCK = 512  # latent frames decoded at once: ten minutes must not fill the memory
_MARGIN = 16  # latent frames a sample can depend on to either side


class FoleyMiniCodec(Codec):
    """32 kHz mono, 31.25 latent frames a second of 32 numbers, each of unit deviation on scenes."""

    sample_rate = SAMPLE_RATE
    channels = 1
    latent_dim = LATENT_DIM
    samples_per_latent = SAMPLES_PER_LATENT

    def __init__(self) -> None:
        super().__init__()
        self.analysis = Analysis()
        self.synthesis = Synthesis()

    @classmethod
    def load(cls, path: Path | None = None) -> FoleyMiniCodec:
        """The bundled weights, or those at `path`; ready for inference.

        Raises:
            FoleyError: the file is missing, damaged or another model's.
        """
        return fill_from(cls(), path or mini_path("foley_mini_codec"))

    def encode(self, waveform: Tensor) -> Tensor:
        return self.analysis(waveform.mean(1))

    @torch.no_grad()
    def decode(self, latent: Tensor, *, generator: Generator | None = None) -> Tensor:
        generator = generator or torch.Generator().manual_seed(0)
        takes, length = len(latent), latent.shape[1] * SAMPLES_PER_LATENT
        # Random signs: white as normal noise is, but of even level, so that attacks stand out. The
        # same for all, so that a take does not depend on those beside it.
        signs = torch.randn(1, length, generator=generator).sign_().to(torch.int8)
        signs = signs.expand(takes, -1)
        waveform = torch.empty(takes, length, device=latent.device)
        for start in range(0, latent.shape[1], BLOCK):
            first, stop = max(start - _MARGIN, 0), start + BLOCK + _MARGIN
            window = slice(first * SAMPLES_PER_LATENT, stop * SAMPLES_PER_LATENT)
            noise = signs[:, window].to(latent.device, torch.float32)
            block = self._decode_block(latent[:, first:stop].float(), noise)
            made = waveform[:, start * SAMPLES_PER_LATENT :][:, : BLOCK * SAMPLES_PER_LATENT]
            made[:] = block[:, (start - first) * SAMPLES_PER_LATENT :][:, : made.shape[1]]
        return limit(waveform)[:, None]

    def _decode_block(self, latent: Tensor, noise: Tensor) -> Tensor:
        targets = split_features(self.analysis.inverse(latent))
        targets = [calm(target, view) for target, view in zip(targets, VIEWS, strict=True)]
        waveform = self.synthesis(latent, targets[-1], noise)
        for view, target in reversed(list(zip(VIEWS, targets, strict=True))):
            waveform = project(waveform, target, view)  # the finest in time first
        return waveform
