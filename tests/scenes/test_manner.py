"""Words for how a sound is played move what they say, and nothing else decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from foleystage.core.evaluation.adverbs import ADVERBS, MEASURES
from foleystage.core.scenes import sample_scene
from foleystage.core.scenes.manner import WORDS, Manner, pace, sample_manner, with_course
from foleystage.core.scenes.pairs import scene_sound

RATE = 16000
AXES = {"level": "level", "clarity": "distance", "course": "course"}


@pytest.fixture(scope="module")
def scenes():
    found = [
        sample_scene(seed, "test", seconds=4.0, kinds=("hammer", "knock", "drum", "tap"))
        for seed in range(40)
    ]
    return [scene for scene in found if len(scene.events) > 3][:10]


def measured(scene, manner, measure):
    _, sound, _ = scene_sound(scene, RATE, manner)
    times = np.array([event.time for event in scene.events])
    return MEASURES[measure](sound[None], RATE, times)


@pytest.mark.parametrize("word", ADVERBS)
def test_true_sounds_obey_every_adverb_that_is_measured(word, scenes):
    measure, side = ADVERBS[word]
    manner = Manner(**{AXES[measure]: word})
    moved = [measured(s, manner, measure) - measured(s, Manner(), measure) for s in scenes]
    assert np.mean(side * np.array(moved) > 0) >= 0.9


def test_a_word_of_another_axis_does_not_move_the_level_slope(scenes):
    loud = [measured(s, Manner(level="loud"), "course") for s in scenes]
    plain = [measured(s, Manner(), "course") for s in scenes]
    np.testing.assert_allclose(loud, plain, atol=1.0)


def test_a_course_keeps_the_peak_and_holds_outside_of_its_span():
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, RATE * 4)
    swollen = with_course(sound, True, 1.0, 3.0, RATE)
    assert np.abs(swollen).max() == pytest.approx(np.abs(sound).max())
    gain = swollen / sound
    assert gain[: RATE - 1] == pytest.approx(gain[0]) and gain[3 * RATE :] == pytest.approx(
        gain[-1]
    )
    assert gain[-1] / gain[0] == pytest.approx(10)
    faded = with_course(sound, False, 1.0, 3.0, RATE) / sound
    assert faded[0] / faded[-1] == pytest.approx(10)


def test_pace_goes_by_hits_a_second():
    assert [pace(hits, 4.0) for hits in (0, 3, 8, 13)] == ["", "slow", "", "fast"]


def test_manners_are_drawn_on_both_sides_and_words_say_them():
    rng = np.random.default_rng(0)
    drawn = [sample_manner(rng) for _ in range(400)]
    for axis in ("level", "distance", "course"):
        sides = {getattr(manner, axis) for manner in drawn}
        assert len(sides) == 3 and "" in sides
    said = replace(Manner(), level="soft", distance="far").words(rng)
    assert said[0] in WORDS["soft"] and said[1] in WORDS["far"] and len(said) == 2
