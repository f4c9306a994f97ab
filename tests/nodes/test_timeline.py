"""What Foley Timeline shows of a video and a take, and the cue sheet that it hands on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from comfy_api.latest import InputImpl
from foleystage.core.cues import CueSheet, Hit, Prompt, parse_cues
from foleystage.core.encoders.foley_mini import sync_from_events
from foleystage.core.encoders.mini_video import bumps
from foleystage.core.errors import FoleyError
from foleystage.core.media import read_audio
from PIL import Image

RATE = 16000
SHEET = CueSheet(
    2.0, prompts=(Prompt(0.5, 1.0, "glass"),), hits=(Hit(0.3, 0.5), Hit(1.2, removed=True))
)


@pytest.fixture
def run(nodes, weights):
    """Runs the node as it is without a graph; its sheet, and what it shows."""
    made = (nodes["FoleyStageTimeline"],)
    node = type("Timeline", made, {"hidden": SimpleNamespace(unique_id=None)})

    def execute(**inputs):
        out = node.execute(**{"fps": 25.0, "cues": "", **inputs})
        return parse_cues(out.result[0]), out.ui["foley_timeline"][0]

    return execute


@pytest.fixture
def video(clip):
    return InputImpl.VideoFromFile(str(clip))


@pytest.fixture
def seen():
    """seen(start): hits at 0.41 s and 1.21 s of two seconds, the first one twice as hard."""
    from foleystage.nodes.values import EncodedFeatures

    def make(start: float = 0.0):
        events = bumps([0.41, 1.21], [0.8, 0.4], 100)
        streams = {"sync": sync_from_events(events)[None]}
        return EncodedFeatures(
            "video", "mini_video_encoder", streams, start, 2.0, 2.0, events[:, 0]
        )

    return make


def path_of(file) -> Path:
    import folder_paths

    return Path(folder_paths.get_temp_directory(), file["subfolder"], file["filename"])


def test_nothing_edited_is_an_empty_sheet_of_the_video(run, video):
    sheet, shown = run(video=video)
    assert sheet == CueSheet(2.0) and shown["seconds"] == 2.0 and shown["cues"] == ""


def test_without_anything_the_sheet_goes_on_as_it_is(run):
    sheet, shown = run(cues=SHEET.to_json())
    assert sheet == SHEET
    assert shown["seconds"] is None and shown["audio"] is None and shown["film"] is None
    assert run()[0] == CueSheet()


def test_a_sheet_is_put_in_order_and_says_the_length_of_its_video(run, video):
    hits = [{"time": 1.5}, {"time": 0.25, "strength": 0.4}]
    text = json.dumps({"format": "foleystage cues", "version": 1, "seconds": 9, "hits": hits})
    sheet, _ = run(video=video, cues=text)
    assert sheet == CueSheet(2.0, hits=(Hit(0.25, 0.4), Hit(1.5)))


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("{", "it is no JSON"),
        ('{"hits": []}', "not marked"),
        ('{"format": "foleystage cues", "version": 2}', "newer FoleyStage"),
        ('{"format": "foleystage cues", "version": 1, "hits": [{}]}', "'time' is missing"),
    ],
    ids=["no JSON", "not marked", "newer", "incomplete"],
)
def test_a_text_that_is_no_sheet_is_refused(run, video, written, sentence):
    with pytest.raises(FoleyError, match=f"cue sheet cannot be read: .*{sentence}"):
        run(video=video, cues=written)


def test_the_video_is_a_filmstrip_with_its_motion(run, video):
    _, shown = run(video=video)
    frames = shown["frames"]
    with Image.open(path_of(shown["film"])) as strip:
        assert strip.format == "JPEG" and frames["count"] == 12
        assert strip.size == (frames["count"] * round(54 * frames["aspect"]), 54)
    curve = shown["curve"]
    assert curve["rate"] == 25 and len(curve["values"]) == 50
    assert max(curve["values"]) == 1 and min(curve["values"]) == 0
    assert path_of(shown["picture"]).is_file()
    assert shown["hits"] is None


def test_the_hits_that_are_seen_have_their_strength(run, video, seen):
    _, shown = run(video=video, features=seen())
    assert shown["hits"] == [[0.41, 0.8], [1.21, 0.4]]
    assert shown["curve"]["rate"] == 50 and len(shown["curve"]["values"]) == 100


def test_hits_lie_where_the_window_lies_in_the_video(run, video, seen):
    _, shown = run(video=video, features=seen(0.5))
    assert shown["hits"] == [[0.91, 0.8], [1.71, 0.4]] and shown["curve"]["start"] == 0.5
    _, shown = run(features=seen(0.5))
    assert shown["seconds"] == 2.5 and shown["film"] is None


def test_a_take_is_heard_from_where_its_features_begin(run, video, seen):
    sound = 0.5 * torch.ones(1, 1, 2 * RATE)
    audio = {"waveform": sound, "sample_rate": RATE}
    _, shown = run(video=video, features=seen(0.5), audio=audio)
    heard, rate = read_audio(path_of(shown["audio"]))
    assert rate == RATE and heard.shape == (1, 2 * RATE)
    first = RATE // 2
    assert not heard[:, :first].any() and heard[:, first:].min() == pytest.approx(0.5, abs=1e-3)
    assert shown["peaks"][400] == [0, 0] and shown["peaks"][-1] == [0.5, 0.5]


def test_without_a_take_there_is_silence_to_play_the_picture_by(run, video):
    _, shown = run(video=video)
    heard, _ = read_audio(path_of(shown["audio"]))
    assert shown["peaks"] is None and not heard.any()


def test_an_image_batch_is_shown_at_its_rate(run):
    greys = (torch.arange(30) / 30)[:, None, None, None].expand(30, 32, 48, 3)
    sheet, shown = run(video=greys.contiguous(), fps=10.0)
    assert sheet.seconds == 3.0 and shown["frames"]["count"] == 12
    assert shown["frames"]["aspect"] == 1.5


def test_another_edit_makes_nothing_anew(run, video):
    first, second = (run(video=video, cues=cues)[1] for cues in ("", SHEET.to_json()))
    assert all(first[name] == second[name] for name in ("film", "picture", "audio"))
    path_of(first["film"]).unlink()
    assert path_of(run(video=video)[1]["film"]).is_file()


def test_a_long_curve_is_sent_short(run, seen):
    from dataclasses import replace

    events = bumps([300.03], [1.0], 50 * 600)
    streams = {"sync": sync_from_events(events)[None]}
    long = replace(seen(), seconds=600.0, padded=600.0, chance=events[:, 0], streams=streams)
    _, shown = run(features=long)
    curve = shown["curve"]
    assert len(curve["values"]) == 6000 and curve["rate"] == 10
    assert curve["values"].index(1) == 3000 and shown["hits"] == [[300.03, 1.0]]
