"""Oobleck, the autoencoder of Stable Audio Open (Evans et al. 2024): 44.1 kHz stereo.

Attribute names are the key names of the public file (after the weight norm is folded).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..weights.families import Shapes
from ..weights.fold import fold_weight_norm, strip_prefix
from .activations import SnakeBeta
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

SMALLEST_DEVIATION = 1e-4


@dataclass(frozen=True)
class OobleckConfig:
    """Figures of the autoencoder; `widths` multiply `channels`, one more than `rates`."""

    audio_channels: int = 2
    channels: int = 128
    multiples: tuple[int, ...] = (1, 2, 4, 8, 16)
    rates: tuple[int, ...] = (2, 4, 4, 8, 8)
    latent_dim: int = 64

    @property
    def hop(self) -> int:
        """Samples a latent frame."""
        return math.prod(self.rates)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels before every change of rate and after the last."""
        return tuple(self.channels * m for m in (1, *self.multiples))


class Oobleck(nn.Module):
    """Audio `[B, 2, N * hop]` to moments `[B, 2 * latent_dim, N]`, latent to audio."""

    def __init__(
        self,
        config: OobleckConfig | None = None,
        *,
        decode_only: bool = False,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = c = config or OobleckConfig()
        made: dict[str, Any] = {"dtype": dtype, "device": device}
        snake: MakeSnake = functools.partial(SnakeBeta, **made)
        units = functools.partial(
            residual_units, "layers", snake=snake, operations=operations, factory=made
        )
        conv = functools.partial(operations.Conv1d, **made)
        steps = list(zip(c.widths, c.widths[1:], c.rates))
        if not decode_only:
            down = [
                Block("layers", [*units(a), snake(a), slower(a, b, rate, operations, made)])
                for a, b, rate in steps
            ]
            ends = [snake(c.widths[-1]), conv(c.widths[-1], 2 * c.latent_dim, 3, padding=1)]
            first = conv(c.audio_channels, c.widths[0], 7, padding=3)
            self.encoder = Block("layers", [first, *down, *ends])
        up = [
            Block("layers", [snake(b), faster(b, a, rate, operations, made), *units(a)])
            for a, b, rate in reversed(steps)
        ]
        last = conv(c.widths[0], c.audio_channels, 7, padding=3, bias=False)
        first = conv(c.latent_dim, c.widths[-1], 7, padding=3)
        self.decoder = Block("layers", [first, *up, snake(c.widths[0]), last])

    def sections(self) -> tuple[Section, Section]:
        """The decoder in two parts, for `tiling.through`."""
        return decoder_sections(self.config.rates, (self._coarse, self._fine))

    @property
    def encoder_context(self) -> int:
        """Latents' worth of samples to each side that a latent depends on."""
        return encoder_reach(self.config.rates)

    def moments(self, audio: Tensor) -> Tensor:
        """Mean and raw scale, stacked: what the encoder gives."""
        return self.encoder(audio)

    @staticmethod
    def deviation(scale: Tensor) -> Tensor:
        """Standard deviation of the posterior from the raw scale."""
        return F.softplus(scale) + SMALLEST_DEVIATION

    def decode(self, latent: Tensor) -> Tensor:
        """Latent `[B, latent_dim, N]` to audio `[B, 2, N * hop]`, not limited to -1..1."""
        return self._fine(self._coarse(latent))

    def _coarse(self, latent: Tensor) -> Tensor:
        return self.decoder.layers[:COARSE_LAYERS](latent)

    def _fine(self, x: Tensor) -> Tensor:
        return self.decoder.layers[COARSE_LAYERS:](x)

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The autoencoder's tensors in a public file, weight norm folded."""
        inner = strip_prefix(tensors, ("pretransform.model.", "autoencoder.", "model."))
        own = ("encoder.", "decoder.")
        return fold_weight_norm({k: v for k, v in inner.items() if k.startswith(own)})


def recognise(shapes: Shapes) -> str | None:
    """Empty for an Oobleck, in a file of its own or in Stable Audio's; None for any other file."""
    starts = ("pretransform.model.encoder.layers.", "encoder.layers.0.weight")
    return "" if any(key.startswith(starts) for key in shapes) else None
