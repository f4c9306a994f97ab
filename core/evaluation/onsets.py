"""Onset accuracy and average precision as the published evaluation scripts compute them.

Bug for bug, so that figures compare with the papers that use them (CondFoleyGen 2023; the
Greatest Hits variant of MMAudio 2025, F1 added). The detector has a grid of 23.2 ms at 22,050 Hz
and reports hits 17 ms late on average; for questions of milliseconds use `onsets.detect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..codecs.spectral import mel_filters
from ..onsets.signals import Waveform, mel_bands, mono_at

SAMPLE_RATE = 22050
HOP = 512
N_FFT = 2048
N_MELS = 128
DYNAMIC_RANGE_DB = 80.0
CONFIDENCE_REACH = int(0.05 * SAMPLE_RATE)  # samples either side
SUPPRESSION = 0.05 * SAMPLE_RATE
GREATEST_HITS_SECONDS = 8.0


@dataclass(frozen=True)
class OnsetScores:
    """One clip, 0 to 1; `average_precision` is None where neither side had an onset.

    `degenerate`: one side had no onset, so that the average precision (1.0 when only the candidates
    are missing!) means nothing; count such clips apart.
    """

    accuracy: float
    average_precision: float | None
    f1: float
    n_reference: int
    n_candidates: int

    @property
    def degenerate(self) -> bool:
        return self.n_reference == 0 or self.n_candidates == 0


def onset_envelope(samples: np.ndarray) -> np.ndarray:
    """Mean rise of 128 Slaney mel bands in dB: `[T]` at 22,050 Hz to `[1 + T // 512]`, >= 0."""
    bands = mel_bands(samples, mel_filters(N_MELS, N_FFT, SAMPLE_RATE), HOP)  # [N, 128]
    level = 10 * np.log10(np.maximum(bands, 1e-10))
    level = np.maximum(level, level.max() - DYNAMIC_RANGE_DB)
    rise = np.maximum(np.diff(level, axis=0), 0).mean(axis=1)
    # A sound is in a frame 2 frames before its middle reaches it; the scripts shift by that much.
    return np.concatenate((np.zeros(3), rise))[: len(level)]


def pick_peaks(envelope: np.ndarray, delta: float = 0.3) -> np.ndarray:
    """Frames `[N]` of onsets: local maxima `delta` over the local mean of the scaled envelope."""
    if not envelope.any():
        return np.zeros(0, dtype=np.int64)
    span = envelope.max() - envelope.min()
    scaled = (envelope - envelope.min()) / (span + np.finfo(np.float64).tiny)
    peaks: list[int] = []
    for frame, value in enumerate(scaled):
        around = scaled[max(frame - 4, 0) : frame + 5]
        highest = value >= scaled[max(frame - 1, 0) : frame + 1].max()
        apart = not peaks or frame - peaks[-1] > 1
        if highest and apart and value >= around.mean() + delta:
            peaks.append(frame)
    return np.array(peaks, dtype=np.int64)


def grid_onsets(waveform: Waveform, sample_rate: int, *, delta: float = 0.3) -> np.ndarray:
    """Onsets of `[C, T]` in samples of 22,050 Hz, multiples of 512: int64 `[N]`."""
    samples = mono_at(waveform, sample_rate, SAMPLE_RATE)
    return pick_peaks(onset_envelope(samples), delta) * HOP


def suppress_neighbours(onsets: np.ndarray, confidence: np.ndarray) -> list[int]:
    """Indices that survive: the most confident first, its neighbours within 50 ms dropped.

    The published loop deletes from the list that it walks: the onset after a deleted one is passed
    over in that pass, and may survive.
    """
    left, kept = list(range(len(onsets))), []
    while left:
        best = left.pop(int(np.argmax(confidence[left])))
        kept.append(best)
        place = 0
        while place < len(left):
            if abs(float(onsets[left[place]]) - float(onsets[best])) < SUPPRESSION:
                del left[place]
            place += 1
    return sorted(kept)


def condfoley_scores(
    generated: Waveform, reference: Waveform, sample_rate: int, *, window: float = 0.1
) -> OnsetScores:
    """CondFoleyGen's measure ("OnsetSyncAP") on two waveforms `[C, T]` of the same rate.

    The reference onsets are those detected in `reference`; `window` is the tolerance in seconds.
    """
    samples = mono_at(generated, sample_rate, SAMPLE_RATE)
    truth = grid_onsets(reference, sample_rate)
    return _score(truth, grid_onsets(samples, SAMPLE_RATE), _scaled(np.abs(samples)), window)


def greatest_hits_scores(
    generated: Waveform, times: Sequence[float], sample_rate: int, *, delta: float = 0.3
) -> OnsetScores:
    """MMAudio's variant: hit `times` in seconds are given, those from second 8 on left out.

    `delta` is both the detector's threshold and the tolerance in seconds, as published.
    """
    samples = mono_at(generated, sample_rate, SAMPLE_RATE)
    truth = np.array([t * SAMPLE_RATE for t in times if t < GREATEST_HITS_SECONDS])
    onsets = grid_onsets(samples, SAMPLE_RATE, delta=delta)
    return _score(truth, onsets, _scaled(samples), delta, slipped=True)


def average_precision(hits: Sequence[bool], scores: Sequence[float]) -> float:
    """Area under the precision steps over recall, ties taken together; 0 without a hit."""
    if not any(hits):
        return 0.0
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    found = np.cumsum(np.asarray(hits, dtype=np.float64)[order])
    ranked = np.asarray(scores, dtype=np.float64)[order]
    steps = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    precision = found[steps] / (steps + 1)
    recall = found[steps] / found[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def mean_scores(scores: Sequence[OnsetScores]) -> dict[str, float | int | None]:
    """A data set's figures: plain means over clips; degenerate clips are counted, and left out of
    `average_precision`, while `average_precision_published` keeps those that the scripts keep.
    """
    return {
        "clips": len(scores),
        "degenerate": sum(s.degenerate for s in scores),
        "accuracy": mean_of(s.accuracy for s in scores),
        "average_precision": mean_of(s.average_precision for s in scores if not s.degenerate),
        "average_precision_published": mean_of(s.average_precision for s in scores),
        "f1": mean_of(s.f1 for s in scores),
        "same_count": mean_of(float(s.n_reference == s.n_candidates) for s in scores),
    }


def mean_of(values: Iterable[float | None]) -> float | None:
    """Mean of those that are there, None where none is."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def _scaled(wave: np.ndarray) -> np.ndarray:
    low, high = wave.min(initial=np.inf), wave.max(initial=-np.inf)
    return (wave - low) / (high - low) if high > low else np.zeros_like(wave)


def _candidates(onsets: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Onsets left after suppression, and the greatest height within 50 ms of each."""
    # The last frame of the grid may lie on the sample after the end.
    onsets = onsets[onsets < len(height)]
    confidence = np.array(
        [height[max(o - CONFIDENCE_REACH, 0) : o + CONFIDENCE_REACH].max() for o in onsets]
    )
    kept = suppress_neighbours(onsets, confidence)
    return onsets[kept], confidence[kept]


def _score(
    truth: np.ndarray, found: np.ndarray, height: np.ndarray, window: float, slipped: bool = False
) -> OnsetScores:
    """Pairs every true onset with a candidate within `window` seconds, in order of time.

    truth, found: onsets in samples; height: of each sample, 0 to 1. The published loop stops when
    no candidate is left: later true onsets are missing from the pairs. `slipped`: the choice among
    candidates reads the heights of the whole list at the positions of the reduced one, as MMAudio's
    script does.
    """
    onsets, confidence = _candidates(found, height)
    height = height[onsets]
    left = list(range(len(onsets)))
    pairs: list[tuple[bool, float]] = []
    hits = 0
    for time in truth:
        near = [p for p, i in enumerate(left) if abs(onsets[i] - time) < window * SAMPLE_RATE]
        if not near:
            pairs.append((True, 0.0))
            continue
        best = max(near, key=lambda p: (height[p if slipped else left[p]], p))
        pairs.append((True, float(confidence[left.pop(best)])))
        hits += 1
        if not left:
            break
    pairs += [(False, float(confidence[i])) for i in left]
    true_positive = sum(real and score > 0 for real, score in pairs)
    wrong = sum(real != (score > 0) for real, score in pairs)
    f1 = 2 * true_positive / (2 * true_positive + wrong) if true_positive else 0.0
    precision = average_precision(*zip(*pairs)) if pairs else None
    accuracy = hits / len(truth) if len(truth) else 0.0
    return OnsetScores(accuracy, precision, f1, len(truth), len(onsets))
