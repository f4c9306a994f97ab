"""DPM-Solver++ for generators that predict noise (arXiv 2211.01095), second order, multistep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ..errors import FoleyError
from .schedule import LINEAR
from .solver import Hook, Predict, unchanged

# With fewer steps the last one is of first order: the second is unstable there.
_FEW_STEPS = 10


def diffusion_times(steps: int, *, start: float = 1.0) -> list[float]:
    """`steps + 1` continuous times, evenly from `start` to 1/1000."""
    if steps < 1:
        raise FoleyError(f"Sampling needs at least 1 step, not {steps}.")
    return np.linspace(start, LINEAR.end, steps + 1).tolist()


def dpm_solver_2m(
    predict: Predict, x: Tensor, times: Sequence[float], *, hook: Hook = unchanged
) -> Tensor:
    """x at the last of `times` from x at the first; one prediction a step.

    predict: noise in x at a network time (`NoiseSchedule.network_time`). times: continuous times in
    falling order.
    """
    total = len(times) - 1
    x = hook(0, x)
    before: Tensor | None = None
    past = 0.0
    for i in range(total):
        now, then = times[i], times[i + 1]
        alpha, sigma = LINEAR.alpha_sigma(now)
        data = (x - sigma * predict(x, LINEAR.network_time(now))) / alpha
        width = LINEAR.log_snr(then) - LINEAR.log_snr(now)
        ahead = data
        if before is not None and not (total < _FEW_STEPS and i == total - 1):
            ahead = data + (data - before) * (width / (2 * past))
        next_alpha, next_sigma = LINEAR.alpha_sigma(then)
        x = (next_sigma / sigma) * x - (next_alpha * float(np.expm1(-width))) * ahead
        x = hook(i + 1, x)
        before, past = data, width
    return x
