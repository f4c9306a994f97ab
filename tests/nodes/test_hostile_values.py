"""Values that no widget allows, over wires: each ends in a result or in one sentence."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from comfy_api.latest import InputImpl, Types
from foleystage.core.errors import FoleyError
from foleystage.nodes.decode import EncodeAudio
from foleystage.nodes.mux import Mix, Mux
from foleystage.nodes.notices import harmless
from foleystage.nodes.ranges import range_of

RATE = 16000
SOUND = {"waveform": 0.1 * torch.ones(1, 1, RATE), "sample_rate": RATE}
FRAMES = torch.zeros(10, 16, 16, 3)
MIX = {
    "foley": SOUND,
    "original": SOUND,
    "foley_db": 0.0,
    "original_db": 0.0,
    "duck_db": 0.0,
    "start": 0.0,
    "normalize": False,
    "loudness": -16.0,
}
NOT_NUMBERS = [math.nan, math.inf, -math.inf, 1e300, "loud", None, True, [1], 10**400, -1e9]


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=str)
@pytest.mark.parametrize("name", ["foley_db", "original_db", "duck_db", "start", "loudness"])
def test_figures_outside_of_their_widget_are_refused(name, value):
    if value is None:
        pytest.skip("nothing comes over a wire that is not there")
    with pytest.raises(FoleyError, match=f"{name} must be"):
        Mix.execute(**{**MIX, name: value})


@pytest.mark.parametrize("value", [1, 0.0, "yes", torch.ones(1)], ids=str)
def test_a_switch_is_on_or_off(value):
    with pytest.raises(FoleyError, match="normalize must be on or off"):
        Mix.execute(**{**MIX, "normalize": value})


def test_whole_numbers_may_come_as_figures(weights, call):
    model = call("LoadModel", name="ac_foley_mini")[0]
    assert len(call("EmptyLatent", model=model, takes=2.0)[0]["samples"]) == 2
    with pytest.raises(FoleyError, match="takes must be a whole number"):
        call("EmptyLatent", model=model, takes=1.5)


HOSTILE_SOUNDS = {
    "text": ("a sound", "AUDIO"),
    "empty dictionary": ({}, "no AUDIO"),
    "list for samples": ({"waveform": [0.0], "sample_rate": RATE}, "no AUDIO"),
    "bool": ({"waveform": torch.ones(1, 1, 9, dtype=torch.bool), "sample_rate": RATE}, "no AUDIO"),
    "complex": ({"waveform": torch.ones(1, 1, 9) * 1j, "sample_rate": RATE}, "no AUDIO"),
    "no samples": ({"waveform": torch.ones(1, 1, 0), "sample_rate": RATE}, "no samples"),
    "four dimensions": ({"waveform": torch.ones(1, 1, 1, 9), "sample_rate": RATE}, "no samples"),
    "no rate": ({"waveform": torch.ones(1, 1, 9)}, "sample rate"),
    "text for rate": ({"waveform": torch.ones(1, 1, 9), "sample_rate": "x"}, "sample rate"),
    "rate of 1 Hz": ({"waveform": torch.ones(1, 1, 9), "sample_rate": 1}, "sample rate of 1 Hz"),
    "rate of 2^40": ({"waveform": torch.ones(1, 1, 9), "sample_rate": 2**40}, "sample rate"),
    "rate of NaN": ({"waveform": torch.ones(1, 1, 9), "sample_rate": math.nan}, "sample rate"),
    "1e30": ({"waveform": torch.full((1, 1, 9), 1e30), "sample_rate": RATE}, "values up to 1e"),
    "NaN": ({"waveform": torch.full((1, 1, 9), math.nan), "sample_rate": RATE}, "NaN"),
    "float64 beyond": (
        {"waveform": torch.full((1, 1, 9), 1e300, dtype=torch.float64), "sample_rate": RATE},
        "NaN or infinite",
    ),
}


@pytest.mark.parametrize("name", HOSTILE_SOUNDS)
def test_what_is_no_sound_is_refused(name):
    value, sentence = HOSTILE_SOUNDS[name]
    with pytest.raises(FoleyError, match=sentence):
        Mix.execute(**{**MIX, "foley": value})
    with pytest.raises(FoleyError, match=sentence):
        Mux.execute(video=FRAMES, audio=value, start=0.0, fps=25.0)


HOSTILE_PICTURES = {
    "text": ("a video", 25.0, "VIDEO or IMAGE"),
    "no height": (torch.zeros(10, 0, 16, 3), 25.0, "frame and pixel"),
    "no frames": (torch.zeros(0, 16, 16, 3), 25.0, "one frame|frame and pixel"),
    "no channels": (torch.zeros(10, 16, 16), 25.0, "frames, height, width"),
    "fps of 0": (FRAMES, 0.0, "frames a second"),
    "fps of NaN": (FRAMES, math.nan, "fps must be"),
    "fps of a million": (FRAMES, 1e6, "fps must be"),
    "a frame in 1,000,000 s": (
        InputImpl.VideoFromComponents(
            Types.VideoComponents(images=FRAMES, audio=None, frame_rate=Fraction(1, 1_000_000))
        ),
        25.0,
        "rate of 0.1 to 1000",
    ),
    "NaN": (torch.full((10, 16, 16, 3), math.nan), 25.0, "NaN"),
}


@pytest.mark.parametrize("name", HOSTILE_PICTURES)
def test_what_is_no_video_is_refused(name):
    video, fps, sentence = HOSTILE_PICTURES[name]
    with pytest.raises(FoleyError, match=sentence):
        Mux.execute(video=video, audio=SOUND, start=0.0, fps=fps)


@pytest.mark.parametrize("shape", [(1, 0, 0), (16,), (), (0, 16, 16)], ids=str)
def test_a_mask_without_a_picture_is_refused(shape, weights, call):
    encoder = call("LoadVideoEncoder", name="mini_video_encoder")[0]
    with pytest.raises(FoleyError, match="mask"):
        call("EncodeVideo", video_encoder=encoder, video=FRAMES, mask=torch.ones(shape))


def test_a_wire_of_another_kind_is_refused():
    with pytest.raises(FoleyError, match="codec must be FOLEY_CODEC, not 'mine'"):
        EncodeAudio.execute(audio=SOUND, codec="mine", regenerate_from=0.0, regenerate_to=0.0)


RANGES = ["[" * 50_000, "{", "[]", '{"start": 1e999, "stop": 2}', '{"start": {}}', "nan", "\0"]


@pytest.mark.parametrize("value", RANGES, ids=range(len(RANGES)))
def test_a_range_that_is_none_is_refused(value):
    with pytest.raises(FoleyError, match="range"):
        range_of(value)


def test_a_choice_over_a_wire_must_be_in_the_list():
    with pytest.raises(FoleyError, match="no picture 'av1' here"):
        Mux.execute(video=FRAMES, audio=SOUND, start=0.0, fps=25.0, picture="av1")


def test_a_mix_that_starts_in_a_day_is_refused():
    with pytest.raises(FoleyError, match="too long"):
        Mix.execute(**{**MIX, "start": 86_400.0})


def test_texts_for_a_page_hold_no_tags():
    assert "<" not in harmless("<img src=x onerror=alert(1)>.mkv") and "\x1b" not in harmless(
        "\x1b[2J"
    )


def test_any_value_over_a_wire_is_a_result_or_one_sentence():
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis import strategies as some

    plain = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5)
    values = plain | some.lists(plain, max_size=2) | some.dictionaries(some.text(), plain)
    names = [name for name in MIX if name != "original"]

    @hypothesis.settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @hypothesis.given(some.dictionaries(some.sampled_from(names), values, max_size=3))
    def mix(changes):
        try:
            made = Mix.execute(**{**MIX, **{k: v for k, v in changes.items() if v is not None}})
        except FoleyError as error:
            assert "\n" not in str(error)
            return
        assert torch.isfinite(made[0]["waveform"]).all() and made[0]["waveform"].abs().max() < 1

    mix()
