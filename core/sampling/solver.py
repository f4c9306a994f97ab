"""What solvers have in common: plain functions of a prediction, a state and the visited times."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Predict = Callable[[Tensor, float], Tensor]
Hook = Callable[[int, Tensor], Tensor]
"""hook(steps made, x) -> x: called before the first step and after each one; what it returns is
gone on with. What it raises ends the run."""


def unchanged(step: int, x: Tensor) -> Tensor:
    """The hook that does nothing."""
    return x
