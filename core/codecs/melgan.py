"""MelGAN (Kumar et al. 2019) at SpecVQGAN's size: 80-bin mel to 22.05 kHz.

Attribute names are the key names of the public file (after the weight norm is folded).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..layers import Layers
from ..weights.families import Shapes, sized
from ..weights.fold import fold_weight_norm
from .layers import upsampler
from .tiling import Section, upsampling_reach

SLOPE = 0.2
DILATIONS = (1, 3, 9)
# Mel frames made sound of at a time.
TILE = 256


@dataclass(frozen=True)
class MelGANConfig:
    """Config of one generator; `channels` is the width at the waveform's rate."""

    n_mels: int = 80
    channels: int = 32
    rates: tuple[int, ...] = (8, 8, 2, 2)


class DilatedBlock(nn.Module):
    """A dilated and a pointwise convolution, added to a pointwise shortcut."""

    def __init__(self, channels: int, dilation: int, layers: Layers) -> None:
        super().__init__()
        conv = functools.partial(layers.Conv1d, channels, channels)
        self.block = nn.Sequential(
            nn.LeakyReLU(SLOPE),
            nn.ReflectionPad1d(dilation),
            conv(kernel_size=3, dilation=dilation),
            nn.LeakyReLU(SLOPE),
            conv(kernel_size=1),
        )
        self.shortcut = conv(kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.block(x)


class MelGAN(nn.Module):
    """Mel `[B, n_mels, N]` in 0..1 to waveform `[B, 1, N * product of rates]`.

    `made`: as `Layers`.
    """

    def __init__(self, config: MelGANConfig | None = None, **made: Any) -> None:
        super().__init__()
        self.config = c = config or MelGANConfig()
        layers = Layers(**made)
        width = c.channels * 2 ** len(c.rates)
        model = [nn.ReflectionPad1d(3), layers.Conv1d(c.n_mels, width, 7)]
        for rate in c.rates:
            model += [nn.LeakyReLU(SLOPE), upsampler(width, width // 2, rate, layers)]
            width //= 2
            model += [DilatedBlock(width, dilation, layers) for dilation in DILATIONS]
        model += [nn.LeakyReLU(SLOPE), nn.ReflectionPad1d(3)]
        model += [layers.Conv1d(width, 1, 7), nn.Tanh()]
        self.model = nn.Sequential(*model)

    def sections(self) -> tuple[Section]:
        """The network as one part, for `tiling.through`: it is small."""
        stages = [(rate, 2 * rate, sum(DILATIONS)) for rate in self.config.rates]
        context = upsampling_reach(stages, before=3, after=3)
        return (Section(self, math.prod(self.config.rates), context, TILE),)

    def forward(self, mel: Tensor) -> Tensor:
        return self.model(mel)

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors under this class's names, weight norm folded."""
        return fold_weight_norm(tensors)


def recognise(shapes: Shapes) -> str | None:
    """Empty for SpecVQGAN's MelGAN, of which there is one; None for any other file."""
    return "" if sized(shapes, {"model.1.weight_v": 3}) else None
