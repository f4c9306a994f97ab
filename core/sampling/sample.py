"""The sampler that belongs to a generator, whatever it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor

from ..generators.base import Generator
from .dpm_solver import sample_noise_predictor
from .flow import sample_flow
from .guidance import CONDITIONAL, Guidance

_SAMPLERS = {
    "euler": partial(sample_flow, solver="euler"),
    "midpoint": partial(sample_flow, solver="midpoint"),
    "dpm_solver_2m": sample_noise_predictor,
}


def sample(
    generator: Generator,
    conditions: Mapping[str, Tensor],
    guidance: Guidance = CONDITIONAL,
    **options: Any,
) -> Tensor:
    """Takes of any continuous generator by its own solver: options as of `sample_flow`.

    Raises:
        FoleyError: as of that sampler.
    """
    return _SAMPLERS[generator.sampling.solver](generator, conditions, guidance, **options)
