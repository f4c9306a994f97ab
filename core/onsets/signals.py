"""A waveform as the measures take it: one channel, at the measure's own rate, in mel bands."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import torch

from ..media.resample import resample

Waveform: TypeAlias = torch.Tensor | np.ndarray


def mono_at(waveform: Waveform, sample_rate: int, target_rate: int) -> np.ndarray:
    """Mean of the channels of `[C, T]` (or `[T]`) at `target_rate`: float64 `[T']`."""
    samples = torch.as_tensor(waveform).detach().cpu().double()
    assert samples.ndim in (1, 2), "a waveform is [T] or [C, T]"
    assert torch.isfinite(samples).all(), "a measure of NaN means nothing"
    mono = samples if samples.ndim == 1 else samples.mean(dim=0)
    if sample_rate != target_rate:
        mono = resample(mono, sample_rate, target_rate).double()
    return mono.numpy()


def mel_bands(
    samples: np.ndarray,
    filters: torch.Tensor,
    hop: int,
    *,
    power: int = 2,
    padding: Literal["constant", "reflect"] = "constant",
) -> np.ndarray:
    """Spectra of `[T]` under a centred Hann window, their magnitudes to `power` in mel bands.

    filters: `[bands, n_fft / 2 + 1]`. Returns float64 `[1 + T // hop, bands]`.
    """
    n_fft = 2 * (filters.shape[1] - 1)
    padded = np.pad(samples, n_fft // 2, mode=padding)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    spectra = np.fft.rfft(frames * np.hanning(n_fft + 1)[:-1])
    return np.abs(spectra) ** power @ filters.double().numpy().T
