"""The mini codec: a fixed PCA of two log-mel views, and a decoder that makes them a waveform."""

from __future__ import annotations

from pathlib import Path

from torch import Generator, Tensor

from ..errors import FoleyError
from .base import Codec
from .foley_mini_analysis import (
    LATENT_DIM,
    SAMPLE_RATE,
    SAMPLES_PER_LATENT,
    Analysis,
)

WEIGHTS = Path(__file__).parent.parent / "weights" / "minis" / "foley_mini_codec.safetensors"


class FoleyMiniCodec(Codec):
    """32 kHz mono, 31.25 latent frames a second of 32 numbers, each of unit deviation on scenes."""

    sample_rate = SAMPLE_RATE
    channels = 1
    latent_dim = LATENT_DIM
    samples_per_latent = SAMPLES_PER_LATENT

    def __init__(self) -> None:
        super().__init__()
        self.analysis = Analysis()

    @classmethod
    def load(cls, path: Path | None = None) -> FoleyMiniCodec:
        """The bundled weights, or those at `path`; ready for inference."""
        from safetensors.torch import load_file

        codec = cls()
        file = WEIGHTS if path is None else path
        try:
            codec.load_state_dict(load_file(file))
        except Exception as error:
            raise FoleyError(
                f"The mini codec's weights {file.name} are missing or damaged; install FoleyStage again."
            ) from error
        return codec.eval().requires_grad_(False)

    def encode(self, waveform: Tensor) -> Tensor:
        return self.analysis(waveform.mean(1))

    def decode(self, latent: Tensor, *, generator: Generator | None = None) -> Tensor:
        raise NotImplementedError
