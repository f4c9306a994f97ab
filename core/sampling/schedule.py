"""The noise of diffusion models with linear betas (DDPM, arXiv 2006.11239), in continuous time.

x_t = alpha x_0 + sigma noise. Times are DPM-Solver's, 1 for noise down to 1/1000; a network is
asked at diffusion time 1000 t - 1. Computed in float64.
"""

from __future__ import annotations

import numpy as np

STEPS = 1000
FIRST_BETA, LAST_BETA = 1e-4, 0.02
END = 1 / STEPS  # the least noisy time
# Half the logarithm of the product of 1 - beta up to each step, [STEPS].
LOG_ALPHAS = 0.5 * np.cumsum(np.log(1 - np.linspace(FIRST_BETA, LAST_BETA, STEPS)))


def alpha_sigma(t: float) -> tuple[float, float]:
    """alpha and sigma at a continuous time; log alpha is linear between the steps."""
    log_alpha = float(np.interp(t * STEPS, np.arange(1, STEPS + 1), LOG_ALPHAS))
    return float(np.exp(log_alpha)), float(np.sqrt(-np.expm1(2 * log_alpha)))


def log_snr(t: float) -> float:
    """log(alpha / sigma)."""
    alpha, sigma = alpha_sigma(t)
    return float(np.log(alpha / sigma))


def network_time(t: float) -> float:
    """The network's time in [0, STEPS - 1], also between whole numbers."""
    return (t - END) * STEPS
