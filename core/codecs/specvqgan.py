"""SpecVQGAN's codec (Iashin and Rahtu 2021): mel tokens at 22.05 kHz, MelGAN or HiFi-GAN.

SpecMaskFoley (arXiv 2505.16195) uses a retrained one on HiFi-GAN's mel. How its log-mel was
brought to -1..1 is not published; here -11.5..2.5 is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ..errors import FoleyError
from ..weights.families import Shapes
from .hifigan import HIFIGAN_22K, HiFiGAN, HiFiGANConfig
from .kl_vae import CODEBOOK, KLVAE, SPECVQGAN_VAE, KLVAEConfig
from .mel import FLOOR, HIFIGAN_MEL_22K, SPECVQGAN_MEL, MelConfig, mel_spectrogram
from .melgan import MelGAN, MelGANConfig
from .neural import NeuralCodec
from .picture import decode_picture, moments_of_picture
from .quantizer import Quantizer
from .tiling import Progress, through

LOG_RANGE = (math.log(FLOOR), 2.5)


@dataclass(frozen=True)
class SpecVQGANConfig:
    """Figures of the codec. `window`: most token columns coded at once, a minute."""

    mel: MelConfig = SPECVQGAN_MEL
    vae: KLVAEConfig = SPECVQGAN_VAE
    vocoder: MelGANConfig | HiFiGANConfig = MelGANConfig()
    codes: int = 1024
    window: int = 320


SPECVQGAN_22K = SpecVQGANConfig()
SPECMASKGIT_22K = SpecVQGANConfig(HIFIGAN_MEL_22K, vocoder=HIFIGAN_22K)


class SpecVQGAN(KLVAE):
    """The autoencoder with its codebook, which public files keep under `quantize`."""

    def __init__(self, config: KLVAEConfig, codes: int, **layers: Any) -> None:
        super().__init__(config, **layers)
        layers.pop("decode_only", None)
        self.quantize = Quantizer(codes, config.latent_channels, **layers)

    def tokens(self, picture: Tensor, **options: Any) -> Tensor:
        """(B, 1, H, W) in -1..1 -> ids (B, H / 16, W / 16). options: of `moments_of_picture`."""
        return self.quantize.nearest(moments_of_picture(self, picture, axis=3, **options))


class SpecVQGANCodec(NeuralCodec):
    """22.05 kHz mono, 5.38 columns of 5 tokens a second, int64 ids 0..1023, lowest band first."""

    name = "specvqgan-22k"
    channels = 1
    parts = ("vae", "vocoder")

    def __init__(
        self,
        config: SpecVQGANConfig | None = None,
        *,
        decode_only: bool = False,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = c = config or SPECVQGAN_22K
        made = {"operations": operations, "dtype": dtype, "device": device}
        self.decode_only = decode_only
        self.token_codes = c.codes
        self.sample_rate = c.mel.sample_rate
        self.latent_dim = c.mel.n_mels // c.vae.factor
        self.samples_per_latent = c.vae.factor * c.mel.hop
        self.vae = SpecVQGAN(c.vae, c.codes, decode_only=decode_only, **made)
        if isinstance(c.vocoder, MelGANConfig):
            self.vocoder: nn.Module = MelGAN(c.vocoder, **made)
        else:
            self.vocoder = HiFiGAN(c.vocoder, **made)

    def _encode(self, waveform: Tensor, progress: Progress | None) -> Tensor:
        mel = self._to_unit(self._analysed(waveform[:, 0]))
        picture = (2 * mel - 1)[:, None].to(self.compute_dtype)
        ids = self.vae.tokens(picture, window=self.config.window, progress=progress)
        return ids.transpose(1, 2)

    def _decode(
        self, latent: Tensor, generator: Generator | None, progress: Progress | None
    ) -> Tensor:
        c = self.config
        vectors = self.vae.quantize.vectors(latent.transpose(1, 2))
        picture = decode_picture(self.vae, vectors, window=c.window, axis=3, progress=progress)
        mel = self._from_unit(((picture[:, 0] + 1) / 2).clamp(0, 1))
        return through(self.vocoder.sections(), mel, progress=progress)

    def _check_latent(self, latent: Tensor) -> None:
        super()._check_latent(latent)
        if latent.is_floating_point() or latent.min() < 0 or latent.max() >= self.config.codes:
            raise FoleyError(
                f"Tokens of the codec {self.name} must be whole numbers "
                f"from 0 to {self.config.codes - 1}."
            )

    def _analysed(self, waveform: Tensor) -> Tensor:
        # Centred frames: one sample less gives no frame too many.
        waveform = waveform[:, :-1] if self.config.mel.centred else waveform
        return mel_spectrogram(waveform, self.config.mel)

    def _to_unit(self, mel: Tensor) -> Tensor:
        if self.config.mel.scale == "decibels":
            return mel
        low, high = LOG_RANGE
        return ((mel - low) / (high - low)).clamp(0, 1)

    def _from_unit(self, mel: Tensor) -> Tensor:
        if self.config.mel.scale == "decibels":
            return mel
        low, high = LOG_RANGE
        return mel * (high - low) + low


def recognise(shapes: Shapes) -> str | None:
    """Empty for an autoencoder with a codebook, as SpecVQGAN's; None for any other file."""
    return "" if CODEBOOK in shapes else None
