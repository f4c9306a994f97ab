"""How every measure hears a waveform: one channel, at the measure's own rate."""

from __future__ import annotations

from typing import TypeAlias

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


def frames_of(samples: np.ndarray, length: int, hop: int) -> np.ndarray:
    """Windows `[N, length]`, one every `hop` samples; a view, an incomplete last one left out."""
    return np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
