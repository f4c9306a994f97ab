"""Which found onset belongs to which true one, how many fit, how far off they are, and chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 0.06  # seconds: about what a viewer still takes for one event


@dataclass(frozen=True, eq=False)
class Matching:
    """One clip, or several taken together.

    `offsets_ms`: found minus true of every matched pair, `[matched]`; positive is late.
    """

    offsets_ms: np.ndarray
    n_found: int
    n_true: int

    @property
    def matched(self) -> int:
        return len(self.offsets_ms)

    @property
    def precision(self) -> float:
        return self.matched / self.n_found if self.n_found else 0.0

    @property
    def recall(self) -> float:
        return self.matched / self.n_true if self.n_true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 when there was nothing and nothing was found."""
        total = self.n_found + self.n_true
        return 2 * self.matched / total if total else 1.0

    @property
    def median_offset_ms(self) -> float | None:
        return float(np.median(self.offsets_ms)) if self.matched else None

    @property
    def median_absolute_offset_ms(self) -> float | None:
        return float(np.median(np.abs(self.offsets_ms))) if self.matched else None


def match_onsets(
    found: Sequence[float] | np.ndarray,
    truth: Sequence[float] | np.ndarray,
    *,
    tolerance: float = TOLERANCE,
) -> Matching:
    """One-to-one matching of onset times in seconds with as many pairs as can be.

    A pair is at most `tolerance` apart; among the largest matchings the one with the smallest sum
    of absolute offsets is taken. Pairs never cross, so one table over both sorted lists finds it.
    """
    found = np.sort(np.asarray(found, dtype=np.float64))
    truth = np.sort(np.asarray(truth, dtype=np.float64))
    # A pair is worth more than all offsets together could cost.
    reward = tolerance * (min(len(found), len(truth)) + 1)
    gap = found[:, None] - truth[None, :]
    gain = np.where(np.abs(gap) <= tolerance + 1e-9, reward - np.abs(gap), -1.0)
    best = np.zeros((len(found) + 1, len(truth) + 1))
    for i in range(len(found)):
        paired = np.maximum(best[i, 1:], best[i, :-1] + gain[i])
        best[i + 1, 1:] = np.maximum.accumulate(paired)
    offsets = []
    i, j = len(found), len(truth)
    while i and j:
        if best[i, j] == best[i, j - 1]:
            j -= 1
        elif best[i, j] == best[i - 1, j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            offsets.append(1000 * gap[i, j])
    return Matching(np.array(offsets[::-1], dtype=np.float64), len(found), len(truth))


def pool(matchings: Iterable[Matching]) -> Matching:
    """Many clips as one: every onset counts the same."""
    parts = list(matchings)
    return Matching(
        np.concatenate([m.offsets_ms for m in parts] or [np.zeros(0)]),
        sum(m.n_found for m in parts),
        sum(m.n_true for m in parts),
    )


def shuffled_f1(found: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> float:
    """Chance level: F1 when each clip is held against the truth of each of the other clips."""
    n_clips = len(found)
    if n_clips < 2:
        raise ValueError("shuffling needs two clips or more: use shifted_f1 for one")
    return pool(
        match_onsets(found[i], truth[(i + turn) % n_clips])
        for turn in range(1, n_clips)
        for i in range(n_clips)
    ).f1


def shifted_f1(
    found: np.ndarray, truth: np.ndarray, seconds: float, *, tolerance: float = TOLERANCE
) -> float:
    """Chance level of one clip of `seconds`: mean F1 over 50 even circular shifts of its truth.

    No shift is closer to the truth than 5 % of the clip.
    """
    truth = np.asarray(truth, dtype=np.float64)
    moves = np.linspace(0.05 * seconds, 0.95 * seconds, 50)
    return float(
        np.mean([match_onsets(found, (truth + m) % seconds, tolerance=tolerance).f1 for m in moves])
    )
