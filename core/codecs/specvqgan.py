"""SpecVQGAN's codec (Iashin and Rahtu 2021): mel tokens at 22.05 kHz, MelGAN or HiFi-GAN.

SpecMaskFoley (arXiv 2505.16195) uses a retrained one on HiFi-GAN's mel. How its log-mel was
brought to -1..1 is not published; here -11.5..2.5 is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FoleyError
from ..weights.families import Shapes, sized
from ..weights.fill import building
from ..weights.load import read_weights
from .hifigan import HIFIGAN_22K
from .kl_vae import CODEBOOK, SPECVQGAN_VAE, KLVAEConfig
from .mel import FLOOR, HIFIGAN_MEL_22K, SPECVQGAN_MEL, MelConfig
from .melgan import MelGANConfig
from .picture import PictureCodec, PictureCodecConfig
from .tiling import Progress

LOG_RANGE = (math.log(FLOOR), 2.5)
SPECMASKGIT_22K = PictureCodecConfig(HIFIGAN_MEL_22K, SPECVQGAN_VAE, HIFIGAN_22K, 320)


def scaled_mel(mel: Tensor, config: MelConfig) -> Tensor:
    """A mel, of any shape, brought to -1..1 as the encoder takes it."""
    if config.scale != "decibels":
        low, high = LOG_RANGE
        mel = ((mel - low) / (high - low)).clamp(0, 1)
    return 2 * mel - 1


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
        return scaled_mel(mel, self.config.mel)

    def _rows(self, latent: Tensor) -> Tensor:
        return self.vae.quantize.vectors(latent.transpose(1, 2))

    def _decoded_mel(self, picture: Tensor) -> Tensor:
        mel = ((picture[:, 0] + 1) / 2).clamp(0, 1)
        if self.config.mel.scale == "decibels":
            return mel
        low, high = LOG_RANGE
        return mel * (high - low) + low


def as_sized(config: PictureCodecConfig, vae: Mapping[str, Tensor]) -> PictureCodecConfig:
    """The config with the sizes of an autoencoder's tensors, as our training names them; tensors
    of other names leave it as it is."""
    ups = "decoder.up_blocks."
    levels = len({key.split(".")[2] for key in vae if key.startswith(ups)})
    firsts = [vae.get(f"{ups}{i}.resnets.0.conv1.weight") for i in range(levels)]
    widths = [len(first) for first in firsts if first is not None]
    if not widths or len(widths) < levels or CODEBOOK not in vae:
        return config
    attending = {int(k.split(".")[2]) for k in vae if k.startswith(ups) and ".attentions." in k}
    resnets = {int(k.split(".")[4]) for k in vae if k.startswith(f"{ups}0.resnets.")}
    codes, latent_channels = vae[CODEBOOK].shape
    sizes = KLVAEConfig(
        config.vae.picture_channels,
        latent_channels,
        tuple(reversed(widths)),
        blocks=len(resnets) - 1,
        attention_levels=tuple(sorted(levels - 1 - i for i in attending)),
        codes=codes,
    )
    return replace(config, vae=sizes)


def load_tokenizer(path: Path, device: torch.device | str = "cpu") -> SpecVQGANCodec:
    """The codec of SpecMaskGIT without its vocoder: it makes tokens, and no sound.

    Raises:
        FoleyError: a file that cannot be read, or is not of this codec.
    """
    tensors = read_weights(path)
    with building(path.name), torch.device("meta"):
        config = replace(as_sized(SPECMASKGIT_22K, tensors), vocoder=None)
        codec = SpecVQGANCodec(config)
    codec.fill({"vae": tensors}, dtype=torch.float32, device=device)
    return codec


def recognise(shapes: Shapes) -> str | None:
    """Empty for an autoencoder with a codebook, as SpecVQGAN's; None for any other file."""
    return "" if sized(shapes, {CODEBOOK: 2}) else None
