"""Batches: moved to a device, and cut into equal shares for processes and accumulation.

A batch is a tensor or a list of rows, or a dictionary or tuple of these. Every tensor and every
list has one row a take; anything else is the same for all takes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import FoleyError


def on_device(values: Any, device: torch.device | str) -> Any:
    """The batch with its tensors on `device`."""
    if isinstance(values, dict):
        return {name: on_device(value, device) for name, value in values.items()}
    if isinstance(values, tuple):
        return tuple(on_device(value, device) for value in values)
    return values.to(device) if isinstance(values, Tensor) else values


def share_of(values: Any, index: int, count: int) -> Any:
    """Rows index, index + count, ... of a batch: one of `count` equal shares.

    Raises:
        FoleyError: the rows of a tensor or list cannot be shared equally.
    """
    if count == 1:
        return values
    if isinstance(values, dict):
        return {name: share_of(value, index, count) for name, value in values.items()}
    if isinstance(values, tuple):
        return tuple(share_of(value, index, count) for value in values)
    if not isinstance(values, Tensor | list):
        return values
    if len(values) % count:
        raise FoleyError(
            f"{len(values)} takes of a batch cannot be shared equally by {count} (processes times "
            f"accumulation); choose a number that divides them."
        )
    return values[index::count]


def device_of(model: nn.Module) -> torch.device:
    """Where the weights lie."""
    return next(model.parameters()).device
