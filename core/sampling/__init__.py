"""Guidance and samplers."""

from __future__ import annotations

from .flow import draw_noise, euler, midpoint, sample_flow, times
from .guidance import CONDITIONAL, Guidance, Guided, Term, cfg, cfg_negative, interval, per_stream
from .windows import Windowed, Windows

__all__ = [
    "CONDITIONAL",
    "Guidance",
    "Guided",
    "Term",
    "Windowed",
    "Windows",
    "cfg",
    "cfg_negative",
    "draw_noise",
    "euler",
    "interval",
    "midpoint",
    "per_stream",
    "sample_flow",
    "times",
]
