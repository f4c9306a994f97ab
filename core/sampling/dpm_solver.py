"""DPM-Solver++ for generators that predict noise (arXiv 2211.01095), second order, multistep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from .schedule import alpha_sigma, log_snr, network_time
from .solver import Hook, Predict, unchanged

# With fewer steps the last one is of first order: the second is unstable there.
_FEW_STEPS = 10


def dpm_solver_2m(
    predict: Predict, x: Tensor, times: Sequence[float], *, hook: Hook = unchanged
) -> Tensor:
    """x at the last of `times` from x at the first; one prediction a step.

    predict: noise in x at a network time (`schedule.network_time`). times: continuous times in
    falling order.
    """
    total = len(times) - 1
    x = hook(0, x)
    before: Tensor | None = None
    past = 0.0
    for i in range(total):
        now, then = times[i], times[i + 1]
        alpha, sigma = alpha_sigma(now)
        data = (x - sigma * predict(x, network_time(now))) / alpha
        width = log_snr(then) - log_snr(now)
        ahead = data
        if before is not None and not (total < _FEW_STEPS and i == total - 1):
            ahead = data + (data - before) * (width / (2 * past))
        next_alpha, next_sigma = alpha_sigma(then)
        x = (next_sigma / sigma) * x - (next_alpha * float(np.expm1(-width))) * ahead
        x = hook(i + 1, x)
        before, past = data, width
    return x
