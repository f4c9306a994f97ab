"""Generators: one file a paper, shared blocks beside them."""

from __future__ import annotations

from .ac_foley import AC_FOLEY, ACFoley, ac_foley_mini
from .base import (
    CheckpointSpec,
    Conditions,
    Generator,
    GeneratorConfig,
    LatentSpec,
    Lengths,
    Prepared,
    Streams,
    StreamSpec,
    Window,
)
from .mdsgen import MDSGen
from .mdsgen_config import AUDIO_GRID, IMAGE_GRID, MDSGenConfig, mdsgen_config
from .mmaudio import MMAudio
from .mmaudio_config import L44, L44_V2, M44, S16, S44, MMAudioConfig
