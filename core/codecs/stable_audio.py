"""Stable Audio Open's codec: Oobleck at 44.1 kHz stereo."""

from __future__ import annotations

from typing import Any

from ..weights.families import Shapes
from .oobleck import Oobleck, OobleckConfig
from .waveform_codec import WaveformCodec


class StableAudioCodec(WaveformCodec):
    """44.1 kHz stereo, 21.53 latent frames of 64 numbers a second, no scale factor.

    The original always samples the posterior when it encodes (`sample`); `encode` gives the mean.
    A decoded waveform may exceed -1..1. `layers`: operations, dtype, device.
    """

    name = "stable-audio"
    sample_rate = 44100
    encoded_tile = 32

    def __init__(
        self, config: OobleckConfig | None = None, *, decode_only: bool = False, **layers: Any
    ) -> None:
        super().__init__()
        vae = Oobleck(config, decode_only=decode_only, **layers)
        self._hold(vae, decode_only=decode_only)
        self.channels = vae.config.audio_channels


def recognise(shapes: Shapes) -> str | None:
    """Stable Audio's transformer: "with codec" in one file or "network" alone; None if none."""
    if not any(key.startswith("model.model.transformer.layers.") for key in shapes):
        return None
    whole = any(key.startswith("pretransform.model.") for key in shapes)
    return "with codec" if whole else "network"
