"""Guidance, dynamics, solvers, windows, and the one sampler."""

from __future__ import annotations

from .dpm_solver import dpm_solver_2m
from .dynamics import DYNAMICS, Like, Noise, Run, draw_noise, dynamics_of
from .euler import euler
from .guidance import (
    CONDITIONAL,
    Guidance,
    Guided,
    Term,
    always_conditioned,
    cfg,
    interval,
    multi_cfg,
    per_stream,
    power_cosine,
    preset,
    rescaled,
)
from .known import Inversion, Known, Start
from .known import Kept as Kept
from .midpoint import midpoint
from .sample import sample
from .settings import Sampling
from .windows import Long, Windows, longest_seconds, windows_for
