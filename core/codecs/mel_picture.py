"""A mel as a small picture: the mini codec's three views, made small row by row.

For generators that work on a latent with frequency and time (MDSGen). Each latent frame is cut into
rows of neighbouring bands, and each row's numbers become a few channels by its own PCA.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from ..weights.fill import fill_from
from ..weights.minis import mini_path
from .base import Codec
from .foley_mini import FoleyMiniCodec
from .foley_mini_analysis import SAMPLE_RATE, SAMPLES_PER_LATENT, VIEWS, features

ROWS = 8
CHANNELS = 4
_BANDS = VIEWS[0].n_mels // ROWS
_PER_BAND = sum(view.frames_per_latent for view in VIEWS)
_SIZE = _BANDS * _PER_BAND  # numbers of a row


class MelPicture(nn.Module):
    """The PCA of each row, fitted by `fit`: `[B, N, FEATURES]` to `[B, N, channels * ROWS]`.

    A channel's deviation is the square root of its true size, 1 in the geometric mean: the first
    ones carry most of a sound's level, and an error there sounds like a hit.
    """

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("mean", torch.zeros(ROWS, _SIZE))
        self.register_buffer("basis", torch.zeros(ROWS, _SIZE, channels))
        self.register_buffer("scale", torch.ones(ROWS, channels))
        self.register_buffer("offset", torch.zeros(ROWS, channels))

    def forward(self, rows: Tensor) -> Tensor:
        raw = torch.einsum("bnrs,rsc->bnrc", self._cut(rows) - self.mean, self.basis)
        return ((raw - self.offset) / self.scale).transpose(2, 3).flatten(2)

    def inverse(self, latent: Tensor) -> Tensor:
        """Latents `[B, N, channels * ROWS]` to feature rows `[B, N, FEATURES]`."""
        raw = latent.unflatten(2, (self.channels, ROWS)).transpose(2, 3) * self.scale + self.offset
        return self._joined(torch.einsum("bnrc,rsc->bnrs", raw, self.basis) + self.mean)

    @staticmethod
    def _cut(rows: Tensor) -> Tensor:
        """Feature rows to `[B, N, ROWS, numbers of a row]`."""
        parts = rows.split([view.size for view in VIEWS], dim=2)
        return torch.cat([part.unflatten(2, (ROWS, -1)) for part in parts], dim=3)

    @staticmethod
    def _joined(cut: Tensor) -> Tensor:
        """The inverse of `_cut`."""
        parts = cut.split([view.size // ROWS for view in VIEWS], dim=3)
        return torch.cat([part.flatten(2) for part in parts], dim=2)

    @torch.no_grad()
    def fit(self, sounds: list[Tensor]) -> None:
        """PCA, mean and deviations on a list of `[B, T]`."""
        cut = torch.cat([self._cut(features(sound)).flatten(0, 1) for sound in sounds]).double()
        mean = cut.mean(0)
        covariance = torch.einsum("nrs,nrt->rst", cut - mean, cut - mean) / len(cut)
        basis = torch.linalg.eigh(covariance).eigenvectors.flip(2)[..., : self.channels]
        basis = basis * basis.sum(1, keepdim=True).sign()  # a vector's sign is arbitrary: fix it
        raw = torch.einsum("nrs,rsc->nrc", cut - mean, basis)
        size = raw.std(0).sqrt()
        self.mean.copy_(mean)
        self.basis.copy_(basis)
        self.offset.copy_(raw.mean(0))
        self.scale.copy_(size * size.log().mean().exp())


class MelPictureCodec(Codec):
    """32 kHz mono, 31.25 latent frames of 4 x 8 numbers a second.

    A frame holds channel 0's 8 rows, then channel 1's, ... (`picture.frames_to_rows`). The mini
    codec's decoder makes the sound.
    """

    sample_rate = SAMPLE_RATE
    channels = 1
    latent_dim = CHANNELS * ROWS
    samples_per_latent = SAMPLES_PER_LATENT

    def __init__(self, mini: FoleyMiniCodec | None = None) -> None:
        super().__init__()
        self.picture = MelPicture()
        self.mini = mini or FoleyMiniCodec()

    @classmethod
    def load(cls, path: Path | None = None, mini: Path | None = None) -> MelPictureCodec:
        """The bundled weights, or a picture of one's own at `path` and a mini codec at `mini`.

        Raises:
            FoleyError: a file is missing, damaged or another model's.
        """
        codec = cls(FoleyMiniCodec.load(mini))
        fill_from(codec.picture, path or mini_path("mel_picture_codec"))
        return codec.eval().requires_grad_(False)

    def encode(self, waveform: Tensor) -> Tensor:
        sound = waveform.mean(1)
        missing = -sound.shape[-1] % SAMPLES_PER_LATENT
        return self.picture(features(F.pad(sound, (0, missing))))

    @torch.no_grad()
    def decode(self, latent: Tensor, *, generator: Generator | None = None) -> Tensor:
        rows = self.picture.inverse(latent.float())
        return self.mini.decode(self.mini.analysis.of_features(rows), generator=generator)
