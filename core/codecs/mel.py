"""Mel spectrograms of the public codecs, and the way back for those that have no vocoder.

Two conventions: HiFi-GAN's (frame i is centred on sample (i + 1/2) hop, reflected ends, logarithm)
and SpecVQGAN's and Diff-Foley's (frame i on sample i hop, zeros beyond the ends, decibels in 0..1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from .spectral import griffin_lim, mel_filters, random_angles
from .tiling import Progress, tiles

FLOOR = 1e-5
MAGNITUDE_EPS = 1e-9
# Frames of one piece: a spectrum of long audio never is in memory as a whole.
PIECE = 2048
INVERSION_STEPS = 200
GRIFFIN_LIM_STEPS = 32
# Frames of one piece of what Griffin and Lim's way makes: a minute.
SOUND_TILE = 3750


@dataclass(frozen=True)
class MelConfig:
    """Config of one mel. `scale`: natural or base-10 logarithm, or decibels brought to 0..1."""

    sample_rate: int
    n_fft: int
    hop: int
    n_mels: int
    f_min: float
    f_max: float
    scale: Literal["natural", "log10", "decibels"] = "natural"
    clamp: bool = False

    @property
    def centred(self) -> bool:
        """Whether frame i is centred on sample i * hop."""
        return self.scale == "decibels"

    def filters(self) -> Tensor:
        """Mel filters `[n_mels, n_fft / 2 + 1]`."""
        return mel_filters(self.n_mels, self.n_fft, self.sample_rate, self.f_min, self.f_max)


MMAUDIO_MEL_16K = MelConfig(16000, 1024, 256, 80, 0, 8000, "log10", clamp=True)
MMAUDIO_MEL_44K = MelConfig(44100, 2048, 512, 128, 0, 22050, clamp=True)
AUDIOLDM_MEL = MelConfig(16000, 1024, 160, 64, 0, 8000)
HIFIGAN_MEL_22K = MelConfig(22050, 1024, 256, 80, 0, 8000)
SPECVQGAN_MEL = MelConfig(22050, 1024, 256, 80, 125, 7600, "decibels")
DIFF_FOLEY_MEL = MelConfig(16000, 1024, 256, 128, 125, 7600, "decibels")


def mel_spectrogram(waveform: Tensor, config: MelConfig) -> Tensor:
    """`[B, T]` to `[B, n_mels, N]`: N = T // hop, or 1 + T // hop where frames are centred."""
    if config.clamp:
        waveform = waveform.clamp(-1, 1)
    side = config.n_fft // 2 if config.centred else (config.n_fft - config.hop) // 2
    mode = "constant" if config.centred else "reflect"
    padded = F.pad(waveform[:, None], (side, side), mode=mode)[:, 0]
    n_frames = 1 + (padded.shape[-1] - config.n_fft) // config.hop
    filters = config.filters().to(waveform)
    window = torch.hann_window(config.n_fft, dtype=waveform.dtype, device=waveform.device)
    pieces = []
    for first in range(0, n_frames, PIECE):
        last = min(first + PIECE, n_frames)
        part = padded[:, first * config.hop : (last - 1) * config.hop + config.n_fft]
        spectra = torch.stft(
            part, config.n_fft, config.hop, window=window, center=False, return_complex=True
        )
        pieces.append(_scaled(filters @ _magnitude(spectra, config), config))
    return torch.cat(pieces, dim=2)


def _magnitude(spectra: Tensor, config: MelConfig) -> Tensor:
    if config.centred:
        return spectra.abs()
    return torch.view_as_real(spectra).square_().sum(-1).add_(MAGNITUDE_EPS).sqrt_()


def _scaled(mel: Tensor, config: MelConfig) -> Tensor:
    mel = mel.clamp(min=FLOOR)
    if config.scale == "decibels":
        return decibels_to_unit(20 * mel.log10())
    return mel.log() if config.scale == "natural" else mel.log10()


def decibels_to_unit(decibels: Tensor) -> Tensor:
    """-80..20 dB to 0..1, clipped."""
    return ((decibels + 80) / 100).clamp(0, 1)


def unit_to_magnitudes(mel: Tensor) -> Tensor:
    """A 0..1 decibel mel back to magnitudes; values beyond 0..1 are clipped."""
    return 10 ** ((100 * mel.clamp(0, 1) - 80) / 20)


def linear_magnitudes(mel: Tensor, config: MelConfig) -> Tensor:
    """Non-negative spectra `[B, n_fft/2 + 1, N]` whose mel comes near `mel` `[B, n_mels, N]`.

    Least squares under s >= 0 by Nesterov's accelerated projected gradient. `mel` is in linear
    magnitudes.
    """
    filters = config.filters().to(mel)
    step = 1 / torch.linalg.matrix_norm(filters, 2) ** 2
    spectra = (torch.linalg.pinv(filters) @ mel).clamp(min=0)
    ahead, pace = spectra, 1.0
    for _ in range(INVERSION_STEPS):
        moved = (ahead - step * (filters.T @ (filters @ ahead - mel))).clamp(min=0)
        next_pace = (1 + (1 + 4 * pace**2) ** 0.5) / 2
        ahead = moved + (pace - 1) / next_pace * (moved - spectra)
        spectra, pace = moved, next_pace
    return spectra


def sound_of_mel(
    mel: Tensor,
    config: MelConfig,
    generator: Generator | None,
    *,
    tile: int = SOUND_TILE,
    progress: Progress | None = None,
) -> Tensor:
    """A 0..1 decibel mel `[B, n_mels, N]` to a waveform `[B, N * hop]` by Griffin and Lim.

    `generator` draws the phases to start from; None starts from the same ones each time. What a
    sample depends on is bounded, so more than `tile` frames are made in overlapping pieces, equal
    to one but for rounding.
    """
    mel = mel.to(torch.promote_types(mel.dtype, torch.float32))
    batch, _, n_frames = mel.shape
    hop = config.hop
    # The transform below centres frames half a hop later than this mel does: one more frame, and
    # half a hop less at the front.
    mel = torch.cat((mel, mel[..., -1:]), dim=2)
    drawn = generator or torch.Generator().manual_seed(0)
    angles = random_angles((batch, config.n_fft // 2 + 1, n_frames + 1), drawn)
    out = mel.new_empty(batch, n_frames * hop)
    context = (GRIFFIN_LIM_STEPS + 1) * (config.n_fft // hop)
    for start, stop in tiles(n_frames, tile):
        low, high = max(0, start - context), min(n_frames, stop + context) + 1
        magnitudes = linear_magnitudes(unit_to_magnitudes(mel[..., low:high]), config)
        phase = torch.polar(torch.ones_like(magnitudes), angles[..., low:high].to(magnitudes))
        sound = griffin_lim(
            magnitudes, config.n_fft, hop, iterations=GRIFFIN_LIM_STEPS, phase=phase
        )
        first = hop // 2 - low * hop
        out[:, start * hop : stop * hop] = sound[:, first + start * hop : first + stop * hop]
        if progress is not None:
            progress(stop, n_frames)
    return out
