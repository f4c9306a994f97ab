"""NOISE, and SAMPLERs with new noise at every step, drawn as core draws it, so that seeds agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.samplers
import torch
from torch import Tensor

from ...core.errors import FoleyError
from ...core.generators import LatentSpec
from ...core.sampling import Like, Noise, dynamics_of
from ...core.sampling.dpmpp_3m_sde import dpmpp_3m_sde
from ...core.sampling.dynamics import Dynamics


@dataclass(frozen=True)
class SeedNoise:
    """A NOISE of a seed, or of takes like one of it. Foley Sampler draws all that a model needs by
    it; other samplers get what a flow model begins with."""

    seed: int
    like: Like | None = None

    def draw(
        self, dynamics: Dynamics, latent: LatentSpec, takes: int, length: int, steps: int
    ) -> Noise:
        """As the command line draws it."""
        rng = torch.Generator().manual_seed(self.seed)
        if self.like is None:
            return dynamics.draw(rng, latent, takes, length, steps)
        return dynamics.draw_like(rng, self.like, latent, takes, length, steps)

    def generate_noise(self, latent: Mapping[str, Any]) -> Tensor:
        """[B, C, T] for a LATENT of sound, as ComfyUI asks for it."""
        samples = latent["samples"]
        if samples.ndim != 3:
            raise FoleyError(
                "Foley Variations makes noise for sound: use RandomNoise for a latent of a picture."
            )
        takes, channels, length = samples.shape
        drawn = self.draw(dynamics_of("flow"), LatentSpec("", channels, 1.0, 1), takes, length, 1)
        assert drawn.first is not None
        return drawn.first.transpose(1, 2).contiguous()


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
