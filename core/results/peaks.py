"""A sound as a few numbers, for a drawing of its waveform with its onsets."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..onsets.detect import detect_in_pieces

MOST_PEAKS = 2000


def peaks(waveform: Tensor, count: int = MOST_PEAKS) -> list[list[float]]:
    """Least and greatest value of `[C, T]` over all channels in each of `count` equal parts.

    Fewer samples than `count` give one pair a sample. Values in thousandths.

    Raises:
        ValueError: not `[C, T]`, no samples, values that are not finite, or a count below 1.
    """
    if waveform.ndim != 2 or not waveform.numel():
        raise ValueError(f"Peaks are taken of a sound [C, T], not of {list(waveform.shape)}.")
    if count < 1:
        raise ValueError(f"A sound is drawn with 1 pair of peaks or more, not {count}.")
    sound = waveform.detach().float().cpu().numpy()
    if not np.isfinite(sound).all():
        raise ValueError("Peaks are taken of finite values.")
    n_samples = sound.shape[-1]
    n_parts = min(count, n_samples)
    first = np.arange(n_parts, dtype=np.int64) * n_samples // n_parts
    low = np.minimum.reduceat(sound.min(0), first)
    high = np.maximum.reduceat(sound.max(0), first)
    # The sum makes 0.0 of -0.0, which JSON would keep.
    return (np.stack((low, high), axis=1).astype(np.float64).round(3) + 0.0).tolist()


def onsets(waveform: Tensor, sample_rate: int) -> list[float]:
    """Onset times of `[C, T]` in seconds, ascending, in milliseconds' precision."""
    return [round(float(time), 3) for time in detect_in_pieces(waveform, sample_rate)]
