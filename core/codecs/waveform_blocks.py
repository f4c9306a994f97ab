"""What Oobleck and the DAC autoencoder have in common: residual units and changes of rate.

Their files name the layers of a block differently (`layers`, `block`); `Block` is told the name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from .tiling import Network, Section, downsampling_reach, upsampling_reach

DILATIONS = (1, 3, 9)
KERNEL = 7
# Layers of a decoder's first section (a convolution and two changes of rate), and the frames given
# at a time to it and to the second.
COARSE_LAYERS = 3
COARSE_TILE = 256
FINE_TILE = 1024
# Frames to each side that the residual units of one block look at.
UNITS_REACH = KERNEL // 2 * sum(DILATIONS)

MakeSnake = Callable[[int], nn.Module]


class Block(nn.Module):
    """Layers one after another under the attribute `name`; with `residual`, added to the input."""

    def __init__(self, name: str, layers: Sequence[nn.Module], *, residual: bool = False) -> None:
        super().__init__()
        self.name, self.residual = name, residual
        setattr(self, name, nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        y = getattr(self, self.name)(x)
        return y.add_(x) if self.residual else y


def residual_units(
    name: str, channels: int, snake: MakeSnake, operations: Any, factory: dict[str, Any]
) -> list[nn.Module]:
    """Three units: snake, dilated 7-tap convolution, snake, pointwise convolution, added."""
    return [
        Block(
            name,
            (
                snake(channels),
                operations.Conv1d(
                    channels,
                    channels,
                    KERNEL,
                    dilation=dilation,
                    padding=KERNEL // 2 * dilation,
                    **factory,
                ),
                snake(channels),
                operations.Conv1d(channels, channels, 1, **factory),
            ),
            residual=True,
        )
        for dilation in DILATIONS
    ]


def slower(inputs: int, outputs: int, rate: int, operations: Any, factory: Any) -> nn.Module:
    """A strided convolution: one frame for `rate`."""
    return operations.Conv1d(
        inputs, outputs, 2 * rate, stride=rate, padding=math.ceil(rate / 2), **factory
    )


def faster(inputs: int, outputs: int, rate: int, operations: Any, factory: Any) -> nn.Module:
    """A transposed convolution: `rate` frames for one."""
    return operations.ConvTranspose1d(
        inputs,
        outputs,
        2 * rate,
        stride=rate,
        padding=math.ceil(rate / 2),
        output_padding=rate % 2,
        **factory,
    )


def decoder_sections(
    rates: Sequence[int], runs: tuple[Network, Network]
) -> tuple[Section, Section]:
    """Sections of a decoder (`rates` are the encoder's) cut after `COARSE_LAYERS`."""
    stages = [(rate, 2 * rate, UNITS_REACH) for rate in reversed(rates)]
    coarse, fine = stages[: COARSE_LAYERS - 1], stages[COARSE_LAYERS - 1 :]
    return (
        Section(
            runs[0],
            math.prod(rate for rate, _, _ in coarse),
            upsampling_reach(coarse, before=KERNEL // 2, after=0),
            COARSE_TILE,
        ),
        Section(
            runs[1],
            math.prod(rate for rate, _, _ in fine),
            upsampling_reach(fine, before=0, after=KERNEL // 2),
            FINE_TILE,
        ),
    )


def encoder_reach(rates: Sequence[int]) -> int:
    """Latents' worth of samples to each side that a latent depends on."""
    stages = [(rate, 2 * rate, UNITS_REACH) for rate in rates]
    return downsampling_reach(stages, before=KERNEL // 2, after=1)
