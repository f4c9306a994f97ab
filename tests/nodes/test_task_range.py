"""Foley Task as the node that a range is drawn on: what it shows, and when."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media import probe, read_audio

RATE = 44100
OWN = 0.2 * torch.randn(2, 2 * RATE, generator=torch.Generator().manual_seed(0))
AUDIO = {"waveform": OWN[None], "sample_rate": RATE}
RANGE = json.dumps({"start": 0.5, "stop": 1.25})


class FakeServer:
    """Keeps what a client is told."""

    def __init__(self, client_id):
        self.client_id = client_id
        self.told = []

    def send_sync(self, event, data, sid):
        self.told.append((event, data, sid))


@pytest.fixture
def tell(monkeypatch):
    """tell(client_id): the server that the node speaks to."""

    def set_up(client_id="page"):
        server = FakeServer(client_id)
        module = SimpleNamespace(PromptServer=SimpleNamespace(instance=server))
        monkeypatch.setitem(sys.modules, "server", module)
        return server

    return set_up


@pytest.fixture(scope="module")
def parts(call, clip):
    from comfy_api.latest import InputImpl
    from foleystage.core.catalog import SYSTEMS

    row = SYSTEMS["foleygenex_mini"]
    encoder = call("LoadVideoEncoder", name=row.video)[0]
    video = InputImpl.VideoFromFile(str(clip))
    words = call("LoadTextEncoder", name=row.text)[0]
    return {
        "model": call("LoadModel", name=row.name, weight_dtype="float32")[0],
        "codec": call("LoadCodec", name=row.codec)[0],
        "video": call("EncodeVideo", video_encoder=encoder, video=video)[0],
        "text": call("EncodeText", text_encoder=words, prompt="metal hit")[0],
    }


@pytest.fixture
def run(nodes, parts):
    """run(task, **inputs): all that Foley Task gives, as node 7 of a graph."""
    from comfy_api.latest import io

    hidden = {io.Hidden.unique_id: "7"}

    def execute(task, *, without=(), **inputs):
        node = nodes["FoleyStageTask"].PREPARE_CLASS_CLONE({**hidden, "hidden_inputs": hidden})
        given = {"audio": AUDIO, **parts, **inputs}
        given = {name: value for name, value in given.items() if name not in without}
        return node.execute(task=task, **{"seconds": 2.0, **given})

    return execute


def path_of(file) -> Path:
    import folder_paths

    return Path(folder_paths.get_temp_directory(), file["subfolder"], file["filename"])


@pytest.mark.parametrize("task", ["edit", "extend"])
def test_it_shows_the_sound_that_stays_with_its_picture(run, tell, task):
    server = tell()
    (shown,) = run(task, range=RANGE).ui["foley_range"]
    heard, rate = read_audio(path_of(shown["audio"]))
    assert rate == RATE and (heard - OWN).abs().max() < 2**-14
    assert shown["seconds"] == 2.0 and len(shown["peaks"]) == 2000
    assert probe(path_of(shown["picture"])).seconds == pytest.approx(2.0, abs=0.05)
    assert server.told == [("foleystage.range", {"node": "7", "foley_range": [shown]}, "page")]


def test_without_a_video_the_sound_alone_is_shown(run, tell):
    tell()
    (shown,) = run("edit", range=RANGE, without=("video",)).ui["foley_range"]
    assert "picture" not in shown


@pytest.mark.parametrize(
    ("written", "sentence"),
    [("", "Say which part of the sound is made anew: draw a range"), ("1 to 2", "must be like")],
)
def test_an_edit_without_a_range_shows_the_sound_and_asks_for_one(run, tell, written, sentence):
    server = tell()
    with pytest.raises(FoleyError, match=sentence):
        run("edit", range=written)
    ((event, told, client),) = server.told
    assert (event, told["node"], client) == ("foleystage.range", "7", "page")
    assert told["foley_range"][0]["seconds"] == 2.0


@pytest.mark.parametrize("task", ["vta", "tc-vta"])
def test_a_task_without_a_known_sound_shows_none(run, tell, task):
    server = tell()
    assert run(task, without=("audio",), range=RANGE).ui is None
    assert server.told == []


def test_without_a_page_nobody_is_told(run, tell):
    server = tell(client_id=None)
    assert run("edit", range=RANGE).ui["foley_range"]
    assert server.told == []


def test_a_range_is_asked_for_by_the_tasks_that_go_by_one(nodes):
    marked = nodes["FoleyStageTask"].INPUT_TYPES()["optional"]["range"]
    assert marked[0] == "STRING"
    assert marked[1]["foley_range"] == {"when": {"task": ["extend", "edit"]}}
