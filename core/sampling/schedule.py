"""The noise of diffusion models with linear betas (DDPM, arXiv 2006.11239), in continuous time.

Times are DPM-Solver's, 1 for noise down to 1/1000; a network is asked at diffusion time 1000 t - 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


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

    def network_time(self, t: float) -> float:
        """The network's time in [0, steps - 1], also between whole numbers."""
        return (t - self.end) * self.steps


LINEAR = NoiseSchedule()
