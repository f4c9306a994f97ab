"""The material classifier knows true sounds, whatever their level and rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foleystage.core.evaluation.materials import RATE, classify, train_classifier, true_sound
from foleystage.core.scenes.materials import IMPACT_MATERIALS, MATERIALS


@pytest.mark.slow
def test_held_out_impacts_are_recognised_in_95_of_100():
    hits = [
        classify(true_sound(name, np.random.default_rng([77, seed, number])), RATE) == name
        for number, name in enumerate(IMPACT_MATERIALS)
        for seed in range(10)
    ]
    assert np.mean(hits) >= 0.95


def test_level_channels_and_rate_do_not_change_the_answer():
    sound = torch.from_numpy(true_sound("bell", np.random.default_rng(4)))
    assert classify(sound, RATE) == "bell"
    assert classify(0.05 * sound[None].repeat(2, 1), RATE) == "bell"
    assert classify(sound[: len(sound) // 2 * 2 : 2], RATE // 2) in MATERIALS


@pytest.mark.parametrize("n_samples", [10, 5_000, 40_000])
def test_short_and_silent_sounds_get_some_answer(n_samples):
    assert classify(np.zeros(n_samples, np.float32), RATE) in MATERIALS


@pytest.mark.slow
def test_training_repeats_from_its_seed():
    first, second = (
        train_classifier(3, clips=2, steps=3, materials=("bell", "stone")) for _ in range(2)
    )
    for a, b in zip(first.parameters(), second.parameters()):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
