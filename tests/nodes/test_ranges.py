"""The text of a drawn range, and what a node shows for one to be drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media import read_audio

RATE = 22050


@pytest.fixture
def ranges(weights):
    from foleystage.nodes import ranges

    return ranges


def blows(rate: int = RATE, channels: int = 1) -> torch.Tensor:
    """A blow at 0.5 s of 2 s, [C, T]."""
    sound = torch.zeros(channels, 2 * rate)
    decay = torch.exp(-torch.arange(rate) / (0.05 * rate))
    noise = torch.randn(channels, rate, generator=torch.Generator().manual_seed(0))
    sound[:, rate // 2 : rate // 2 + rate] = (0.3 * decay * noise).clamp(-1, 1)
    return sound


def path_of(file) -> Path:
    import folder_paths

    return Path(folder_paths.get_temp_directory(), file["subfolder"], file["filename"])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", None),
        ("  \n", None),
        ('{"start": 1.25, "stop": 2.5}', (1.25, 2.5)),
        ('{"stop":3,"start":0}', (0.0, 3.0)),
    ],
)
def test_a_text_is_a_range_in_seconds(ranges, written, value):
    assert ranges.range_of(written) == value


@pytest.mark.parametrize(
    "written", ["1.2 to 3", "[1, 2]", "7", "null", '{"start": 1}', '{"start": "a", "stop": 2}']
)
def test_another_text_is_refused_with_an_example(ranges, written):
    with pytest.raises(FoleyError, match='must be like {"start": 1.25, "stop": 2.5}'):
        ranges.range_of(written)


@pytest.mark.parametrize(
    "edges", ["3, 2", "2, 2", "-1, 2", "NaN, 2", "1, NaN", "1, Infinity", "1, 1e999"]
)
def test_a_range_that_cannot_be_is_refused(ranges, edges):
    start, stop = edges.split(", ")
    with pytest.raises(FoleyError, match="must begin at 0 s or later and end after it begins"):
        ranges.range_of(f'{{"start": {start}, "stop": {stop}}}')


def test_the_input_is_a_marked_text(ranges):
    text = ranges.drawn_range("A part.")
    assert text.id == "range" and text.get_io_type() == "STRING"
    options = text.as_dict()
    assert options["foley_range"] == {"when": {}}
    assert (options["default"], options["tooltip"]) == ("", "A part.")
    told = ranges.drawn_range("A part.", when={"task": ["edit"]}).as_dict()
    assert told["foley_range"] == {"when": {"task": ["edit"]}}
    assert "foley_range" not in ranges.io.String.Input("other").as_dict()


@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_shown_is_the_sound_itself(ranges, channels):
    sound = blows(channels=channels)
    (shown,) = ranges.range_preview(sound, RATE)["foley_range"]
    assert sorted(shown) == ["audio", "onsets", "peaks", "seconds"]
    assert len(shown["peaks"]) == 2000 and shown["seconds"] == 2.0
    assert shown["onsets"] == pytest.approx([0.5], abs=0.002)
    heard, rate = read_audio(path_of(shown["audio"]))
    assert rate == RATE and heard.shape == sound.shape
    assert (heard - sound).abs().max() < 2**-14


def test_its_length_is_never_more_than_there_is(ranges):
    (shown,) = ranges.range_preview(torch.zeros(1, 1001), 44100)["foley_range"]
    assert shown["seconds"] == 0.022 <= 1001 / 44100


def test_the_same_sound_is_written_once_and_again_when_its_file_is_gone(ranges):
    def audio(sound, rate=RATE, **more):
        return ranges.range_preview(sound, rate, **more)["foley_range"][0]["audio"]

    first = audio(blows())
    picture = {"filename": "a.mp4", "subfolder": "", "type": "temp"}
    assert audio(blows(), picture=picture) == first
    assert audio(blows() * 0.5) != first and audio(blows(), rate=16000) != first
    path_of(first).unlink()
    again = audio(blows())
    assert again != first and path_of(again).is_file()


def test_the_picture_is_named_where_there_is_one(ranges):
    picture = {"filename": "a.mp4", "subfolder": "foleystage", "type": "temp"}
    (shown,) = ranges.range_preview(blows(), RATE, picture)["foley_range"]
    assert shown["picture"] == picture
    assert "picture" not in ranges.range_preview(blows(), RATE)["foley_range"][0]


def test_what_is_remembered_has_an_end(ranges):
    for value in range(40):
        ranges.range_preview(torch.full((1, 100), value / 100), RATE)
    assert len(ranges._MADE) <= 16
