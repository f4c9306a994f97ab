"""Numbers of seconds as condition tokens, as Stable Audio is told how long a take is.

Source: Stable Audio Open (arXiv 2407.14358). Attribute names are the public file's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..layers import Layers

LONGEST = 512.0
_WAVES = 128


class Waves(nn.Module):
    """A number y to [y, sin 2 pi y w, cos 2 pi y w], w learned."""

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        self.weights = layers.zeros(_WAVES)

    def forward(self, y: Tensor) -> Tensor:
        angles = y * self.weights.float() * (2 * math.pi)
        return torch.cat([y, angles.sin(), angles.cos()], -1)


class NumberConditioner(nn.Sequential):
    """Seconds [B], held to 0..512, to one token each [B, 1, width]."""

    def __init__(self, width: int, layers: Layers) -> None:
        super().__init__(Waves(layers), layers.Linear(2 * _WAVES + 1, width))

    def forward(self, seconds: Tensor) -> Tensor:
        waves, linear = self
        y = seconds.float().clamp(0, LONGEST)[:, None, None] / LONGEST
        return linear(waves(y).to(waves.weights))
