"""DPM-Solver++(3M) SDE over noise levels sigma: third order, from three denoised predictions.

Source: DPM-Solver++ (arXiv 2211.01095) in its multistep and stochastic form, with the exponential
integrator's third-order terms; what Stable Audio Open's published examples sample with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import FoleyError
from .solver import Hook, unchanged

Denoise = Callable[[Tensor, float], Tensor]


def exponential_sigmas(steps: int, lowest: float, highest: float) -> list[float]:
    """`steps + 1` noise levels: evenly in log sigma from `highest` to `lowest`, then 0."""
    ends = math.log(highest), math.log(lowest)
    return [*torch.linspace(*ends, steps, dtype=torch.float64).exp().tolist(), 0.0]


def denoised_of_v(v: Tensor, x: Tensor, sigma: float) -> Tensor:
    """The denoised latent of a v-prediction that was made of x / sqrt(1 + sigma^2)."""
    return x / (1 + sigma**2) - v * (sigma / math.sqrt(1 + sigma**2))


def dpmpp_3m_sde(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    *,
    eta: float = 1.0,
    noise: Callable[[int], Tensor] | None = None,
    hook: Hook = unchanged,
) -> Tensor:
    """x at the last of `sigmas` from x at the first; one prediction a step.

    Args:
        denoise: the data in x at a noise level.
        x: `[B, N, C]`, its noise of deviation sigmas[0].
        sigmas: falling; where the last is 0 the last step returns the prediction itself.
        eta: share of noise that is drawn anew, 0: none.
        noise: standard normal noise of the shape of x for a step, counted from 0; needed with eta.

    Raises:
        FoleyError: noise is asked for and not given.
    """
    if eta and noise is None:
        raise FoleyError("This sampler draws new noise at every step: give it, or an eta of 0.")
    x = hook(0, x)
    known: list[tuple[float, Tensor]] = []  # log sigma and prediction, the latest last
    for i, (now, then) in enumerate(zip(sigmas, sigmas[1:])):
        data = denoise(x, now)
        if then == 0:
            x = data
        else:
            known = [*known[-2:], (math.log(now), data)]
            width = math.log(now / then)
            x = _step(x, known, width, width * (1 + eta))
            if eta and noise is not None:
                fresh = then * math.sqrt(-math.expm1(-2 * width * eta))
                x = x + fresh * noise(i).to(x)
        x = hook(i + 1, x)
    return x


def _step(x: Tensor, known: Sequence[tuple[float, Tensor]], width: float, reach: float) -> Tensor:
    """One step of log-width `width`; `reach` is how far x itself decays, more with new noise."""
    decay = math.expm1(-reach)
    phi_2 = decay / reach + 1
    phi_3 = phi_2 / reach - 0.5
    logs, values = zip(*reversed(known), strict=True)
    x = x + decay * (x - values[0])
    if len(known) == 1:
        return x
    # Divided differences, in steps of this width.
    gaps = [(after - before) / width for before, after in zip(logs, logs[1:])]
    slopes = [(a - b) / gap for a, b, gap in zip(values, values[1:], gaps)]
    if len(known) == 2:
        return x + phi_2 * slopes[0]
    bend = (slopes[0] - slopes[1]) / (gaps[0] + gaps[1])
    return x + phi_2 * (slopes[0] + gaps[0] * bend) - phi_3 * bend
