"""The cue sheet: what it says, how it is written, and what is refused."""

from __future__ import annotations

import json

import pytest
from foleystage.core.cues import (
    CueSheet,
    Hit,
    Level,
    Mute,
    Prompt,
    TakeRange,
    gain_at,
    parse_cues,
    read_cues,
    write_cues,
)
from foleystage.core.errors import FoleyError

HEAD = {"format": "foleystage cues", "version": 1}
SHEET = CueSheet(
    8.0,
    (Prompt(4, 8, "wood hit", "music"), Prompt(0, 4, "metal hit", guidance=3.0)),
    (Hit(1.25, 0.5), Hit(0.5, material="glass"), Hit(3.0, removed=True)),
    (Mute(6, 7),),
    (TakeRange(2, 3, 4),),
    (Level(0, 0), Level(4, -6)),
)


def test_a_sheet_comes_back_as_it_was_written(tmp_path):
    write_cues(tmp_path / "cues.json", SHEET)
    assert read_cues(tmp_path / "cues.json") == SHEET == parse_cues(SHEET.to_json())


def test_no_hits_at_all_are_not_hits_as_seen():
    assert parse_cues(CueSheet(hits=()).to_json()).hits == ()
    assert parse_cues(CueSheet().to_json()).hits is None
    assert parse_cues(json.dumps({**HEAD, "hits": None})).hits is None


def test_a_part_of_a_sheet_is_told_in_seconds_of_the_take():
    part = SHEET.shifted(1.0, 5.0)
    assert [(one.start, one.end, one.prompt) for one in part.prompts] == [
        (0, 3, "metal hit"),
        (3, 5, "wood hit"),
    ]
    assert [hit.time for hit in part.hits] == [0.25, 2.0]
    assert part.takes == (TakeRange(1, 2, 4),) and part.mutes == ()
    assert part.levels == (Level(0, -1.5), Level(3, -6))
    assert CueSheet(hits=(Hit(9.0),)).shifted(0.0, 8.0).hits == ()


def test_levels_are_straight_between_points():
    assert [gain_at(SHEET.levels, t) for t in (0, 2, 4, 100)] == [0, -3, -6, -6]
    assert gain_at((), 1.0) == 0


def test_borders_and_end():
    assert SHEET.borders == (0, 4, 8) and SHEET.end == 8
    assert SHEET.prompt_at(4.0).prompt == "wood hit" and SHEET.prompt_at(9.0) is None
    SHEET.check_end(7.9)
    with pytest.raises(FoleyError, match=r"ends at 5.00 s, but the cue sheet has one of its prom"):
        SHEET.check_end(5.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], 'not marked "format"'),
        ({"format": "other", "version": 1}, 'not marked "format"'),
        ({**HEAD, "version": 2}, "version 2, made by a newer FoleyStage; update"),
        ({**HEAD, "version": True}, 'needs "version": 1'),
        ({**HEAD, "beats": []}, '"beats" is not known'),
        ({**HEAD, "hits": {}}, "'hits' must be a list"),
        ({**HEAD, "hits": [{"time": 1}, {"time": -1}]}, "number 2 of its hits: 'time' must be"),
        ({**HEAD, "hits": [{"time": 1, "strength": 2}]}, "'strength' must be a number from 0 to 1"),
        ({**HEAD, "hits": [{}]}, "'time' is missing"),
        ({**HEAD, "mutes": [{"start": 2, "end": 2}]}, "mute of the cue sheet must end after"),
        (
            {**HEAD, "prompts": [{"start": 0, "end": 2}, {"start": 1, "end": 3}]},
            "Two prompts of the cue sheet overlap, from 0 to 2 s and from 1 to 3 s",
        ),
        (
            {
                **HEAD,
                "takes": [{"start": 0, "end": 2, "take": 1}, {"start": 1, "end": 3, "take": 2}],
            },
            "Two ranges of takes of the cue sheet overlap",
        ),
        ({**HEAD, "levels": [{"time": 1, "gain": 0}, {"time": 1, "gain": 3}]}, "two levels at 1 s"),
    ],
)
def test_what_is_no_sheet_is_refused_in_one_sentence(values, message):
    with pytest.raises(FoleyError) as caught:
        parse_cues(json.dumps(values))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", '{"format": NaN}', "[" * 100_000, "\ud800"])
def test_what_is_no_json_is_refused(text, tmp_path):
    with pytest.raises(FoleyError, match="cannot be read"):
        parse_cues(text)
    (tmp_path / "cues.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(FoleyError, match="cannot be read as a cue sheet"):
        read_cues(tmp_path / "cues.json")


def test_a_sheet_that_is_not_there(tmp_path):
    with pytest.raises(FoleyError, match="There is no cue sheet"):
        read_cues(tmp_path / "none.json")


@pytest.mark.parametrize(
    "name", ["../bell.wav", "/etc/passwd", "c:bell.wav", "a/../../bell.wav", "\\\\host\\bell.wav"]
)
def test_a_sheet_opens_no_file_elsewhere(name, tmp_path):
    write_cues(tmp_path / "cues.json", CueSheet(hits=(Hit(1.0, reference=name),)))
    with pytest.raises(FoleyError, match="does not lie beside it"):
        read_cues(tmp_path / "cues.json")


def test_sounds_lie_beside_the_sheet(tmp_path):
    sheet = CueSheet(prompts=(Prompt(0, 1, reference="sounds/bell.wav"),))
    write_cues(tmp_path / "cues.json", sheet)
    with pytest.raises(FoleyError, match="which is not there"):
        read_cues(tmp_path / "cues.json")
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "bell.wav").write_bytes(b"x")
    read = read_cues(tmp_path / "cues.json")
    assert read.references == (str(tmp_path / "sounds" / "bell.wav"),)
