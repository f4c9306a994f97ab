"""DPM-Solver++ for generators that predict noise (arXiv 2211.01095), second order, multistep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from torch import Tensor

from ..errors import FoleyError
from .schedule import LINEAR, NoiseSchedule
from .solver import Hook, Predict, unchanged

Spacing = Literal["time", "log-snr"]

# With fewer steps the last one is of first order: the second is unstable there.
_FEW_STEPS = 10


def diffusion_times(
    steps: int,
    spacing: Spacing = "time",
    schedule: NoiseSchedule = LINEAR,
    *,
    start: float = 1.0,
) -> list[float]:
    """`steps + 1` continuous times from `start` to 1/1000, even in time or log(alpha / sigma)."""
    if steps < 1:
        raise FoleyError(f"Sampling needs at least 1 step, not {steps}.")
    if spacing == "time":
        return np.linspace(start, schedule.end, steps + 1).tolist()
    if spacing != "log-snr":
        raise FoleyError(f"There is no spacing '{spacing}'; choose time or log-snr.")
    values = np.linspace(schedule.log_snr(start), schedule.log_snr(schedule.end), steps + 1)
    inner = [schedule.time_of_log_snr(value) for value in values[1:-1]]
    return [start, *inner, schedule.end]


def dpm_solver_2m(
    predict: Predict,
    x: Tensor,
    times: Sequence[float],
    *,
    schedule: NoiseSchedule = LINEAR,
    hook: Hook = unchanged,
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
        alpha, sigma = schedule.alpha_sigma(now)
        data = (x - sigma * predict(x, schedule.network_time(now))) / alpha
        width = schedule.log_snr(then) - schedule.log_snr(now)
        ahead = data
        if before is not None and not (total < _FEW_STEPS and i == total - 1):
            ahead = data + (data - before) * (width / (2 * past))
        next_alpha, next_sigma = schedule.alpha_sigma(then)
        x = (next_sigma / sigma) * x - (next_alpha * float(np.expm1(-width))) * ahead
        x = hook(i + 1, x)
        before, past = data, width
    return x
