"""Euler's method."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .solver import Hook, Predict, unchanged


def euler(predict: Predict, x: Tensor, times: Sequence[float], *, hook: Hook = unchanged) -> Tensor:
    """First order: x += (t' - t) v(x, t). One prediction a step.

    predict: velocity of x at a time. times: visited in order; falling ones integrate backwards.
    """
    x = hook(0, x)
    for step, (now, then) in enumerate(zip(times, times[1:]), 1):
        x = hook(step, x + (then - now) * predict(x, now))
    return x
