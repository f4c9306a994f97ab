"""The millisecond onset detector, on sounds whose true times are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.onsets.matching import match_onsets, pool
from foleystage.core.scenes.events import Event
from foleystage.core.scenes.materials import (
    IMPACT_MATERIALS,
    MATERIALS,
    sample_instrument,
)
from foleystage.core.scenes.sound import render_sound

RATE = 22050


def decaying_hits(times, *, ring=0.05, pitch=900.0, rate=RATE, seconds=3.0):
    clock = np.arange(round(seconds * rate)) / rate
    sound = 1e-3 * np.random.default_rng(5).standard_normal(len(clock))
    for time in times:
        since = np.maximum(clock - time, 0)
        sound += 0.5 * (clock >= time) * np.exp(-since / ring) * np.sin(2 * np.pi * pitch * since)
    return sound


def blows(material, seed, *, softest=0.3, seconds=6.0):
    """True times, and the sound, of blows of all strengths at least 0.16 s apart."""
    rng = np.random.default_rng([seed, MATERIALS.index(material)])
    instrument = sample_instrument(material, rng)
    times = 0.1 + np.cumsum(np.maximum(0.16, 0.4 * rng.lognormal(0, 0.5, 40)))
    times = times[times < seconds - 0.05]
    events = [Event(float(t), float(rng.uniform(softest, 1.0))) for t in times]
    return times, render_sound(events, instrument, seconds, RATE, rng)


@pytest.mark.parametrize("ring", [0.005, 0.05, 0.5])
@pytest.mark.parametrize("rate", [16000, 22050, 44100])
def test_a_hit_is_found_within_two_milliseconds(ring, rate):
    times = [0.3, 0.9, 1.1, 2.2]
    found = detect_onsets(decaying_hits(times, ring=ring, rate=rate), rate)
    assert found == pytest.approx(times, abs=0.002)


@pytest.mark.slow
def test_blows_of_every_material_are_found_without_bias():
    matchings = {}
    for material in IMPACT_MATERIALS:
        pairs = [blows(material, seed) for seed in range(3)]
        matchings[material] = pool(match_onsets(detect_onsets(x, RATE), t) for t, x in pairs)
    everything = pool(matchings.values())
    assert everything.f1 >= 0.97
    assert abs(everything.offsets_ms.mean()) < 1.0
    assert everything.median_absolute_offset_ms < 1.0
    for material, result in matchings.items():
        assert result.f1 >= 0.8, material
        assert abs(result.median_offset_ms) < 3.0, material


@pytest.mark.parametrize("material", ["gravel", "paper", "snow"])
def test_a_burst_of_grains_is_one_onset(material):
    for seed in range(3):
        instrument = sample_instrument(material, np.random.default_rng(seed))
        events = [Event(0.5, 0.9), Event(1.5, 0.9)]
        sound = render_sound(events, instrument, 2.5, RATE, np.random.default_rng(seed))
        assert detect_onsets(sound, RATE) == pytest.approx([0.5, 1.5], abs=0.01)


@pytest.mark.parametrize("level", [1e-4, 1e-2, 0.3])
def test_steady_noise_and_silence_have_no_onset(level):
    noise = level * np.random.default_rng(3).standard_normal(4 * RATE)
    assert len(detect_onsets(noise, RATE)) == 0
    assert len(detect_onsets(np.zeros(RATE), RATE)) == 0


def test_loudness_and_channels_do_not_matter():
    sound = decaying_hits([0.5, 1.0])
    stereo = torch.from_numpy(np.stack([sound, sound])).float()
    assert detect_onsets(stereo * 0.05, RATE) == pytest.approx([0.5, 1.0], abs=0.002)


def test_hits_closer_than_the_merge_time_are_one():
    assert len(detect_onsets(decaying_hits([0.5, 0.54]), RATE)) == 1
    assert len(detect_onsets(decaying_hits([0.5, 0.62]), RATE)) == 2


@pytest.mark.parametrize("n_samples", [0, 1, 100, 512, 600])
def test_clips_too_short_for_an_onset_have_none(n_samples):
    assert len(detect_onsets(torch.zeros(1, n_samples), RATE)) == 0


def test_nan_is_refused():
    with pytest.raises(AssertionError, match="NaN"):
        detect_onsets(torch.full((1, RATE), float("nan")), RATE)
