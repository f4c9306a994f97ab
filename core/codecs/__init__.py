"""Codecs: waveform to latent and back; one file a codec, their networks beside them."""

from .base import Codec as Codec
from .neural import NeuralCodec as NeuralCodec
from .public import CODECS as CODECS
from .public import load_codec as load_codec
