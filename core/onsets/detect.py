"""When something is struck: onsets to the millisecond, in tails, splashes and crunches.

Two steps. Where: the rise of 32 mel bands over their own last 60 ms must be sustained for 10 ms,
which noise flutter is not; a weak rise soon after a strong one belongs to it (bubbles, grains).
When: the steepest rise of energy near there, on a window of milliseconds.

Measured on blows at least 0.16 s apart of 15 synthetic materials: bias under 0.5 ms, 90 % within
1 ms; what it misses is soft blows under a loud tail.
"""

from __future__ import annotations

import numpy as np

from ..codecs.spectral import mel_filters
from .signals import Waveform, mel_bands, mono_at

SAMPLE_RATE = 22050
HOP = 44  # 2 ms
N_FFT = 512
N_BANDS = 32
BAND_RANGE = (100.0, 10000.0)  # Hz
RANGE_DB = 55.0  # what lies further under the clip's loudest band is silence
SILENCE_DB = -80.0  # absolute: a band's level re one squared full-scale unit of its spectrum
BEFORE, GAP, AFTER = 30, 2, 5  # frames: memory of the past, its distance, the sustained part
MOST_RISE_DB = 24.0
SPREAD = 0.7  # exponent of the mean over bands: many bands that rise outweigh one
LEAST_RISE_DB = 1.0
EARLY_RISE_DB, EARLY_FRAMES = 6.0, 12  # with little past to compare with, more is asked
EDGE_FRAMES = 6  # the spectra of the first and last 12 ms hold the edge of the clip
MERGE = 0.07  # seconds: two onsets closer than this are one
SHADOW, SHADOW_FADE = 0.5, 0.2  # an onset hides weaker rises; its shadow fades in seconds
REACH, BACK, FORTH = 0.016, 0.008, 0.003  # seconds: search, energy before, energy after
EMPHASIS = 0.95
# Onsets of a long sound are looked for in pieces, with what surrounds each: memory stays small.
PIECE, AROUND = 30.0, 0.5


def detect_onsets(waveform: Waveform, sample_rate: int) -> np.ndarray:
    """Onset times in seconds of `[C, T]` (or `[T]`), ascending: float64 `[N]`.

    The first and the last 12 ms of the clip have none: what starts there has no past or no future.
    """
    samples = mono_at(waveform, sample_rate, SAMPLE_RATE)
    if len(samples) <= N_FFT:
        return np.zeros(0)
    strength = rise_curve(samples)
    frames = _pick(strength)
    return np.array([_steepest(samples, frame * HOP) for frame in frames]) / SAMPLE_RATE


def detect_in_pieces(waveform: Waveform, sample_rate: int) -> np.ndarray:
    """As `detect_onsets`, of a sound of any length in little memory: in pieces of half a minute,
    each of which tells by itself what counts as silence."""
    seconds = waveform.shape[-1] / sample_rate
    found, start = [np.zeros(0)], 0.0
    while start < seconds:
        # A last bit shorter than what surrounds a piece belongs to the piece before it.
        stop = start + PIECE if seconds - start > PIECE + AROUND else seconds
        first = max(round((start - AROUND) * sample_rate), 0)
        piece = waveform[..., first : round((stop + AROUND) * sample_rate)]
        times = detect_onsets(piece, sample_rate) + first / sample_rate
        found.append(times[(times >= start) & (times < stop)])
        start = stop
    return np.concatenate(found)


def rise_curve(samples: np.ndarray) -> np.ndarray:
    """Sustained rise over the recent past in dB, mean over bands: `[T]` to one a 2 ms frame."""
    level = _band_levels(samples)  # [N, bands]
    n_frames = len(level)
    after = _running_mean(np.pad(level, ((0, AFTER - 1), (0, 0)), mode="edge"), AFTER)
    smooth = _running_mean(np.pad(level, ((1, 1), (0, 0)), mode="edge"), 3)
    past = np.pad(smooth, ((BEFORE + GAP, 0), (0, 0)), mode="edge")
    before = _running_max(past, BEFORE)[:n_frames]
    rise = np.clip(after - before, 0, MOST_RISE_DB)  # [N, bands]
    return (rise**SPREAD).mean(axis=1) ** (1 / SPREAD)


def _band_levels(samples: np.ndarray) -> np.ndarray:
    """Levels in dB `[1 + T // HOP, bands]`, floored."""
    filters = mel_filters(N_BANDS, N_FFT, SAMPLE_RATE, *BAND_RANGE)
    bands = mel_bands(samples, filters, HOP, padding="reflect")
    level = 10 * np.log10(bands + 1e-12)
    return np.maximum(level, max(level.max() - RANGE_DB, SILENCE_DB))


def _running_mean(rows: np.ndarray, length: int) -> np.ndarray:
    return np.sum([rows[i : len(rows) - length + 1 + i] for i in range(length)], axis=0) / length


def _running_max(rows: np.ndarray, length: int) -> np.ndarray:
    """Maximum over `length` rows, `[N, ...]` to `[N - length + 1, ...]`, by doubling windows."""
    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        rows = np.maximum(rows[:-step], rows[step:])
        reach += step
    return rows


def _pick(strength: np.ndarray) -> np.ndarray:
    """Frames of the peaks that stand: strongest first, the near and the shadowed dropped."""
    side = round(0.02 * SAMPLE_RATE / HOP)
    top = _running_max(np.pad(strength, side), 2 * side + 1)
    least = np.full(len(strength), LEAST_RISE_DB)
    least[:EARLY_FRAMES] = EARLY_RISE_DB
    least[:EDGE_FRAMES] = least[-EDGE_FRAMES:] = np.inf
    peaks = np.flatnonzero((strength >= top) & (strength > least))
    kept: list[int] = []
    for peak in sorted(peaks, key=lambda frame: -strength[frame]):
        others = np.array(kept, dtype=np.int64)
        since = (peak - others) * (HOP / SAMPLE_RATE)
        shadow = SHADOW * strength[others] * np.exp(-since / SHADOW_FADE)
        hidden = (since > 0) & (strength[peak] <= shadow)
        if not (hidden | (np.abs(since) <= MERGE)).any():
            kept.append(int(peak))
    return np.sort(np.array(kept, dtype=np.int64))


def _steepest(samples: np.ndarray, near: int) -> int:
    """Sample within `REACH` of `near` where the energy after most exceeds the energy before."""
    reach, back, forth = (round(part * SAMPLE_RATE) for part in (REACH, BACK, FORTH))
    first = max(near - reach, back + 1)
    last = min(near + reach, len(samples) - forth)
    if last <= first:
        return near
    piece = samples[first - back - 1 : last + forth]
    bright = piece[1:] - EMPHASIS * piece[:-1]
    energy = np.cumsum(np.concatenate(((0.0,), bright**2)))
    place = np.arange(back, back + last - first)
    before = (energy[place] - energy[place - back]) / back
    after = (energy[place + forth] - energy[place]) / forth
    return first + int(np.argmax((after + 1e-9) / (before + 1e-9)))
