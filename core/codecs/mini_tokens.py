"""Tokens of a mel picture, by a small SpecVQGAN; the mini codec makes the sound."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from ..errors import FoleyError
from ..weights.fill import fill_from
from .base import Codec
from .foley_mini import FoleyMiniCodec
from .foley_mini_analysis import SAMPLE_RATE, SAMPLES_PER_LATENT, features
from .kl_vae import KLVAE, KLVAEConfig
from .mel_picture import ROWS, MelPicture
from .picture import frames_to_rows, rows_to_frames

CODES = 1024
CHANNELS = 12
MINI_VQGAN = KLVAEConfig(CHANNELS, 48, (64, 96), blocks=1, groups=16, codes=CODES)
TOKEN_ROWS = ROWS // MINI_VQGAN.factor


class Tokenizer(nn.Module):
    """Feature rows of the mini codec as a picture of ROWS bands, and its tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.picture = MelPicture(CHANNELS)
        self.vae = KLVAE(MINI_VQGAN)

    def pictures(self, sound: Tensor) -> Tensor:
        """`[B, T]` to `[B, CHANNELS, ROWS, N]`; T is a whole number of columns of tokens."""
        return frames_to_rows(self.picture(features(sound)), ROWS)

    def ids(self, pictures: Tensor) -> Tensor:
        """Pictures to ids `[B, N / 2, TOKEN_ROWS]`."""
        return self.vae.quantize.nearest(self.vae.moments(pictures)).transpose(1, 2)

    def rows_of(self, ids: Tensor) -> Tensor:
        """Ids to feature rows `[B, N, FEATURES]`."""
        pictures = self.vae.decode(self.vae.quantize.vectors(ids.transpose(1, 2)))
        return self.picture.inverse(rows_to_frames(pictures))


class MiniTokenCodec(Codec):
    """32 kHz mono, 15.625 columns of 4 tokens a second, int64 ids 0..1023, lowest band first."""

    sample_rate = SAMPLE_RATE
    channels = 1
    latent_dim = TOKEN_ROWS
    samples_per_latent = SAMPLES_PER_LATENT * MINI_VQGAN.factor
    token_codes = CODES

    def __init__(self, mini: FoleyMiniCodec | None = None) -> None:
        super().__init__()
        self.tokenizer = Tokenizer()
        self.mini = mini or FoleyMiniCodec()

    @classmethod
    def load(cls, path: Path, mini: Path | None = None) -> MiniTokenCodec:
        """The tokens of `path`, with a mini codec of one's own or the bundled.

        Raises:
            FoleyError: a file is missing, damaged or another model's.
        """
        codec = cls(FoleyMiniCodec.load(mini))
        fill_from(codec.tokenizer, path)
        return codec.eval().requires_grad_(False)

    def encode(self, waveform: Tensor) -> Tensor:
        sound = waveform.mean(1)
        sound = F.pad(sound, (0, -sound.shape[-1] % self.samples_per_latent))
        return self.tokenizer.ids(self.tokenizer.pictures(sound))

    @torch.no_grad()
    def decode(self, latent: Tensor, *, generator: Generator | None = None) -> Tensor:
        if latent.is_floating_point() or latent.min() < 0 or latent.max() >= CODES:
            raise FoleyError(
                f"Tokens of the mini codec must be whole numbers from 0 to {CODES - 1}."
            )
        rows = self.tokenizer.rows_of(latent)
        return self.mini.decode(self.mini.analysis.of_features(rows), generator=generator)
