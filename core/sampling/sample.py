"""The sampler that belongs to a generator, whatever it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..errors import FoleyError
from ..generators.base import Generator
from .dpm_solver import sample_noise_predictor
from .flow import sample_flow
from .guidance import CONDITIONAL, Guidance

_SAMPLERS = {"flow": sample_flow, "epsilon": sample_noise_predictor}


def sample(
    generator: Generator,
    conditions: Mapping[str, Tensor],
    guidance: Guidance = CONDITIONAL,
    **options: Any,
) -> Tensor:
    """Takes of any continuous generator, the published way: options as of `sample_flow`.

    Raises:
        FoleyError: no sampler for what this generator predicts, and as of that sampler.
    """
    sampler = _SAMPLERS.get(generator.parameterization)
    if sampler is None:
        raise FoleyError(
            f"There is no sampler here for a model that predicts {generator.parameterization}."
        )
    return sampler(generator, conditions, guidance, **options)
