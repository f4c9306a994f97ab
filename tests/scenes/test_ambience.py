"""Sounds that go on: even, of their level, and made of a seed."""

from __future__ import annotations

import numpy as np
import pytest
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.scenes.ambience import AMBIENCES, render_ambience
from foleystage.core.scenes.pairs import REFERENCE_SECONDS, ambient_sound
from foleystage.core.training.clips import targets_of
from foleystage.core.training.prompts import SOUNDS, WORDS, sample_prompt, vocabulary

RATE = 32000


def render(kind: str, seed: int = 0, strength: float = 0.8) -> np.ndarray:
    return render_ambience(kind, strength, 4.0, RATE, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", AMBIENCES)
def test_it_goes_on_at_its_level_and_hits_nothing(kind):
    sound = render(kind)
    assert sound.shape == (4 * RATE,) and np.abs(sound).max() <= 1
    assert np.array_equal(sound, render(kind)) and not np.array_equal(sound, render(kind, 1))
    seconds = sound.reshape(8, -1)
    levels = 10 * np.log10((seconds**2).mean(1))
    assert np.ptp(levels) < 9
    softer = render(kind, strength=0.3)
    assert 20 * np.log10(sound.std() / softer.std()) == pytest.approx(12, abs=0.1)
    assert np.mean([len(detect_onsets(render(kind, seed), RATE)) for seed in range(4)]) < 6


def test_kinds_differ_in_what_they_are_made_of():
    def centre(kind: str) -> float:
        power = np.mean([np.abs(np.fft.rfft(render(kind, seed))) ** 2 for seed in range(6)], 0)
        return float((power * np.fft.rfftfreq(4 * RATE, 1 / RATE)).sum() / power.sum())

    wind, stream, engine = map(centre, ("wind", "stream", "engine"))
    assert engine < stream and wind < stream and stream > 1200


def test_a_seed_has_an_event_a_sound_and_a_reference():
    kind, event, sound, reference = ambient_sound(5, 4.0, RATE)
    assert kind in AMBIENCES and event.time == 0 and event.duration == 4.0
    assert len(sound) == 4 * RATE and len(reference) == round(REFERENCE_SECONDS * RATE)
    targets = targets_of((event,), 4.0, 50.0)
    assert (targets[:, 2] == np.float32(event.strength)).all() and not targets[:, :2].any()


def test_words_name_what_goes_on_and_no_hit():
    rng, words = np.random.default_rng(0), set(vocabulary(ambient=True))
    said = {
        kind: " ".join(sample_prompt(rng, "ambience", kind) for _ in range(60))
        for kind in AMBIENCES
    }
    for kind in AMBIENCES:
        spoken = set(said[kind].split())
        assert spoken <= words and not spoken & {"hit", "impact", "struck", "contact"}
        assert spoken & set(WORDS[kind])
    assert set(vocabulary()) < words and set(SOUNDS) == set(WORDS)
