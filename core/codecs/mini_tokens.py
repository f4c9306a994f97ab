"""Tokens of the mini's mel picture, by a small SpecVQGAN; the mini codec makes the sound."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor

from ..errors import FoleyError
from ..weights.fill import fill_from
from .base import Codec
from .foley_mini_analysis import SAMPLE_RATE, SAMPLES_PER_LATENT
from .kl_vae import KLVAE, KLVAEConfig
from .mel_picture import CHANNELS, ROWS, MelPictureCodec
from .picture import frames_to_rows, rows_to_frames

CODES = 1024
MINI_VQGAN = KLVAEConfig(CHANNELS, 48, (64, 96), blocks=1, groups=16, codes=CODES)
TOKEN_ROWS = ROWS // MINI_VQGAN.factor


class MiniTokenCodec(Codec):
    """32 kHz mono, 15.625 columns of 4 tokens a second, int64 ids 0..1023, lowest band first."""

    sample_rate = SAMPLE_RATE
    channels = 1
    latent_dim = TOKEN_ROWS
    samples_per_latent = SAMPLES_PER_LATENT * MINI_VQGAN.factor
    token_codes = CODES

    def __init__(self, picture: MelPictureCodec | None = None) -> None:
        super().__init__()
        self.vae = KLVAE(MINI_VQGAN)
        self.picture = picture or MelPictureCodec()

    @classmethod
    def load(
        cls, path: Path, picture: Path | None = None, mini: Path | None = None
    ) -> MiniTokenCodec:
        """The tokens of `path`, with a mel picture and a mini codec of one's own or the bundled.

        Raises:
            FoleyError: a file is missing, damaged or another model's.
        """
        codec = cls(MelPictureCodec.load(picture, mini))
        fill_from(codec.vae, path)
        return codec.eval().requires_grad_(False)

    def encode(self, waveform: Tensor) -> Tensor:
        missing = -waveform.shape[-1] % self.samples_per_latent
        frames = self.picture.encode(torch.nn.functional.pad(waveform, (0, missing)))
        return self.tokens(frames_to_rows(frames, ROWS))

    def tokens(self, pictures: Tensor) -> Tensor:
        """Mel pictures `[B, CHANNELS, ROWS, N]` to ids `[B, N / 2, TOKEN_ROWS]`."""
        return self.vae.quantize.nearest(self.vae.moments(pictures)).transpose(1, 2)

    @torch.no_grad()
    def decode(self, latent: Tensor, *, generator: Generator | None = None) -> Tensor:
        last = CODES - 1
        if latent.is_floating_point() or latent.min() < 0 or latent.max() > last:
            raise FoleyError(f"Tokens of the mini codec must be whole numbers from 0 to {last}.")
        pictures = self.vae.decode(self.vae.quantize.vectors(latent.transpose(1, 2)))
        return self.picture.decode(rows_to_frames(pictures), generator=generator)
