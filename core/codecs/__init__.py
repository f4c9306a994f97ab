"""Codecs: waveform to latent and back; one file a codec, their networks beside them."""

from __future__ import annotations

from .base import Codec
from .neural import GaussianCodec, NeuralCodec
from .public import CODECS, build_codec, load_codec

__all__ = [
    "CODECS",
    "Codec",
    "GaussianCodec",
    "NeuralCodec",
    "build_codec",
    "load_codec",
]
