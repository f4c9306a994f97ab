"""The mini codec's fixed encoder: three views of a latent frame's spectrum, made small by PCA.

The long view (n_fft 2048, two frames of 16 ms) resolves pitch and colour; the middle and the
short (n_fft 1024 and 512, eight frames of 4 ms) resolve when, within the 32 ms, the energy came.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .spectral import mel_filters, stft

SAMPLE_RATE = 32_000
SAMPLES_PER_LATENT = 1024
LATENT_DIM = 32
F_MIN = 30.0
FLOOR = 3e-5  # RMS a band cannot fall below: -90 dB
SQUASH = 3.0  # latents beyond about this many deviations are drawn in


@dataclass(frozen=True)
class View:
    """One log-mel picture of the sound, and its weight in the PCA."""

    n_mels: int
    n_fft: int
    hop: int
    weight: float

    @property
    def frames_per_latent(self) -> int:
        return SAMPLES_PER_LATENT // self.hop

    @property
    def size(self) -> int:
        """Numbers this view gives a latent frame."""
        return self.n_mels * self.frames_per_latent

    def filters(self) -> Tensor:
        """`[n_mels, n_fft/2 + 1]`, each row an average: white noise of RMS s gives about s."""
        mel = mel_filters(self.n_mels, self.n_fft, SAMPLE_RATE, F_MIN)
        return mel / mel.sum(1, keepdim=True).clamp(min=1e-9)

    @property
    def norm(self) -> float:
        """What a Hann window of `n_fft` multiplies white noise's RMS by."""
        return (0.375 * self.n_fft) ** 0.5


LONG = View(n_mels=64, n_fft=2048, hop=512, weight=1.5)
MIDDLE = View(n_mels=64, n_fft=1024, hop=128, weight=1.0)
SHORT = View(n_mels=64, n_fft=512, hop=128, weight=0.7)
VIEWS = (LONG, MIDDLE, SHORT)
FEATURES = sum(view.size for view in VIEWS)


def log_mel(waveform: Tensor, view: View) -> Tensor:
    """Natural-log band magnitudes `[B, n_mels, T / hop]` of `[B, T]`, floored at `FLOOR`."""
    bands = view.filters().to(waveform) @ stft(waveform, view.n_fft, view.hop).abs()
    return torch.log((bands / view.norm).clamp(min=FLOOR))


def features(waveform: Tensor) -> Tensor:
    """All views, weighted, a row a latent frame: `[B, T]` to `[B, T / 1024, FEATURES]`."""
    rows = []
    for view in VIEWS:
        mel = log_mel(waveform, view)  # [B, n_mels, N * frames_per_latent]
        blocks = mel.unflatten(2, (-1, view.frames_per_latent)).permute(0, 2, 1, 3)
        rows.append(view.weight * blocks.flatten(2))
    return torch.cat(rows, dim=2)


def split_features(rows: Tensor) -> list[Tensor]:
    """The inverse of how `features` stacks: the views' log-mels `[B, n_mels, frames]`."""
    mels = []
    for view, part in zip(VIEWS, rows.split([v.size for v in VIEWS], dim=2), strict=True):
        blocks = part.unflatten(2, (view.n_mels, view.frames_per_latent))
        mels.append(blocks.permute(0, 2, 1, 3).flatten(2) / view.weight)
    return mels


class Analysis(nn.Module):
    """PCA of `features` with drawn-in tails: zero mean and unit deviation a channel on scenes.

    All parameters are buffers, fitted by `fit`; nothing here is trained by gradient.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("basis", torch.zeros(FEATURES, LATENT_DIM))  # orthonormal columns
        self.register_buffer("deviation", torch.ones(LATENT_DIM))  # of the raw projections
        self.register_buffer("offset", torch.zeros(LATENT_DIM))  # of the drawn-in projections
        self.register_buffer("scale", torch.ones(LATENT_DIM))

    def forward(self, waveform: Tensor) -> Tensor:
        """`[B, T]` to latents `[B, ceil(T / 1024), LATENT_DIM]`."""
        waveform = F.pad(waveform, (0, -waveform.shape[-1] % SAMPLES_PER_LATENT))
        return self.of_features(features(waveform))

    def of_features(self, rows: Tensor) -> Tensor:
        """Feature rows `[B, N, FEATURES]` to latents `[B, N, LATENT_DIM]`."""
        return (self._project(rows) - self.offset) / self.scale

    def inverse(self, latent: Tensor) -> Tensor:
        """Latents `[B, N, LATENT_DIM]` to feature rows `[B, N, FEATURES]`."""
        drawn = latent * self.scale + self.offset
        raw = SQUASH * torch.sinh((drawn / SQUASH).clamp(-2.5, 2.5))
        return (raw * self.deviation) @ self.basis.T + self.mean

    def _project(self, rows: Tensor) -> Tensor:
        raw = ((rows - self.mean) @ self.basis) / self.deviation
        return SQUASH * torch.asinh(raw / SQUASH)

    @torch.no_grad()
    def fit(self, sounds: list[Tensor], scenes: list[Tensor]) -> None:
        """PCA on `sounds`, mean and deviation on `scenes`; both lists of `[B, T]`."""
        rows = torch.cat([features(sound).flatten(0, 1) for sound in sounds]).double()
        mean = rows.mean(0)
        covariance = (rows - mean).T @ (rows - mean) / len(rows)
        values, vectors = torch.linalg.eigh(covariance)
        basis = vectors.flip(1)[:, :LATENT_DIM]
        basis = basis * basis.sum(0).sign()  # an eigenvector's sign is arbitrary: fix it
        self.mean.copy_(mean)
        self.basis.copy_(basis)
        self.deviation.copy_(values.flip(0)[:LATENT_DIM].sqrt())
        drawn = torch.cat([self._project(features(scene)).flatten(0, 1) for scene in scenes])
        self.offset.copy_(drawn.mean(0))
        self.scale.copy_(drawn.std(0))
