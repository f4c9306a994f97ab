"""Stable Audio's two numbers, start and total seconds, as condition tokens.

Source: Stable Audio Open (arXiv 2407.14358). Attribute names are the public file's key names.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..weights.fill import fill
from ..weights.load import read_weights

WIDTH = 768
_LONGEST = 512.0
_WAVES = 128
_PREFIX = "conditioner.conditioners."


class _Waves(nn.Module):
    """A number y to [y, sin 2 pi y w, cos 2 pi y w], w learned."""

    def __init__(self, count: int, **factory) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(count, **factory))

    def forward(self, y: Tensor) -> Tensor:
        angles = y * self.weights.float() * (2 * math.pi)
        return torch.cat([y, angles.sin(), angles.cos()], -1)


class _Embedder(nn.Module):
    def __init__(self, *, operations: Any, **factory) -> None:
        super().__init__()
        waves = _Waves(_WAVES, **factory)
        linear = operations.Linear(2 * _WAVES + 1, WIDTH, **factory)
        self.embedding = nn.Sequential(waves, linear)


class NumberConditioner(nn.Module):
    """Seconds (B,), held to 0..512, to one token each (B, 1, 768)."""

    def __init__(self, *, operations: Any, **factory) -> None:
        super().__init__()
        self.embedder = _Embedder(operations=operations, **factory)

    def forward(self, seconds: Tensor) -> Tensor:
        waves, linear = self.embedder.embedding
        y = seconds.float().clamp(0, _LONGEST)[:, None, None] / _LONGEST
        return linear(waves(y).to(linear.weight.dtype))


class SecondsConditioner(nn.Module):
    """Both numbers of a take; `stream` is `seconds`."""

    stream = "seconds"

    def __init__(
        self,
        *,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        factory: dict[str, Any] = {"dtype": dtype, "device": device}
        self.seconds_start = NumberConditioner(operations=operations, **factory)
        self.seconds_total = NumberConditioner(operations=operations, **factory)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
        **factory: Any,
    ) -> SecondsConditioner:
        """From Stable Audio Open's own single file. dtype None: as stored."""
        tensors = read_weights(path, dtype=dtype, device=device, keep=_is_timing)
        named = {key[len(_PREFIX) :]: value for key, value in tensors.items()}
        return fill(cls(device="meta", **factory), named, path)

    def forward(self, start: Tensor, total: Tensor) -> Tensor:
        """Seconds (B,) and (B,) -> tokens (B, 2, 768): where the take starts, how long it is."""
        return torch.cat([self.seconds_start(start), self.seconds_total(total)], 1)


def _is_timing(key: str) -> bool:
    return key.startswith((f"{_PREFIX}seconds_start.", f"{_PREFIX}seconds_total."))
