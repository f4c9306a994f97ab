"""Stable Audio Open's codec: Oobleck at 44.1 kHz stereo."""

from __future__ import annotations

from ..weights.families import Shapes
from .oobleck import AUDIO_CHANNELS, Oobleck
from .waveform import WaveformCodec


class StableAudioCodec(WaveformCodec):
    """44.1 kHz stereo, 21.53 latent frames of 64 numbers a second, no scale factor.

    The original always samples the posterior when it encodes (`sample`); `encode` gives the mean.
    A decoded waveform may exceed -1..1.
    """

    name = "stable-audio"
    network = Oobleck
    sample_rate = 44100
    channels = AUDIO_CHANNELS
    encoded_tile = 32


def recognise(shapes: Shapes) -> str | None:
    """Stable Audio's transformer: "with codec" in one file or "network" alone; None if none."""
    if not any(key.startswith("model.model.transformer.layers.") for key in shapes):
        return None
    whole = any(key.startswith("pretransform.model.") for key in shapes)
    return "with codec" if whole else "network"
