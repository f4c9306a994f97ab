"""How every measure hears a waveform: one channel, at the measure's own rate."""

from __future__ import annotations

from math import gcd

import numpy as np
import torch

Waveform = torch.Tensor | np.ndarray


def mono_at(waveform: Waveform, sample_rate: int, target_rate: int) -> np.ndarray:
    """Mean of the channels of `[C, T]` (or `[T]`) at `target_rate`: float64 `[T']`.

    A rate that differs is reached by a zero-phase polyphase filter, so nothing moves in time.
    """
    samples = np.asarray(waveform, dtype=np.float64)
    assert samples.ndim in (1, 2), "a waveform is [T] or [C, T]"
    assert np.isfinite(samples).all(), "a measure of NaN means nothing"
    mono = samples if samples.ndim == 1 else samples.mean(axis=0)
    if sample_rate == target_rate or not len(mono):
        return mono
    from scipy.signal import resample_poly

    common = gcd(sample_rate, target_rate)
    return resample_poly(mono, target_rate // common, sample_rate // common)


def frames_of(samples: np.ndarray, length: int, hop: int) -> np.ndarray:
    """Windows `[N, length]`, one every `hop` samples; a view, an incomplete last one left out."""
    return np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
