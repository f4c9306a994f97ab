"""Distances of sounds, and the arithmetic of published scores on known features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.evaluation import distances

RATE = 32000


def noise(seconds=1.0, seed=0):
    return 0.1 * torch.randn(1, int(RATE * seconds), generator=torch.Generator().manual_seed(seed))


def test_log_mel_distance_of_a_gain_is_its_logarithm():
    sound = noise()
    assert distances.log_mel_distance(sound, sound, RATE) == 0.0
    assert distances.log_mel_distance(sound * 2, sound, RATE) == pytest.approx(np.log(2), rel=1e-4)


def test_log_mel_distance_compares_what_both_have():
    sound = noise(2.0)
    cut = sound[:, : RATE // 2 + 77]
    assert distances.log_mel_distance(cut, sound, RATE) < 0.05
    stereo = sound.repeat(2, 1)
    assert distances.log_mel_distance(stereo, sound, RATE) == pytest.approx(0, abs=1e-6)


def test_log_mel_distance_of_silence_is_finite():
    assert np.isfinite(distances.log_mel_distance(torch.zeros(1, 500), noise(), RATE))
    with pytest.raises(FoleyError, match="empty"):
        distances.log_mel_distance(torch.zeros(1, 0), noise(), RATE)


def test_centroid_is_where_the_tone_is():
    clock = torch.arange(RATE) / RATE
    low, high = (torch.sin(2 * np.pi * hz * clock)[None] for hz in (1000, 1500))
    assert distances.spectral_centroid(low, RATE) == pytest.approx(1000, rel=0.05)
    assert distances.centroid_difference(high, low, RATE) == pytest.approx(0.5, abs=0.04)
    assert distances.spectral_centroid(torch.zeros(1, RATE), RATE) == 0.0
    with pytest.raises(FoleyError, match="silent"):
        distances.centroid_difference(low, torch.zeros(1, RATE), RATE)


def test_frechet_distance_equals_its_definition():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(0)
    first = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6))
    second = rng.standard_normal((150, 6)) @ rng.standard_normal((6, 6)) + 0.5
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    shift = first.mean(0) - second.mean(0)
    want = shift @ shift + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert distances.frechet_distance(first, second) == pytest.approx(want, rel=1e-9)
    assert distances.frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_few_clips_is_finite():
    rng = np.random.default_rng(1)
    value = distances.frechet_distance(rng.standard_normal((3, 20)), rng.standard_normal((4, 20)))
    assert np.isfinite(value) and value > 0
    with pytest.raises(FoleyError, match="2 clips"):
        distances.frechet_distance(np.zeros((1, 4)), np.zeros((5, 4)))


def test_kl_runs_from_reference_to_generated():
    reference, generated = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])
    want = 0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1)
    assert distances.kl_divergence(generated, reference) == pytest.approx(want)
    assert distances.kl_divergence(reference, generated) != pytest.approx(want)


def test_inception_score_rewards_sure_and_varied_classes():
    same = np.zeros((40, 4))
    assert distances.inception_score(same) == pytest.approx((1.0, 0.0))
    varied = 50 * np.eye(4)[np.arange(400) % 4]
    mean, deviation = distances.inception_score(varied)
    assert 3.7 < mean <= 4.0 and deviation < 0.2
    with pytest.raises(FoleyError, match="10 clips"):
        distances.inception_score(np.zeros((9, 4)))


def test_cosine_score_is_the_mean_of_the_pairs():
    first = np.array([[1.0, 0.0], [0.0, 2.0]])
    second = np.array([[3.0, 0.0], [0.0, -1.0]])
    assert distances.cosine_score(first, second) == pytest.approx(0.0)
    assert distances.cosine_score(first, first * 5) == pytest.approx(1.0)
