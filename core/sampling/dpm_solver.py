"""DPM-Solver++ for generators that predict noise (arXiv 2211.01095), second order, multistep.

Times are DPM-Solver's continuous ones, 1 for noise down to 1/1000; a network is asked at diffusion
time 1000 t - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import Cancelled, FoleyError
from ..generators.base import Generator
from .flow import Callback, begin, finish
from .guidance import CONDITIONAL, Guidance, Predict
from .windows import Windows

Spacing = Literal["time", "log-snr"]

# With fewer steps the last one is of first order: the second is unstable there.
_FEW_STEPS = 10


@dataclass(frozen=True)
class NoiseSchedule:
    """x_t = alpha x_0 + sigma noise, of linear betas; arrays are float64."""

    first_beta: float = 1e-4
    last_beta: float = 0.02
    steps: int = 1000

    @property
    def betas(self) -> np.ndarray:
        return np.linspace(self.first_beta, self.last_beta, self.steps)

    @cached_property
    def log_alphas(self) -> np.ndarray:
        """Half the logarithm of the product of 1 - beta up to each step, `[steps]`."""
        return 0.5 * np.cumsum(np.log(1 - self.betas))

    @property
    def end(self) -> float:
        """The least noisy time."""
        return 1 / self.steps

    def log_alpha(self, t: float) -> float:
        """log alpha at a continuous time, linear between the steps."""
        return float(np.interp(t * self.steps, np.arange(1, self.steps + 1), self.log_alphas))

    def alpha_sigma(self, t: float) -> tuple[float, float]:
        """alpha and sigma at a continuous time."""
        log_alpha = self.log_alpha(t)
        return float(np.exp(log_alpha)), float(np.sqrt(-np.expm1(2 * log_alpha)))

    def log_snr(self, t: float) -> float:
        """log(alpha / sigma)."""
        alpha, sigma = self.alpha_sigma(t)
        return float(np.log(alpha / sigma))

    def time_of_log_snr(self, value: float) -> float:
        """The continuous time at which log(alpha / sigma) is `value`."""
        log_alpha = -0.5 * np.logaddexp(0.0, -2 * value)
        numbers = np.arange(self.steps, 0, -1)
        return float(np.interp(log_alpha, self.log_alphas[::-1], numbers)) / self.steps

    def network_time(self, t: float) -> float:
        """The network's time in [0, steps - 1], also between whole numbers."""
        return (t - self.end) * self.steps


LINEAR = NoiseSchedule()


def diffusion_times(
    steps: int, spacing: Spacing = "time", schedule: NoiseSchedule = LINEAR
) -> list[float]:
    """`steps + 1` continuous times from 1 to 1/1000, even in time or in log(alpha / sigma)."""
    if steps < 1:
        raise FoleyError(f"Sampling needs at least 1 step, not {steps}.")
    if spacing == "time":
        return np.linspace(1.0, schedule.end, steps + 1).tolist()
    if spacing != "log-snr":
        raise FoleyError(f"There is no spacing '{spacing}'; choose time or log-snr.")
    values = np.linspace(schedule.log_snr(1.0), schedule.log_snr(schedule.end), steps + 1)
    inner = [schedule.time_of_log_snr(value) for value in values[1:-1]]
    return [1.0, *inner, schedule.end]


def dpm_solver_2m(
    predict: Predict,
    x: Tensor,
    times: Sequence[float],
    *,
    schedule: NoiseSchedule = LINEAR,
    callback: Callback | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """x at the last of `times` from x at the first; one prediction a step.

    Args:
        predict: noise in x at a network time (`NoiseSchedule.network_time`).
        times: continuous times in falling order.
        callback: called after each step with its number from 1, their count, and x.
        cancelled: asked before each step.

    Raises:
        Cancelled: `cancelled` said so.
    """
    total = len(times) - 1
    before: Tensor | None = None
    past = 0.0
    for i in range(total):
        if cancelled is not None and cancelled():
            raise Cancelled
        now, then = times[i], times[i + 1]
        alpha, sigma = schedule.alpha_sigma(now)
        data = (x - sigma * predict(x, schedule.network_time(now))) / alpha
        width = schedule.log_snr(then) - schedule.log_snr(now)
        ahead = data
        if before is not None and not (total < _FEW_STEPS and i == total - 1):
            ahead = data + (data - before) * (width / (2 * past))
        next_alpha, next_sigma = schedule.alpha_sigma(then)
        x = (next_sigma / sigma) * x - (next_alpha * float(np.expm1(-width))) * ahead
        before, past = data, width
        if callback is not None:
            callback(i + 1, total, x)
    return x


@torch.no_grad()
def sample_noise_predictor(
    generator: Generator,
    conditions: Mapping[str, Tensor],
    guidance: Guidance = CONDITIONAL,
    *,
    seconds: float | None = None,
    lengths: Any = None,
    steps: int = 25,
    spacing: Spacing = "time",
    seed: int | None = None,
    rng: torch.Generator | None = None,
    noise: Tensor | None = None,
    takes: int | None = None,
    first_take: int = 0,
    windows: Windows | None = None,
    batched: bool = True,
    adjust: Callable[[Tensor, float, Tensor], Tensor] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Takes of an epsilon generator, from its conditions to the codec's latent.

    Args are those of `sample_flow`, and:
        spacing: of the steps, see `diffusion_times`.
        adjust: adjust(x, t, noise) -> noise, after guidance, at network time t (classifier
            guidance, `classifier.ClassifierGuidance`).

    Returns:
        Codec latent `[B, N, C]`, float32, on the generator's device.

    Raises:
        FoleyError: a wrong argument, or a result that is not a number. Cancelled: as asked.
    """
    if generator.parameterization != "epsilon":
        raise FoleyError("This model does not predict noise; choose the sampler made for it.")
    grid = diffusion_times(steps, spacing)
    predict, x = begin(
        generator,
        conditions,
        guidance,
        seconds=seconds,
        lengths=lengths,
        seed=seed,
        rng=rng,
        noise=noise,
        takes=takes,
        first_take=first_take,
        windows=windows,
        batched=batched,
    )

    def adjusted(x: Tensor, t: float) -> Tensor:
        predicted = predict(x, t)
        return predicted if adjust is None else adjust(x, t, predicted)

    def report(step: int, total: int, _: Tensor) -> None:
        if progress is not None:
            progress(step, total)

    return finish(generator, dpm_solver_2m(adjusted, x, grid, callback=report, cancelled=cancelled))
