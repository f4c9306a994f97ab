"""HunyuanVideo-Foley's codec: a continuous DAC at 48 kHz mono."""

from __future__ import annotations

from typing import Any

from ..weights.families import Shapes
from .dac_vae_network import DACVAEConfig, DACVAENetwork
from .waveform_codec import WaveformCodec


class DACVAECodec(WaveformCodec):
    """48 kHz mono, 50 latent frames of 128 numbers a second.

    `layers`: operations, dtype, device.
    """

    name = "dac-vae"
    sample_rate = 48000
    channels = 1
    encoded_tile = 64

    def __init__(
        self, config: DACVAEConfig | None = None, *, decode_only: bool = False, **layers: Any
    ) -> None:
        super().__init__()
        network = DACVAENetwork(config, decode_only=decode_only, **layers)
        self._hold(network, decode_only=decode_only)


def recognise(shapes: Shapes) -> str | None:
    """Empty for HunyuanVideo-Foley's autoencoder; None for any other file."""
    starts = ("encoder.block.0.weight", "decoder.model.")
    has_all = all(any(key.startswith(start) for key in shapes) for start in starts)
    return "" if has_all else None
