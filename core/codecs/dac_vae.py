"""HunyuanVideo-Foley's codec: Descript's (Kumar et al. 2023) with a Gaussian latent, 48 kHz mono.

Attribute names are the key names of the public file (after the weight norm is folded).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..layers import Layers
from ..weights.families import Shapes
from ..weights.fold import fold_weight_norm
from .activations import Snake
from .waveform import Blocks, WaveformCodec, WaveformVAE

LOGVAR_RANGE = (-30.0, 20.0)


@dataclass(frozen=True)
class DACVAEConfig:
    """Config of the autoencoder; the decoder's rates are the encoder's, reversed.

    `encoder_channels` are doubled at every rate, `decoder_channels` halved.
    """

    encoder_channels: int = 128
    decoder_channels: int = 2048
    rates: tuple[int, ...] = (2, 3, 4, 5, 8)
    latent_dim: int = 128


class DACVAE(WaveformVAE):
    """Mean and log-variance (not clamped) of mono audio; the decoded is in -1..1."""

    def __init__(
        self, config: DACVAEConfig | None = None, *, decode_only: bool = False, **made: Any
    ) -> None:
        c = config or DACVAEConfig()
        super().__init__(c)
        layers = Layers(**made)
        blocks = Blocks("block", Snake, layers)
        stages = range(len(c.rates) + 1)
        if not decode_only:
            widths = [c.encoder_channels << stage for stage in stages]
            self.encoder = blocks.encoder("block", [1, *widths, c.latent_dim], c.rates)
            self.quant_conv = layers.Conv1d(c.latent_dim, 2 * c.latent_dim, 1)
        self.post_quant_conv = layers.Conv1d(c.latent_dim, c.latent_dim, 1)
        widths = [c.decoder_channels >> stage for stage in stages]
        self.decoder = blocks.decoder("model", [c.latent_dim, *widths, 1], c.rates[::-1])

    def moments(self, audio: Tensor) -> Tensor:
        return self.quant_conv(super().moments(audio))

    @staticmethod
    def deviation(raw: Tensor) -> Tensor:
        return (raw.clamp(*LOGVAR_RANGE) / 2).exp()

    def _coarse(self, latent: Tensor) -> Tensor:
        return super()._coarse(self.post_quant_conv(latent))

    def _fine(self, x: Tensor) -> Tensor:
        return super()._fine(x).tanh_()

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors, weight norm folded."""
        own = ("encoder.", "quant_conv.", "post_quant_conv.", "decoder.")
        return fold_weight_norm({k: v for k, v in tensors.items() if k.startswith(own)})


class DACVAECodec(WaveformCodec):
    """48 kHz mono, 50 latent frames of 128 numbers a second."""

    name = "dac-vae"
    network = DACVAE
    sample_rate = 48000
    channels = 1
    encoded_tile = 64


def recognise(shapes: Shapes) -> str | None:
    """Empty for HunyuanVideo-Foley's autoencoder; None for any other file."""
    starts = ("encoder.block.0.weight", "decoder.model.")
    has_all = all(any(key.startswith(start) for key in shapes) for start in starts)
    return "" if has_all else None
