"""Stable Audio's two numbers, start and total seconds, as condition tokens.

Source: Stable Audio Open (arXiv 2407.14358).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .base import Encoder

WIDTH = 768
_LONGEST = 512.0
_WAVES = 128


class _Waves(nn.Module):
    """A number y to [y, sin 2 pi y w, cos 2 pi y w], w learned."""

    def __init__(self, count: int, **factory) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(count, **factory))

    def forward(self, y: Tensor) -> Tensor:
        angles = y * self.weights.float() * (2 * math.pi)
        return torch.cat([y, angles.sin(), angles.cos()], -1)


class NumberConditioner(nn.Sequential):
    """Seconds [B], held to 0..512, to one token each [B, 1, 768]."""

    def __init__(self, *, operations: Any, **factory) -> None:
        linear = operations.Linear(2 * _WAVES + 1, WIDTH, **factory)
        super().__init__(_Waves(_WAVES, **factory), linear)

    def forward(self, seconds: Tensor) -> Tensor:
        waves, linear = self
        y = seconds.float().clamp(0, _LONGEST)[:, None, None] / _LONGEST
        return linear(waves(y).to(linear.weight.dtype))


class SecondsConditioner(Encoder):
    """Both numbers of a take, from Stable Audio Open's own single file; `stream` is `seconds`."""

    stream = "seconds"
    width = WIDTH
    prefix = "conditioner.conditioners."

    def __init__(self, *, operations: Any = nn, **factory: Any) -> None:
        super().__init__()
        self.seconds_start = NumberConditioner(operations=operations, **factory)
        self.seconds_total = NumberConditioner(operations=operations, **factory)

    @classmethod
    def own_name(cls, key: str, **made: Any) -> str | None:
        name = super().own_name(key)
        if not (name and name.startswith(("seconds_start.", "seconds_total."))):
            return None
        return name.replace(".embedder.embedding.", ".")

    def forward(self, start: Tensor, total: Tensor) -> Tensor:
        """Seconds [B] and [B] -> tokens [B, 2, 768]: where the take starts, how long it is."""
        return torch.cat([self.seconds_start(start), self.seconds_total(total)], 1)
