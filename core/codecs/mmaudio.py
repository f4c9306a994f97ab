"""MMAudio's codecs: log-mel, 1-D autoencoder, BigVGAN (arXiv 2412.15322)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Generator, Tensor

from .bigvgan import BIGVGAN_16K, BIGVGAN_V2_44K, BigVGAN, BigVGANConfig
from .mel import MMAUDIO_MEL_16K, MMAUDIO_MEL_44K, MelConfig, mel_spectrogram
from .mel_vae import MEL_VAE_16K, MEL_VAE_44K, MelVAE, MelVAEConfig
from .neural import NeuralCodec
from .tiling import Progress, through

MELS_PER_LATENT = 2
# Their sides are the width of a network.
_VAE_FIRST = "decoder.conv_out.weight"
_BIASES = "conv_pre.bias"


@dataclass(frozen=True)
class MMAudioCodecConfig:
    """Config of one of the two codecs."""

    name: str
    mel: MelConfig
    vae: MelVAEConfig
    vocoder: BigVGANConfig


MMAUDIO_16K = MMAudioCodecConfig("mmaudio-16k", MMAUDIO_MEL_16K, MEL_VAE_16K, BIGVGAN_16K)
MMAUDIO_44K = MMAudioCodecConfig("mmaudio-44k", MMAUDIO_MEL_44K, MEL_VAE_44K, BIGVGAN_V2_44K)


def as_wide(
    config: MMAudioCodecConfig, tensors: Mapping[str, Mapping[str, Tensor]]
) -> MMAudioCodecConfig:
    """`config` with the widths of these weights of "vae" and "vocoder", where they have them."""
    vae = next((v for k, v in tensors.get("vae", {}).items() if k.endswith(_VAE_FIRST)), None)
    first = next((v for k, v in tensors.get("vocoder", {}).items() if k.endswith(_BIASES)), None)
    if vae is not None:
        config = replace(config, vae=replace(config.vae, width=vae.shape[1]))
    if first is not None:
        config = replace(config, vocoder=replace(config.vocoder, channels=first.shape[0]))
    return config


class MMAudioCodec(NeuralCodec):
    """Mono; 31.25 latent frames of 20 numbers a second at 16 kHz, 43.07 of 40 at 44.1 kHz.

    `made`: as `Layers`.
    """

    channels = 1
    parts = ("vae", "vocoder")

    def __init__(
        self, config: MMAudioCodecConfig, *, decode_only: bool = False, **made: Any
    ) -> None:
        super().__init__()
        self.config = config
        self.name = config.name
        self.decode_only = decode_only
        self.sample_rate = config.mel.sample_rate
        self.latent_dim = config.vae.latent_dim
        self.samples_per_latent = MELS_PER_LATENT * config.mel.hop
        self.vae = MelVAE(config.vae, decode_only=decode_only, **made)
        self.vocoder = BigVGAN(config.vocoder, **made)

    def _posterior(self, waveform: Tensor, progress: Progress | None) -> tuple[Tensor, Tensor]:
        mel = mel_spectrogram(waveform[:, 0], self.config.mel).to(self.compute_dtype)
        mean, deviation = self.vae.encode(mel, progress=progress)
        return mean.transpose(1, 2).float(), deviation.transpose(1, 2).float()

    def _decode(
        self, latent: Tensor, generator: Generator | None, progress: Progress | None
    ) -> Tensor:
        mel = self.vae.decode(latent.transpose(1, 2).to(self.compute_dtype))
        return through(self.vocoder.sections(), mel, progress=progress)
