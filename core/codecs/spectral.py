"""Spectra that codecs and measures share: mel filters, hop-centred STFT, Griffin-Lim.

Frames are centred on the middles of the hops, so `T` samples (a multiple of the hop) have exactly
`T / hop` frames and no half-hop shift.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

MOMENTUM = 0.99


@lru_cache(maxsize=16)
def mel_filters(
    n_mels: int, n_fft: int, sample_rate: int, f_min: float = 0.0, f_max: float | None = None
) -> Tensor:
    """Triangles of unit area per Hz on Slaney's mel scale: `[n_mels, n_fft/2 + 1]`."""
    top = sample_rate / 2 if f_max is None else f_max
    low, high = _hz_to_mel(torch.tensor([f_min, top], dtype=torch.float64))
    edges = _mel_to_hz(torch.linspace(float(low), float(high), n_mels + 2, dtype=torch.float64))
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * 2 / (edges[2:] - edges[:-2])[:, None]).float()


def _hz_to_mel(hz: Tensor) -> Tensor:
    """Slaney: linear under 1 kHz (3 mel per 200 Hz), logarithmic above (27 mel per factor 6.4)."""
    above = 15 + 27 * torch.log(hz.clamp(min=1e-9) / 1000) / _LOG_6_4
    return torch.where(hz < 1000, hz * 3 / 200, above)


def _mel_to_hz(mel: Tensor) -> Tensor:
    return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp((mel - 15) * _LOG_6_4 / 27))


_LOG_6_4 = 1.8562979903656263


def stft(waveform: Tensor, n_fft: int, hop: int) -> Tensor:
    """Complex spectra `[B, n_fft/2 + 1, T / hop]` of `[B, T]`; T must be a multiple of `hop`."""
    side = (n_fft - hop) // 2
    mode = "reflect" if waveform.shape[-1] > side else "constant"
    padded = F.pad(waveform[:, None], (side, side), mode=mode)[:, 0]
    window = torch.hann_window(n_fft, dtype=waveform.dtype, device=waveform.device)
    return torch.stft(padded, n_fft, hop, window=window, center=False, return_complex=True)


def istft(spectra: Tensor, n_fft: int, hop: int) -> Tensor:
    """Least-squares inverse of `stft`: `[B, n_fft/2 + 1, N]` to `[B, N * hop]`."""
    n_frames = spectra.shape[-1]
    window = torch.hann_window(n_fft, dtype=spectra.real.dtype, device=spectra.device)
    frames = torch.fft.irfft(spectra, n_fft, dim=1) * window[:, None]
    total = overlap_add(frames, hop)
    norm = overlap_add((window**2)[None, :, None].expand(1, -1, n_frames), hop)
    side = (n_fft - hop) // 2
    stop = side + n_frames * hop
    return total[:, side:stop] / norm[:, side:stop].clamp(min=1e-8)


def overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Sum frames `[B, n_fft, N]` laid `hop` (a divisor) apart: `[B, (N - 1) hop + n_fft]`."""
    batch, n_fft, n_frames = frames.shape
    parts = n_fft // hop
    total = frames.new_zeros(batch, n_frames + parts - 1, hop)
    blocks = frames.transpose(1, 2).reshape(batch, n_frames, parts, hop)
    for part in range(parts):
        total[:, part : part + n_frames] += blocks[:, :, part]
    return total.flatten(1)


def griffin_lim(
    magnitudes: Tensor,
    n_fft: int,
    hop: int,
    *,
    iterations: int,
    phase: Tensor,
) -> Tensor:
    """Waveform `[B, N * hop]` whose STFT magnitudes come near `magnitudes` `[B, n_fft/2 + 1, N]`.

    Griffin and Lim 1984 with the momentum of Perraudin et al. 2013.
    `phase`: unit complex numbers to start from, of the same shape.
    """
    previous = torch.zeros_like(phase)
    for _ in range(iterations):
        projected = stft(istft(magnitudes * phase, n_fft, hop), n_fft, hop)
        moved = projected + MOMENTUM * (projected - previous)
        phase = moved / moved.abs().clamp(min=1e-12)
        previous = projected
    return istft(magnitudes * phase, n_fft, hop)


def random_angles(shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    """Uniformly random angles, float32 in 0..2 pi."""
    return torch.rand(shape, generator=generator) * (2 * torch.pi)


def random_phase(shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    """Unit complex numbers of uniformly random angle."""
    return torch.polar(torch.ones(shape), random_angles(shape, generator))
