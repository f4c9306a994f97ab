"""Codecs whose network goes from waveform to latent and back by itself, without a mel."""

from __future__ import annotations

from torch import Generator, Tensor

from .dac_vae_network import DACVAENetwork
from .neural import GaussianCodec, frames_last, split_moments
from .oobleck import Oobleck
from .tiling import Progress, through, tiled


class WaveformCodec(GaussianCodec):
    """Encoding and decoding in tiles with the networks' own contexts."""

    # Latent frames encoded at a time.
    encoded_tile: int
    vae: Oobleck | DACVAENetwork

    def _hold(self, vae: Oobleck | DACVAENetwork, *, decode_only: bool) -> None:
        self.vae = vae
        self.decode_only = decode_only
        self.latent_dim = vae.config.latent_dim
        self.samples_per_latent = vae.config.hop

    def _posterior(self, waveform: Tensor, progress: Progress | None) -> tuple[Tensor, Tensor]:
        moments = tiled(
            self.vae.moments,
            waveform.to(self.compute_dtype),
            tile=self.encoded_tile,
            context=self.vae.encoder_context,
            frame=self.samples_per_latent,
            progress=progress,
        )
        mean, spread = split_moments(moments)
        return mean, self.vae.deviation(spread)

    def _decode(
        self, latent: Tensor, generator: Generator | None, progress: Progress | None
    ) -> Tensor:
        latent = frames_last(latent).to(self.compute_dtype)
        return through(self.vae.sections(), latent, progress=progress)
