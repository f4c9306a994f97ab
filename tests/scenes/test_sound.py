"""The sounds of synthetic scenes: exact in time, bounded, repeatable, audible, different."""

from __future__ import annotations

import numpy as np
import pytest
from foleystage.core.scenes.events import Event
from foleystage.core.scenes.materials import (
    IMPACT_MATERIALS,
    MATERIALS,
    WORDS,
    sample_instrument,
)
from foleystage.core.scenes.sound import DRY, render_sound, sample_room
from foleystage.core.scenes.synthesis import swish_speed

RATE = 32_000


def _envelope(sound: np.ndarray, window: int = 32) -> np.ndarray:
    """Energy of the last millisecond at each sample."""
    return np.convolve(sound.astype(np.float64) ** 2, np.ones(window) / window)[: len(sound)]


def test_there_are_at_least_twelve_impact_materials_and_air():
    assert len(IMPACT_MATERIALS) >= 12
    assert "air" in MATERIALS


def test_every_material_has_words_and_no_word_means_two_materials():
    words = [word for name in MATERIALS for word in WORDS[name]]
    assert all(name in WORDS[name] for name in MATERIALS)
    assert len(words) == len(set(words))


@pytest.mark.parametrize("material", IMPACT_MATERIALS)
def test_attack_lies_at_the_event(material):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        event = Event(0.5, float(rng.uniform(0.3, 1.0)))
        sound = render_sound([event], sample_instrument(material, rng), 1.0, RATE, rng, room=DRY)
        energy = _envelope(sound)
        assert energy[: RATE // 2 - 64].max(initial=0.0) < 1e-9  # nothing before the contact
        attack = np.argmax(energy > 0.1 * energy.max())
        assert abs(attack - RATE // 2) <= 0.002 * RATE + 32


@pytest.mark.parametrize("material", MATERIALS)
def test_sound_is_bounded_audible_and_the_same_for_the_same_seed(material):
    duration = 0.4 if material == "air" else 0.0
    events = [Event(0.2, 1.0, duration), Event(0.9, 0.6, duration)]

    def render() -> np.ndarray:
        rng = np.random.default_rng(7)
        return render_sound(events, sample_instrument(material, rng), 1.5, RATE, rng)

    sound = render()
    assert sound.dtype == np.float32 and sound.shape == (48_000,)
    assert np.isfinite(sound).all() and np.abs(sound).max() <= 1.0
    loudest = np.sqrt(_envelope(sound, 640).max())
    assert 0.05 < loudest < 0.5
    np.testing.assert_array_equal(sound, render())


@pytest.mark.parametrize("material", IMPACT_MATERIALS)
def test_stronger_blows_are_louder(material):
    events = [Event(0.1, 0.2), Event(3.0, 0.9)]
    rng = np.random.default_rng(3)
    sound = render_sound(events, sample_instrument(material, rng), 3.5, RATE, rng, room=DRY)
    weak, strong = sound[: RATE // 2], sound[3 * RATE :]
    assert _envelope(strong, 640).max() > 4 * _envelope(weak, 640).max()


def test_a_stronger_blow_on_the_same_object_is_brighter():
    def centroid(strength: float) -> float:
        rng = np.random.default_rng(5)
        instrument = sample_instrument("wood", rng)
        sound = render_sound([Event(0.1, strength)], instrument, 0.5, RATE, rng, room=DRY)
        power = np.abs(np.fft.rfft(sound)) ** 2
        return float((power * np.fft.rfftfreq(len(sound), 1 / RATE)).sum() / power.sum())

    assert centroid(1.0) > 1.05 * centroid(0.1)


def test_a_swish_follows_the_speed_of_the_motion():
    rng = np.random.default_rng(2)
    instrument = sample_instrument("air", rng)
    sound = render_sound([Event(0.5, 0.8, 1.0)], instrument, 2.0, RATE, rng, room=DRY)
    energy = _envelope(sound, 1600)[800:]
    wanted = swish_speed((np.arange(len(energy)) / RATE - 0.5) / 1.0) ** 3
    assert np.corrcoef(energy, wanted)[0, 1] > 0.8
    assert energy[: RATE // 2 - 1600].max() < 1e-6


def test_rooms_and_floors_stay_in_their_ranges():
    rooms = [sample_room(np.random.default_rng(seed)) for seed in range(50)]
    assert all(-75 <= room.floor_db <= -45 for room in rooms)
    assert any(room.wet_db is None for room in rooms) and any(room.wet_db for room in rooms)


def test_no_events_leave_the_noise_floor_only():
    rng = np.random.default_rng(0)
    sound = render_sound([], sample_instrument("metal", rng), 1.0, RATE, rng)
    assert 0 < np.sqrt(np.mean(sound**2)) < 10 ** (-44 / 20)
