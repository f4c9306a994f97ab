"""HunyuanVideo-Foley's autoencoder: the Descript codec (Kumar et al. 2023) with a Gaussian latent.

Attribute names are the key names of the public file (after the weight norm is folded).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..weights.fold import fold_weight_norm
from .activations import Snake
from .tiling import Section
from .waveform_blocks import (
    COARSE_LAYERS,
    Block,
    MakeSnake,
    decoder_sections,
    encoder_reach,
    faster,
    residual_units,
    slower,
)

LOGVAR_RANGE = (-30.0, 20.0)


@dataclass(frozen=True)
class DACVAEConfig:
    """Figures of the autoencoder; the decoder's rates are the encoder's, reversed."""

    encoder_channels: int = 128
    decoder_channels: int = 2048
    rates: tuple[int, ...] = (2, 3, 4, 5, 8)
    latent_dim: int = 128

    @property
    def hop(self) -> int:
        """Samples a latent frame."""
        return math.prod(self.rates)


class DACVAENetwork(nn.Module):
    """Audio `[B, 1, N * hop]` to moments `[B, 2 * latent_dim, N]`, latent to audio."""

    def __init__(
        self,
        config: DACVAEConfig | None = None,
        *,
        decode_only: bool = False,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = c = config or DACVAEConfig()
        made: dict[str, Any] = {"dtype": dtype, "device": device}
        snake: MakeSnake = functools.partial(Snake, **made)
        units = functools.partial(
            residual_units, "block", snake=snake, operations=operations, factory=made
        )
        conv = functools.partial(operations.Conv1d, **made)
        if not decode_only:
            width = c.encoder_channels
            layers: list[nn.Module] = [conv(1, width, 7, padding=3)]
            for rate in c.rates:
                change = slower(width, 2 * width, rate, operations, made)
                layers.append(Block("block", [*units(width), snake(width), change]))
                width *= 2
            layers += [snake(width), conv(width, c.latent_dim, 3, padding=1)]
            self.encoder = Block("block", layers)
            self.quant_conv = conv(c.latent_dim, 2 * c.latent_dim, 1)
        self.post_quant_conv = conv(c.latent_dim, c.latent_dim, 1)
        width = c.decoder_channels
        layers = [conv(c.latent_dim, width, 7, padding=3)]
        for rate in reversed(c.rates):
            change = faster(width, width // 2, rate, operations, made)
            layers.append(Block("block", [snake(width), change, *units(width // 2)]))
            width //= 2
        layers += [snake(width), conv(width, 1, 7, padding=3)]
        self.decoder = Block("model", layers)

    def sections(self) -> tuple[Section, Section]:
        """The decoder in two parts, for `tiling.through`."""
        return decoder_sections(self.config.rates, (self._coarse, self._fine))

    @property
    def encoder_context(self) -> int:
        """Latents' worth of samples to each side that a latent depends on."""
        return encoder_reach(self.config.rates)

    def moments(self, audio: Tensor) -> Tensor:
        """Mean and log-variance, stacked, not clamped."""
        return self.quant_conv(self.encoder(audio))

    @staticmethod
    def deviation(logvar: Tensor) -> Tensor:
        """Standard deviation of the posterior from the raw log-variance."""
        return (logvar.clamp(*LOGVAR_RANGE) / 2).exp()

    def before_tanh(self, latent: Tensor) -> Tensor:
        """The decoder's output before it is brought to -1..1."""
        return self.decoder.model[COARSE_LAYERS:](self._coarse(latent))

    def decode(self, latent: Tensor) -> Tensor:
        """Latent `[B, latent_dim, N]` to audio `[B, 1, N * hop]` in -1..1."""
        return self._fine(self._coarse(latent))

    def _coarse(self, latent: Tensor) -> Tensor:
        return self.decoder.model[:COARSE_LAYERS](self.post_quant_conv(latent))

    def _fine(self, x: Tensor) -> Tensor:
        return self.decoder.model[COARSE_LAYERS:](x).tanh_()

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors, weight norm folded."""
        own = ("encoder.", "quant_conv.", "post_quant_conv.", "decoder.")
        return fold_weight_norm({k: v for k, v in tensors.items() if k.startswith(own)})
