"""What every codec is: waveform to latent and back."""

from __future__ import annotations

from torch import Generator, Tensor, nn


class Codec(nn.Module):
    """Waveform `[B, C, T]` float32 at `sample_rate` to latent `[B, N, D]` and back.

    `samples_per_latent`: samples a latent frame stands for, so N = ceil(T / samples_per_latent) and
    a decoded waveform has N * samples_per_latent samples.
    """

    sample_rate: int
    channels: int
    latent_dim: int
    samples_per_latent: int

    @property
    def latent_rate(self) -> float:
        """Latent frames a second."""
        return self.sample_rate / self.samples_per_latent

    def encode(self, waveform: Tensor) -> Tensor:
        """`[B, channels, T]` to `[B, N, latent_dim]`; a T between frames is padded with silence."""
        raise NotImplementedError

    def decode(self, latent: Tensor, *, generator: Generator | None = None) -> Tensor:
        """`[B, N, latent_dim]` to `[B, channels, N * samples_per_latent]`.

        `generator`: where a codec that draws noise draws it (CPU); None draws the same each time
        and for each of a batch, so that a take does not depend on its place.
        """
        raise NotImplementedError
