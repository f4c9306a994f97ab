"""Loaders that fetch weights, from a server on this machine."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import comfy.model_management
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.weights import registry
from foleystage.core.weights.minis import mini_path
from foleystage.core.weights.registry import Entry, Hub, Licence

_spec = importlib.util.spec_from_file_location(
    "fake_hub", Path(__file__).resolve().parents[1] / "weights" / "conftest.py"
)
_fake = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fake)
hub = _fake.hub

NAME, FILE, BESIDE = "published_codec", "net.safetensors", "beside.bin"
NUMBERS = b"\x80\x02numbers"  # begins as a pickle does


@pytest.fixture
def published(hub, monkeypatch, tmp_path, weights):
    """A codec of two files that are on the hub alone; the folder where they would lie."""
    import folder_paths
    from foleystage.core.catalog import CODECS

    known = {}
    for name, file, content in (
        (NAME, FILE, mini_path("foley_mini_codec").read_bytes()),
        ("published_beside", BESIDE, NUMBERS),
    ):
        hub.add(f"someone/{name}/{file}", content)
        known[name] = Entry(
            name, "codec", "", Licence("MIT", "yes", "MIT"), (Hub(f"someone/{name}", file),)
        )
    monkeypatch.setattr(registry, "ENTRIES", (*registry.ENTRIES, *known.values()))
    files = {"codec": NAME, "beside": "published_beside"}
    row = replace(CODECS["foley_mini_codec"], name=NAME, files=files)
    monkeypatch.setitem(CODECS, NAME, row)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "foley", ([str(tmp_path)], set()))
    return tmp_path


def test_what_is_published_is_offered_last(published, nodes):
    choice = nodes["FoleyStageLoadCodec"].define_schema().inputs[0]
    assert choice.options[0] == choice.default == "foley_mini_codec"
    assert choice.options[-1] == NAME
    assert nodes["FoleyStageLoadCodec"].validate_inputs(name=NAME) is True


def test_nothing_is_fetched_without_being_asked(published, hub, call, nodes):
    with pytest.raises(FoleyError, match=f"switch on download .*{FILE} from .*MIT"):
        call("LoadCodec", name=NAME)
    nodes["FoleyStageLoadCodec"].fingerprint_inputs(name=NAME, download=True)
    assert not hub.requests


def test_what_is_fetched_decodes_and_is_not_fetched_again(published, hub, call, nodes):
    stamp = nodes["FoleyStageLoadCodec"].fingerprint_inputs
    before = stamp(name=NAME)
    codec = call("LoadCodec", name=NAME, download=True)[0]
    assert (published / FILE).is_file() and (published / BESIDE).is_file()
    assert torch.isfinite(codec.ready("codec").decode(torch.zeros(1, 8, 32))).all()
    assert stamp(name=NAME) != before
    asked = len(hub.requests)
    call("LoadCodec", name=NAME, download=False)
    assert len(hub.requests) == asked


def test_cancel_stops_a_download_and_leaves_no_file(published, call):
    comfy.model_management.interrupt_current_processing(True)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        call("LoadCodec", name=NAME, download=True)
    assert not (published / FILE).exists()
    assert call("LoadCodec", name=NAME, download=True)[0] is not None


def test_a_hub_that_is_not_reached_is_one_sentence(published, call, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FoleyError, match="could not be reached") as caught:
        call("LoadCodec", name=NAME, download=True)
    assert "\n" not in str(caught.value) and FILE in str(caught.value)


@pytest.mark.parametrize("loader", ["LoadModel", "LoadVideoEncoder", "LoadCodec"])
def test_cancel_stops_the_loading_of_weights(call, loader):
    given = {"weight_dtype": "default"} if loader == "LoadModel" else {}
    names = {"LoadModel": "ac_foley_mini", "LoadCodec": "foley_mini_codec"}
    given["name"] = names.get(loader, "mini_video_encoder")
    comfy.model_management.interrupt_current_processing(True)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        call(loader, **given)
    assert call(loader, **given)[0] is not None
