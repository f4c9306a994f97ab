"""SpecVQGAN's codec (Iashin and Rahtu 2021): mel tokens at 22.05 kHz, MelGAN or HiFi-GAN.

SpecMaskFoley (arXiv 2505.16195) uses a retrained one on HiFi-GAN's mel. How its log-mel was
brought to -1..1 is not published; here -11.5..2.5 is.
"""

from __future__ import annotations

import math

from torch import Tensor

from ..errors import FoleyError
from ..weights.families import Shapes
from .hifigan import HIFIGAN_22K
from .kl_vae import CODEBOOK, SPECVQGAN_VAE
from .mel import FLOOR, HIFIGAN_MEL_22K, SPECVQGAN_MEL
from .melgan import MelGANConfig
from .picture import PictureCodec, PictureCodecConfig
from .tiling import Progress

LOG_RANGE = (math.log(FLOOR), 2.5)
SPECMASKGIT_22K = PictureCodecConfig(HIFIGAN_MEL_22K, SPECVQGAN_VAE, HIFIGAN_22K, 320)


class SpecVQGANCodec(PictureCodec):
    """22.05 kHz mono, 5.38 columns of 5 tokens a second, int64 ids 0..1023, lowest band first."""

    name = "specvqgan-22k"
    config = PictureCodecConfig(SPECVQGAN_MEL, SPECVQGAN_VAE, MelGANConfig(), 320)

    def _encode(self, waveform: Tensor, progress: Progress | None) -> Tensor:
        return self.vae.quantize.nearest(self._moments(waveform, progress)).transpose(1, 2)

    def _check_latent(self, latent: Tensor) -> None:
        super()._check_latent(latent)
        last = len(self.vae.quantize.embedding.weight) - 1
        if latent.is_floating_point() or latent.min() < 0 or latent.max() > last:
            raise FoleyError(
                f"Tokens of the codec {self.name} must be whole numbers from 0 to {last}."
            )

    def _encoded_mel(self, mel: Tensor) -> Tensor:
        if self.config.mel.scale != "decibels":
            low, high = LOG_RANGE
            mel = ((mel - low) / (high - low)).clamp(0, 1)
        return 2 * mel - 1

    def _rows(self, latent: Tensor) -> Tensor:
        return self.vae.quantize.vectors(latent.transpose(1, 2))

    def _decoded_mel(self, picture: Tensor) -> Tensor:
        mel = ((picture[:, 0] + 1) / 2).clamp(0, 1)
        if self.config.mel.scale == "decibels":
            return mel
        low, high = LOG_RANGE
        return mel * (high - low) + low


def recognise(shapes: Shapes) -> str | None:
    """Empty for an autoencoder with a codebook, as SpecVQGAN's; None for any other file."""
    return "" if CODEBOOK in shapes else None
