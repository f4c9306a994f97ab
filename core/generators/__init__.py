"""Generators: one file a paper, shared blocks beside them."""

from __future__ import annotations

from .ac_foley import AC_FOLEY, ACFoley, ac_foley_mini
from .base import Generator, Prepared, Window
from .mdsgen import MDSGen
from .mdsgen_config import AUDIO_GRID, IMAGE_GRID, MDSGenConfig, mdsgen_config
from .mmaudio import MMAudio
from .mmaudio_config import L44, L44_V2, M44, S16, S44, Lengths, MMAudioConfig
from .sampling import Sampling

__all__ = [
    "AC_FOLEY",
    "AUDIO_GRID",
    "IMAGE_GRID",
    "L44",
    "L44_V2",
    "M44",
    "S16",
    "S44",
    "ACFoley",
    "Generator",
    "Lengths",
    "MDSGen",
    "MDSGenConfig",
    "MMAudio",
    "MMAudioConfig",
    "Prepared",
    "Sampling",
    "Window",
    "ac_foley_mini",
    "mdsgen_config",
]
