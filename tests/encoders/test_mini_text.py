"""The small vocabulary: what is understood, and what is said not to be."""

from __future__ import annotations

import pytest
from foleystage.core.encoders.mini_text import MiniTextEncoder
from foleystage.core.training.prompts import (
    sample_prompt,
    vocabulary,
    vocabulary_with_adverbs,
)


@pytest.fixture(scope="module")
def encoder():
    return MiniTextEncoder(vocabulary())


@pytest.mark.parametrize(
    ("prompt", "known"),
    [
        ("metal hit", ("metal", "hit")),
        ("A hammer HITS the Metal!", ("hammer", "hit", "metal")),
        ("hammering", ("hammer",)),
        ("woden knock", ("wooden", "knock")),
        ("footstep on gravel", ("footsteps", "gravel")),
        ("", ()),
        ("金属を叩く音", ()),
    ],
)
def test_words_are_read_by_their_meaning(encoder, prompt, known):
    assert encoder.read(prompt).known == known


@pytest.mark.parametrize(
    ("prompt", "known"),
    [
        ("a distant wooden knock", ("distant", "wooden", "knock")),
        ("loudly struck metal", ("loud", "struck", "metal")),
        ("gently tapped, softly fading", ("gentle", "tap", "soft", "fading")),
    ],
)
def test_words_for_the_manner_are_read_as_adverbs_too(prompt, known):
    assert MiniTextEncoder(vocabulary_with_adverbs()).read(prompt).known == known


def test_unknown_words_are_named(encoder):
    assert encoder.read("metal xylomarimbaphone").unknown == ("xylomarimbaphone",)
    assert encoder.read("the sound of metal").unknown == ()


def test_a_very_long_prompt_is_cut_and_still_read(encoder):
    reading = encoder.read("metal wood glass stone water snow paper drum bell " * 200)
    assert len(reading.known) == 8


def test_features_have_one_row_a_token_and_pads(encoder):
    features = encoder.encode(["metal hit", ""])
    assert features.shape == (2, 8, 64)
    assert bool((features[0, 2] == features[1, 0]).all())


def test_every_prompt_of_the_training_is_fully_known(encoder):
    import numpy as np

    rng = np.random.default_rng(0)
    for _ in range(300):
        kind, material = (
            rng.choice(["hammer", "swish", "tap"]),
            rng.choice(["metal", "snow", "air"]),
        )
        reading = encoder.read(sample_prompt(rng, str(kind), str(material)))
        assert reading.known and not reading.unknown
