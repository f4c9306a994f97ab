"""A sound as a few numbers, for a drawing of its waveform with its onsets."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..evaluation.attacks import detect_onsets

MOST_PEAKS = 2000
# Onsets of a long sound are looked for in pieces, with what surrounds each: memory stays small.
_PIECE, _AROUND = 30.0, 0.5


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
    """Onset times of `[C, T]` in seconds, ascending, in milliseconds' precision.

    As `detect_onsets` finds them, in pieces of half a minute: what counts as silence is told by
    each piece.
    """
    seconds = waveform.shape[-1] / sample_rate
    found: list[float] = []
    start = 0.0
    while start < seconds:
        # A last bit shorter than what surrounds a piece belongs to the piece before it.
        stop = start + _PIECE if seconds - start > _PIECE + _AROUND else seconds
        first = max(round((start - _AROUND) * sample_rate), 0)
        piece = waveform[:, first : round((stop + _AROUND) * sample_rate)]
        times = detect_onsets(piece, sample_rate) + first / sample_rate
        found += [round(float(time), 3) for time in times if start <= time < stop]
        start = stop
    return found
