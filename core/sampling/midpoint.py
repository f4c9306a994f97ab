"""The midpoint method."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .solver import Hook, Predict, unchanged


def midpoint(
    predict: Predict, x: Tensor, times: Sequence[float], *, hook: Hook = unchanged
) -> Tensor:
    """Second order: x += h v(x + h/2 v(x, t), t + h/2). Two predictions a step; see `euler`."""
    x = hook(0, x)
    for step, (now, then) in enumerate(zip(times, times[1:]), 1):
        h = then - now
        x = hook(step, x + h * predict(x + h / 2 * predict(x, now), now + h / 2))
    return x
