"""Guidance and samplers."""

from __future__ import annotations

from .dpm_solver import (
    LINEAR,
    NoiseSchedule,
    diffusion_times,
    dpm_solver_2m,
    sample_noise_predictor,
)
from .flow import draw_noise, euler, midpoint, sample_flow, times
from .guidance import (
    CONDITIONAL,
    Guidance,
    Guided,
    Term,
    cfg,
    cfg_negative,
    interval,
    per_stream,
    power_cosine,
    preset,
    rescaled,
)
from .sample import sample
from .windows import Long, Windowed, Windows, windows_for

__all__ = [
    "CONDITIONAL",
    "LINEAR",
    "Guidance",
    "Guided",
    "Long",
    "NoiseSchedule",
    "Term",
    "Windowed",
    "Windows",
    "cfg",
    "cfg_negative",
    "diffusion_times",
    "dpm_solver_2m",
    "draw_noise",
    "euler",
    "interval",
    "midpoint",
    "per_stream",
    "power_cosine",
    "preset",
    "rescaled",
    "sample",
    "sample_flow",
    "sample_noise_predictor",
    "times",
    "windows_for",
]
