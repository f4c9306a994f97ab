"""One-to-one matching of onset times, and its chance levels."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from foleystage.core.onsets.matching import match_onsets, pairs_of, pool, shifted_f1, shuffled_f1


def brute_force(found, truth, tolerance):
    """(pairs, sum of offsets) of the best matching, tried in every way."""
    best = (0, 0.0)
    for size in range(1, min(len(found), len(truth)) + 1):
        for some in combinations(found, size):
            for order in permutations(truth, size):
                gaps = np.abs(np.subtract(some, order))
                if (gaps <= tolerance).all():
                    best = max(best, (size, -gaps.sum()))
    return best[0], -best[1]


def test_matching_is_the_best_of_all():
    rng = np.random.default_rng(0)
    for _ in range(40):
        found, truth = rng.uniform(0, 0.5, rng.integers(0, 5)), rng.uniform(0, 0.5, 4)
        result = match_onsets(found, truth, tolerance=0.06)
        pairs, total = brute_force(found, truth, 0.06)
        assert result.matched == pairs
        assert np.abs(result.offsets_ms).sum() == pytest.approx(1000 * total, abs=1e-6)


def test_offsets_are_signed_late_is_positive():
    result = match_onsets([1.02, 2.99], [1.0, 3.0, 5.0])
    assert result.offsets_ms == pytest.approx([20.0, -10.0])
    assert (result.precision, result.recall, result.f1) == (1.0, pytest.approx(2 / 3), 0.8)
    assert result.median_offset_ms == pytest.approx(5.0)
    assert result.median_absolute_offset_ms == pytest.approx(15.0)


def test_one_found_onset_serves_one_true_onset():
    assert match_onsets([1.0], [0.97, 1.03]).matched == 1


def test_a_pair_exactly_at_the_tolerance_counts():
    assert match_onsets([1.06], [1.0], tolerance=0.06).matched == 1
    assert match_onsets([1.061], [1.0], tolerance=0.06).matched == 0


def test_empty_sides_give_numbers_not_nan():
    assert match_onsets([], []).f1 == 1.0
    assert match_onsets([], [1.0]).f1 == 0.0
    assert match_onsets([1.0], []).precision == 0.0
    assert match_onsets([], [1.0]).median_offset_ms is None


def test_pooled_clips_count_every_onset():
    both = pool([match_onsets([1.0], [1.0]), match_onsets([1.0, 2.0, 3.0], [5.0])])
    assert (both.matched, both.n_found, both.n_true) == (1, 4, 2)
    assert pool([]).f1 == 1.0


def test_chance_of_random_times_lies_far_under_the_truth():
    rng = np.random.default_rng(1)
    truth = [np.sort(rng.uniform(0, 8, 8)) for _ in range(12)]
    assert pool(match_onsets(t, t) for t in truth).f1 == 1.0
    assert 0.03 < shuffled_f1(truth, truth) < 0.25
    assert 0.03 < shifted_f1(truth[0], truth[0], 8.0) < 0.25
    with pytest.raises(ValueError, match="two clips"):
        shuffled_f1(truth[:1], truth[:1])


def test_what_is_worth_more_is_matched_first():
    found, truth = np.array([1.0]), np.array([0.98, 1.03])
    for worth, there in (([0.2, 0.9], 1), ([0.9, 0.2], 0), ([0.5, 0.5], 0)):
        ours, theirs = pairs_of(found, truth, np.array(worth))
        assert (ours.tolist(), theirs.tolist()) == ([0], [there])


def test_parts_far_apart_are_matched_as_each_alone():
    rng = np.random.default_rng(1)
    parts = [np.sort(rng.uniform(0, 0.5, (2, 6)), axis=1) for _ in range(4)]
    alone = [match_onsets(*part) for part in parts]
    whole = np.concatenate([part + 10 * k for k, part in enumerate(parts)], axis=1)
    assert match_onsets(*whole).offsets_ms == pytest.approx(pool(alone).offsets_ms)
