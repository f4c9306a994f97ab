"""What the networks make their layers with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Layers:
    """Makes the layers of a network: `layers.Conv1d(2, 4, 3)` is a Conv1d of `operations`.

    operations: torch.nn, or what holds layers of the same names, as ComfyUI's casting ones.
    dtype, device: of the weights; "meta" makes shapes only.
    """

    def __init__(
        self,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.operations = operations
        self.factory: dict[str, Any] = {"dtype": dtype, "device": device}

    def __getattr__(self, name: str) -> Callable[..., nn.Module]:
        return functools.partial(getattr(self.operations, name), **self.factory)

    def zeros(self, *shape: int) -> nn.Parameter:
        """A weight that is no layer's, 0 at first."""
        return nn.Parameter(torch.zeros(shape, **self.factory))
