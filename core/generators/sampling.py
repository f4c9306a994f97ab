"""How a model is sampled unless the artist says otherwise: part of its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Solver = Literal["euler", "midpoint", "dpm_solver_2m"]
Preset = Literal["plain", "power-cosine"]


@dataclass(frozen=True)
class Sampling:
    """The published way of a model, or what was found best for one of our own.

    steps: of the solver. guidance: `core.sampling.cfg` or `power_cosine`, of `scale`. rescale:
    share by which guidance is rescaled, see `core.sampling.rescaled`.
    """

    solver: Solver = "euler"
    steps: int = 25
    guidance: Preset = "plain"
    scale: float = 4.5
    rescale: float = 0.0
