"""SAMPLERs whose new noise at every step is drawn as core draws it, so that seeds agree."""

from __future__ import annotations

from functools import partial
from typing import Any

import comfy.samplers
from torch import Tensor

from ...core.sampling import Noise
from ...core.sampling.dpmpp_3m_sde import dpmpp_3m_sde


def sampler_with(noise: Noise) -> comfy.samplers.KSAMPLER:
    """DPM-Solver++(3M) SDE with the noise of its steps, `later` of it [steps, B, T, C]."""
    return comfy.samplers.KSAMPLER(partial(_dpmpp_3m_sde, later=noise.later))


def _dpmpp_3m_sde(
    model: Any,
    x: Tensor,
    sigmas: Tensor,
    extra_args: dict[str, Any] | None = None,
    callback: Any = None,
    disable: bool | None = None,
    *,
    later: Tensor,
) -> Tensor:
    """As ComfyUI's samplers are called."""
    last: list[Tensor] = []

    def denoise(x: Tensor, sigma: float) -> Tensor:
        last[:] = [model(x, x.new_full((len(x),), sigma), **(extra_args or {}))]
        return last[0]

    def hook(step: int, x: Tensor) -> Tensor:
        if step and callback is not None:
            now = sigmas[step - 1]
            told = {"x": x, "i": step - 1, "sigma": now, "sigma_hat": now, "denoised": last[0]}
            callback(told)
        return x

    def fresh(step: int) -> Tensor:
        return later[step].transpose(1, 2)

    return dpmpp_3m_sde(denoise, x, sigmas.tolist(), noise=fresh, hook=hook)
