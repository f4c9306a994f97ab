"""ComfyUI's side of each kind of dynamics (`core.sampling.dynamics`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import comfy.model_base
import comfy.samplers
import torch
from torch import Tensor

from ...core.errors import FoleyError
from ...core.sampling import DYNAMICS, schedule


def _denoised(sampling, sigma: Tensor, prediction: Tensor, x: Tensor) -> Tensor:
    return sampling.calculate_denoised(sigma, prediction, x)


@dataclass(frozen=True)
class Kind:
    """How a kind of dynamics reads in ComfyUI.

    Attributes:
        model_type, settings: of ComfyUI's sampling of it.
        time(sampling, sigma): the network's time of a sigma.
        sigmas(sampling, steps): `steps + 1` noise levels as the kind is published.
        samplers: ComfyUI's name of each solver of core that it has.
        denoised(sampling, sigma, prediction, x): what ComfyUI's samplers take, all [B, C, T].
        schedulers: whether ComfyUI's schedulers mean something to it.
    """

    name: str
    model_type: comfy.model_base.ModelType
    time: Callable[[Any, Tensor], Tensor]
    sigmas: Callable[[Any, int], Tensor]
    samplers: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    denoised: Callable[[Any, Tensor, Tensor, Tensor], Tensor] = _denoised
    schedulers: bool = True

    def sampler_of(self, solver: str) -> str:
        """ComfyUI's name of a solver; FoleyError where it has none that takes the same steps."""
        if solver not in self.samplers:
            raise FoleyError(
                f"ComfyUI has no sampler that takes the steps of this model's own, {solver}: "
                "choose one by name."
            )
        return self.samplers[solver]

    def schedule(self, sampling: Any, scheduler: str | None, steps: int) -> Tensor:
        """`steps + 1` noise levels by a scheduler of ComfyUI, None as published."""
        if scheduler is None:
            return self.sigmas(sampling, steps).cpu()
        if not self.schedulers:
            raise FoleyError(
                f"The scheduler '{scheduler}' is for models that remove noise, and this one makes "
                f"{self.name}: choose published."
            )
        return comfy.samplers.calculate_sigmas(sampling, scheduler, steps).cpu()


def _between_steps(sampling, sigma: Tensor) -> Tensor:
    """The diffusion time of a sigma, 0 to 999; ComfyUI's own knows whole numbers alone."""
    known = sampling.log_sigmas.to(sigma.device)
    value = sigma.log().clamp(known[0], known[-1])
    above = torch.searchsorted(known, value.contiguous()).clamp(1, len(known) - 1)
    low, high = known[above - 1], known[above]
    return above - 1 + (value - low) / (high - low)


def _even_flow(sampling, steps: int) -> Tensor:
    even = torch.linspace(1, 0, steps + 1) * getattr(sampling, "multiplier", 1.0)
    return sampling.sigma(even)


def _even_epsilon(sampling, steps: int) -> Tensor:
    # The published solver stops at the first step's noise, which is inaudible.
    return sampling.sigma(torch.linspace(len(sampling.sigmas) - 1, 0, steps + 1))


_TYPES = comfy.model_base.ModelType
_FLOW = Kind(
    "flow",
    _TYPES.FLOW,
    lambda sampling, sigma: 1 - sigma,
    _even_flow,
    {"euler": "euler"},
    {"shift": 1.0, "multiplier": 1000},
    # sigma runs from 1 (noise) to 0, flow time from 0 to 1, so the velocity turns round.
    lambda sampling, sigma, velocity, x: _denoised(sampling, sigma, -1.0 * velocity, x),
)
_EPSILON = Kind(
    "epsilon",
    _TYPES.EPS,
    _between_steps,
    _even_epsilon,
    {"dpm_solver_2m": "dpmpp_2m"},
    # What ComfyUI calls sqrt_linear are betas that rise evenly.
    {
        "beta_schedule": "sqrt_linear",
        "linear_start": schedule.FIRST_BETA,
        "linear_end": schedule.LAST_BETA,
    },
)
_V = Kind(
    "v",
    _TYPES.V_PREDICTION_CONTINUOUS,
    lambda sampling, sigma: sampling.timestep(sigma),
    lambda sampling, steps: torch.tensor(DYNAMICS["v"].times(steps)),
    {"dpmpp_3m_sde": "dpmpp_3m_sde"},
    {"sigma_min": 0.03, "sigma_max": DYNAMICS["v"].highest},
)
# A sigma is the share of the steps that is left; what is predicted are logits.
_TOKENS = replace(
    _FLOW,
    name="tokens",
    sigmas=lambda sampling, steps: torch.linspace(1, 0, steps + 1),
    samplers={"maskgit": "maskgit"},
    denoised=lambda sampling, sigma, logits, x: logits,
    schedulers=False,
)
KINDS = {kind.name: kind for kind in (_FLOW, _EPSILON, _V, _TOKENS)}


def kind_of(name: str) -> Kind:
    """The kind of a generator's dynamics; FoleyError for one that ComfyUI cannot sample."""
    if name not in KINDS:
        raise FoleyError(
            f"A model of the kind '{name}' cannot be sampled in ComfyUI; known are: "
            f"{', '.join(KINDS)}."
        )
    return KINDS[name]
