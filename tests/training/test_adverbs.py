"""Captions: which words say how a sound is, and what they become."""

from __future__ import annotations

import numpy as np
import pytest
from foleystage.core.training.adverbs import (
    LISTS,
    MOST_WORDS,
    ORIGINAL,
    RULES,
    find_manners,
    operations_of,
    write_caption,
)

SPEED_OF_FAST = ("very_fast", "medium_from_fast")
SPEED_OF_SLOW = ("medium_from_slow", "very_slow")
DISTANCE = ("far", "very_far")
VOLUME = ("crescendo", "decrescendo")


def made(caption: str, operation: str, seed: int = 0) -> str:
    return write_caption(caption, operation, np.random.default_rng(seed))


@pytest.mark.parametrize("name", LISTS)
def test_every_word_of_a_list_is_found_in_any_case_and_alone(name):
    for word in LISTS[name]:
        assert name in find_manners(f"A {word.upper()}, strange noise"), word
        assert not find_manners(f"A x{word}x noise") and not find_manners(f"A {word}-x noise")


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A fast, loud car", {"fast", "loud"}),
        ("breakfast and a loudspeaker", set()),
        ("The faster car is the slowest", set()),
        ("Not loud, not very fast", set()),
        ("Music that isn't loud", set()),
        ("As fast as a car", set()),
        ("Close the door", set()),
        ("Doors open and close", set()),
        ("A close and loud bang", {"near", "loud"}),
        ("Bees buzz close by", {"near"}),
        ("Cars slow down", set()),
        ("A slow drip", {"slow"}),
        ("", set()),
    ],
)
def test_words_are_found_where_they_say_it(caption, expected):
    assert find_manners(caption) == expected


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A quick knock", (ORIGINAL, *SPEED_OF_FAST)),
        ("A slow knock", (ORIGINAL, *SPEED_OF_SLOW)),
        ("A knock up close", (ORIGINAL, *DISTANCE)),
        ("A loud knock", (ORIGINAL, *DISTANCE, *VOLUME)),
        ("A soft knock", (ORIGINAL,)),
        ("A distant knock", (ORIGINAL,)),
        ("A loud, distant knock", (ORIGINAL, *VOLUME)),
        ("A loud knock, then a quiet one", (ORIGINAL, *DISTANCE)),
        ("A fast, then a slow knock", (ORIGINAL,)),
        ("A knock", ()),
    ],
)
def test_operations_follow_from_the_words(caption, expected):
    assert operations_of(caption) == expected


def test_axes_that_are_not_asked_for_are_left_alone():
    assert operations_of("A loud, fast knock", ["speed"]) == (ORIGINAL, *SPEED_OF_FAST)
    assert operations_of("A loud, fast knock", ["volume"]) == (ORIGINAL, *VOLUME)
    assert operations_of("A quiet knock", ["speed", "distance"]) == ()


@pytest.mark.parametrize(
    ("caption", "operation", "expected"),
    [
        ("A fast car passes.", "very_fast", "A very fast car passes."),
        ("A very fast car passes.", "very_fast", "An extremely fast car passes."),
        ("Quickly typing", "very_fast", "Very quickly typing"),
        ("An unhurried walk", "very_slow", "A very unhurried walk"),
        ("A fast car passes.", "medium_from_fast", "A medium-paced car passes."),
        ("A dog barks quickly", "medium_from_fast", "A dog barks at a medium pace"),
        ("A man quickly types.", "medium_from_fast", "A man types, at a medium pace."),
        (
            "Quickly and loudly typing",
            "medium_from_fast",
            "Steadily and loudly typing, at a medium pace",
        ),
        ("Fast typing", "medium_from_fast", "Typing, at a medium pace"),
        ("Knocks at a slow pace", "medium_from_slow", "Knocks at a medium pace"),
        ("A slow, even drip", "medium_from_slow", "A medium-paced, even drip"),
        ("Thunder up close", "far", "Thunder far away"),
        ("Thunder up close", "very_far", "Thunder very far away"),
        ("A close crash", "far", "A distant crash"),
        ("A bark very close to the microphone", "far", "A bark far from the microphone"),
        ("Rain close by.", "very_far", "Rain very far away."),
        ("A siren blares loudly", "crescendo", "A siren blares louder and louder"),
        ("The music is loud.", "decrescendo", "The music is quieter and quieter."),
    ],
)
def test_words_are_replaced_so_that_the_sentence_stays_one(caption, operation, expected):
    assert made(caption, operation) == expected


@pytest.mark.parametrize("operation", [*DISTANCE, *VOLUME])
def test_a_phrase_is_added_where_no_word_can_be_replaced(operation):
    captions = {made("A loud siren wails.", operation, seed) for seed in range(20)}
    assert captions == {f"A loud siren wails, {p}." for p in RULES[operation].phrases}
    assert len(captions) > 1


@pytest.mark.parametrize(
    ("operation", "lost"),
    [
        ("medium_from_fast", "fast"),
        ("medium_from_slow", "slow"),
    ],
)
def test_the_old_speed_is_said_no_longer(operation, lost):
    for word in LISTS[lost]:
        for frame in ("A {} knock on wood", "Somebody knocks {}", "{} knocking", "It {} moves, {}"):
            text = frame.format(*[word] * frame.count("{}"))
            assert not find_manners(made(text, operation)), text


@pytest.mark.parametrize("operation", RULES)
def test_long_captions_are_cut_to_thirty_words_and_still_say_it(operation):
    base = {"very_slow": "slow", "medium_from_slow": "slow"}.get(operation, "loud and fast")
    for caption in (
        f"A {base} knock " + "on a door " * 12 + "today.",
        "Somebody knocks " + "on a door " * 12 + f"in a {base} way.",
    ):
        text = made(caption, operation)
        assert len(text.split()) <= MOST_WORDS < len(caption.split())
        hints = ("very", "extremely", "medium", "distance", "far", "way off")
        hints += ("louder", "quieter", "swelling", "fading")
        assert any(hint in text for hint in hints)


def test_the_clip_as_it_is_keeps_its_caption():
    assert made("A  loud siren, close by", ORIGINAL) == "A loud siren, close by"


def test_no_template_speaks_of_how_the_sound_was_made():
    forbidden = ("reverb", "speed up", "playback", "filter", "gain", "audio", "recording", "%")
    for rule in RULES.values():
        for phrase in rule.phrases:
            assert not any(word in phrase for word in forbidden)
