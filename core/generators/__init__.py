"""Generators: one file a paper, shared blocks beside them."""

from __future__ import annotations

from .ac_foley import AC_FOLEY, ACFoley, ac_foley_mini
from .base import Generator, Prepared, Window
from .mmaudio import MMAudio
from .mmaudio_config import L44, L44_V2, M44, S16, S44, Lengths, MMAudioConfig

__all__ = [
    "AC_FOLEY",
    "L44",
    "L44_V2",
    "M44",
    "S16",
    "S44",
    "ACFoley",
    "Generator",
    "Lengths",
    "MMAudio",
    "MMAudioConfig",
    "Prepared",
    "Window",
    "ac_foley_mini",
]
