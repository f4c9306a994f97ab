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
    of absolute offsets is taken.
    """
    found = np.sort(np.asarray(found, dtype=np.float64))
    truth = np.sort(np.asarray(truth, dtype=np.float64))
    ours, theirs = pairs_of(found, truth, tolerance=tolerance)
    return Matching(1000 * (found[ours] - truth[theirs]), len(found), len(truth))


def pairs_of(
    found: np.ndarray,
    truth: np.ndarray,
    worth: np.ndarray | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> tuple[np.ndarray, np.ndarray]:
    """Places in two ascending lists of seconds that belong together, both `[pairs]`, ascending.

    worth: above 0 of each of the truth, of which as much is matched as can be; None: each is worth
    the same. Where that leaves a choice, pairs are as close as can be.
    """
    worth = np.ones(len(truth)) if worth is None else worth
    both = np.sort(np.concatenate([found, truth]))
    # Parts with silence between them have nothing to do with each other: memory stays small.
    cuts = both[1:][np.diff(both) > tolerance + 1e-9]
    ours, theirs = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for bounds in zip([-np.inf, *cuts], [*cuts, np.inf]):
        (i, i_stop), (j, j_stop) = (np.searchsorted(times, bounds) for times in (found, truth))
        if i < i_stop and j < j_stop:
            pairs = _pairs(found[i:i_stop], truth[j:j_stop], worth[j:j_stop], tolerance)
            ours.append(i + pairs[:, 0])
            theirs.append(j + pairs[:, 1])
    return np.concatenate(ours), np.concatenate(theirs)


def _pairs(found: np.ndarray, truth: np.ndarray, worth: np.ndarray, tolerance: float) -> np.ndarray:
    """As `pairs_of`, `[pairs, 2]`. Pairs never cross, so one table over both lists finds them."""
    # A pair is worth more than all offsets together could cost.
    reward = tolerance * (min(len(found), len(truth)) + 1) / worth.min()
    gap = np.abs(found[:, None] - truth[None, :])
    gain = np.where(gap <= tolerance + 1e-9, reward * worth - gap, -1.0)
    best = np.zeros((len(found) + 1, len(truth) + 1))
    for i in range(len(found)):
        paired = np.maximum(best[i, 1:], best[i, :-1] + gain[i])
        best[i + 1, 1:] = np.maximum.accumulate(paired)
    pairs = []
    i, j = len(found), len(truth)
    while i and j:
        if best[i, j] == best[i, j - 1]:
            j -= 1
        elif best[i, j] == best[i - 1, j]:
            i -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return np.array(pairs[::-1], dtype=np.int64).reshape(-1, 2)


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
