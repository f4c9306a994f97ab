"""MelGAN (Kumar et al. 2019) with SpecVQGAN's figures: 80-bin mel to 22.05 kHz.

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

from ..weights.families import Shapes
from ..weights.fold import fold_weight_norm
from .tiling import Section, upsampling_reach

SLOPE = 0.2
DILATIONS = (1, 3, 9)
# Mel frames made sound of at a time.
TILE = 256


@dataclass(frozen=True)
class MelGANConfig:
    """Figures of one generator; `channels` is the width at the waveform's rate."""

    n_mels: int = 80
    channels: int = 32
    rates: tuple[int, ...] = (8, 8, 2, 2)

    @property
    def hop(self) -> int:
        """Samples a mel frame."""
        return math.prod(self.rates)


class DilatedBlock(nn.Module):
    """A dilated and a pointwise convolution, added to a pointwise shortcut."""

    def __init__(self, channels: int, dilation: int, *, operations: Any, **factory: Any) -> None:
        super().__init__()
        conv = functools.partial(operations.Conv1d, channels, channels, **factory)
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
    """Mel `[B, n_mels, N]` in 0..1 to waveform `[B, 1, N * hop]`."""

    def __init__(
        self,
        config: MelGANConfig | None = None,
        *,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = c = config or MelGANConfig()
        made = {"dtype": dtype, "device": device}
        width = c.channels * 2 ** len(c.rates)
        layers = [nn.ReflectionPad1d(3), operations.Conv1d(c.n_mels, width, 7, **made)]
        for rate in c.rates:
            upsample = operations.ConvTranspose1d(
                width,
                width // 2,
                2 * rate,
                stride=rate,
                padding=rate // 2 + rate % 2,
                output_padding=rate % 2,
                **made,
            )
            width //= 2
            layers += [nn.LeakyReLU(SLOPE), upsample]
            layers += [DilatedBlock(width, d, operations=operations, **made) for d in DILATIONS]
        layers += [nn.LeakyReLU(SLOPE), nn.ReflectionPad1d(3)]
        layers += [operations.Conv1d(width, 1, 7, **made), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def sections(self) -> tuple[Section]:
        """The network as one part, for `tiling.through`: it is small."""
        stages = [(rate, 2 * rate, sum(DILATIONS)) for rate in self.config.rates]
        context = upsampling_reach(stages, before=3, after=3)
        return (Section(self, self.config.hop, context, TILE),)

    def forward(self, mel: Tensor) -> Tensor:
        return self.model(mel)

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors under this class's names, weight norm folded."""
        return fold_weight_norm(tensors)


def recognise(shapes: Shapes) -> str | None:
    """Empty for SpecVQGAN's MelGAN, of which there is one; None for any other file."""
    return "" if len(shapes.get("model.1.weight_v", ())) == 3 else None
