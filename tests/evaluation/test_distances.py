"""Mel-cepstral distortion against the public package's numbers; MFCC and log mel."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from case import load
from foleystage.core.errors import FoleyError
from foleystage.core.evaluation import alignment, distances
from procedural import randn

CASE = load("mcd")
RATE = CASE.config["sample_rate"]
PAIRS = [("a", "b"), ("b", "a"), ("a", "a_short"), ("a", "a")]


def stored(name):
    return CASE.tensors[name].double().numpy()


def walk(name):
    """The case's inputs A and B: procedural noise, summed over rows, times 0.2."""
    shape = CASE.info["inputs"][name]["shape"]
    return (randn(f"mcd.{name}", shape).double().cumsum(0) * 0.2).numpy()


def error(name, values):
    return CASE.error(name, torch.tensor(values))


def test_cepstrum_of_an_envelope_equals_the_reference():
    cepstrum = distances.mel_cepstrum(stored("envelope_b"))
    want = stored("mcep_b")[::20]
    assert np.linalg.norm(cepstrum - want) / np.linalg.norm(want) < 1e-5


@pytest.mark.parametrize("mode", ["dtw", "dtw_sl"])
def test_distance_of_given_cepstra_equals_the_reference(mode):
    figures = [
        distances.cepstral_distance(stored(f"mcep_{x}"), stored(f"mcep_{y}"), mode=mode)
        for x, y in PAIRS
    ]
    assert error(f"mcd_{mode}", figures) < 1e-5


def test_distance_of_given_matrices_equals_the_reference():
    a, b = walk("A"), walk("B")
    tight = 1e-6
    assert error("matrix_plain_all", distances.cepstral_distance(a, b, mode="plain")) < tight
    level_free = distances.DECIBELS * np.linalg.norm(a[:, 1:] - b[:60, 1:], axis=1).mean()
    assert error("matrix_plain_no_c0", level_free) < tight
    assert error("matrix_fastdtw_all", distances.cepstral_distance(a, b, mode="dtw")) < tight
    cost, _ = alignment.exact_path(a[:, 1:], b[:, 1:])
    assert error("matrix_exact_dtw_cost_no_c0", cost) < tight


@pytest.mark.parametrize("mode", ["plain", "dtw", "dtw_sl"])
def test_distortion_of_waveforms_equals_the_reference(mode):
    pytest.importorskip("pyworld", reason="pyworld is not installed")
    figures = [
        distances.mel_cepstral_distortion(CASE.input(x), CASE.input(y), RATE, mode=mode)
        for x, y in PAIRS
    ]
    assert error(f"mcd_{mode}", figures) < CASE.tolerance


def test_world_envelope_equals_the_reference():
    pytest.importorskip("pyworld", reason="pyworld is not installed")
    envelope = distances.world_envelope(stored("b"))
    assert CASE.error("envelope_b", torch.from_numpy(envelope[::20])) < CASE.tolerance
    for name in ("a", "b", "a_short"):
        cepstrum = distances.mel_cepstrum(distances.world_envelope(stored(name)))
        assert CASE.error(f"mcep_{name}", torch.from_numpy(cepstrum)) < CASE.tolerance


def test_without_pyworld_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyworld", None)
    with pytest.raises(FoleyError, match="pip install"):
        distances.mel_cepstral_distortion(torch.zeros(1, RATE), torch.zeros(1, RATE), RATE)
    assert distances.mcd_distances() == ()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 9), (7, 3), (40, 41), (41, 64)])
def test_paths_go_from_corner_to_corner_in_single_steps(shape):
    rng = np.random.default_rng(shape)
    first, second = rng.standard_normal((shape[0], 3)), rng.standard_normal((shape[1], 3))
    best, _ = alignment.exact_path(first, second)
    for find in (alignment.exact_path, alignment.fast_path):
        cost, path = find(first, second)
        assert path[0].tolist() == [0, 0] and path[-1].tolist() == [shape[0] - 1, shape[1] - 1]
        steps = np.diff(path, axis=0)
        assert np.isin(steps, (0, 1)).all() and (steps.sum(1) > 0).all()
        on_path = np.linalg.norm(first[path[:, 0]] - second[path[:, 1]], axis=1).sum()
        assert cost == pytest.approx(on_path) and cost >= best - 1e-9


CLOCK = torch.arange(RATE) / RATE


def ping(pitch=900, ring=0.05):
    return torch.sin(2 * np.pi * pitch * CLOCK) * torch.exp(-CLOCK / ring)


def noise(seconds=1.0):
    return 0.1 * torch.randn(1, int(RATE * seconds), generator=torch.Generator().manual_seed(0))


def test_mfcc_distance_orders_sounds_as_listeners_do():
    sound = ping(ring=0.1)
    others = sound, ping(950, 0.12), noise()[0]
    for mode in ("plain", "dtw", "dtw_sl"):
        same, close, far = (distances.mfcc_distance(sound, x, RATE, mode=mode) for x in others)
        assert same == 0.0 and 0 < close < far / 3


def test_warped_distance_forgives_a_delay():
    late = torch.cat([torch.zeros(RATE // 10), ping()])[:RATE]
    plain = distances.mfcc_distance(ping(), late, RATE)
    assert distances.mfcc_distance(ping(), late, RATE, mode="dtw") < 0.7 * plain


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


@pytest.mark.parametrize("n_samples", [1, 64, 3000])
@pytest.mark.parametrize("mode", ["plain", "dtw", "dtw_sl"])
def test_silence_and_very_short_sounds_give_a_number(n_samples, mode):
    silence, tick = torch.zeros(1, n_samples), torch.full((1, n_samples), 0.3)
    assert np.isfinite(distances.mfcc_distance(silence, tick, RATE, mode=mode))
    pytest.importorskip("pyworld", reason="pyworld is not installed")
    assert np.isfinite(distances.mel_cepstral_distortion(silence, tick, RATE, mode=mode))


@pytest.mark.parametrize("distance", [distances.mfcc_distance, distances.log_mel_distance])
def test_an_empty_sound_is_refused(distance):
    with pytest.raises(FoleyError, match="empty"):
        distance(torch.zeros(1, 0), torch.zeros(1, 10), RATE)
