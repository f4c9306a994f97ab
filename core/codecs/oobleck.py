"""Oobleck, the autoencoder of Stable Audio Open (Evans et al. 2024): 44.1 kHz stereo.

Attribute names are the key names of the public file (after the weight norm is folded).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..layers import Layers
from ..weights.families import Shapes
from ..weights.fold import fold_weight_norm, strip_prefix
from .activations import SnakeBeta
from .waveform import Blocks, WaveformVAE

AUDIO_CHANNELS = 2
# Of its weights in files that hold more.
PREFIXES = ("pretransform.model.", "autoencoder.", "model.")
SMALLEST_DEVIATION = 1e-4


@dataclass(frozen=True)
class OobleckConfig:
    """Config of the autoencoder; `multiples` of `channels` are the widths after every rate."""

    channels: int = 128
    multiples: tuple[int, ...] = (1, 2, 4, 8, 16)
    rates: tuple[int, ...] = (2, 4, 4, 8, 8)
    latent_dim: int = 64


class Oobleck(WaveformVAE):
    """Mean and raw scale of stereo audio; the decoded is not limited to -1..1."""

    def __init__(
        self, config: OobleckConfig | None = None, *, decode_only: bool = False, **made: Any
    ) -> None:
        c = config or OobleckConfig()
        super().__init__(c)
        blocks = Blocks("layers", SnakeBeta, Layers(**made))
        down = [AUDIO_CHANNELS, *(c.channels * m for m in (1, *c.multiples)), c.latent_dim]
        if not decode_only:
            self.encoder = blocks.encoder("layers", [*down[:-1], 2 * c.latent_dim], c.rates)
        self.decoder = blocks.decoder("layers", down[::-1], c.rates[::-1], bias=False)

    @staticmethod
    def deviation(raw: Tensor) -> Tensor:
        return F.softplus(raw) + SMALLEST_DEVIATION

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The autoencoder's tensors in a public file, weight norm folded."""
        inner = strip_prefix(tensors, PREFIXES)
        own = ("encoder.", "decoder.")
        return fold_weight_norm({k: v for k, v in inner.items() if k.startswith(own)})


def config_of(tensors: Mapping[str, Tensor]) -> OobleckConfig:
    """The sizes of the autoencoder in a public file; as published where its names are others."""
    shapes = {key: tuple(value.shape) for key, value in strip_prefix(tensors, PREFIXES).items()}
    changes = []  # of rate, the decoder's: channels before and after, taps
    for i in range(1, len(shapes)):
        stem = f"decoder.layers.{i}.layers.1.weight"
        shape = shapes.get(stem) or shapes.get(stem + "_v")
        if shape is None:
            break
        changes.append(shape)
    first = shapes.get("decoder.layers.0.weight") or shapes.get("decoder.layers.0.weight_v")
    if not changes or first is None:
        return OobleckConfig()
    channels = changes[-1][1]
    multiples = tuple(before // channels for before, _, _ in reversed(changes))
    rates = tuple(taps // 2 for _, _, taps in reversed(changes))
    return OobleckConfig(channels, multiples, rates, first[1])


def recognise(shapes: Shapes) -> str | None:
    """Empty for an Oobleck, in a file of its own or in Stable Audio's; None for any other file."""
    starts = ("pretransform.model.encoder.layers.", "encoder.layers.0.weight")
    return "" if any(key.startswith(starts) for key in shapes) else None
