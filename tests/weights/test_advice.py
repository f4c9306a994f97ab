"""What an error says to do for a missing file is something that works where it is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from foleystage.cli import main
from foleystage.core.errors import FoleyError
from foleystage.core.loading import load_model
from foleystage.core.weights import advice, store
from foleystage.core.weights.registry import ENTRIES, entry

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["installed", "not activated", "importable", "a clone"])
def start(request, tmp_path, monkeypatch):
    """How the command line is started on a machine of each kind; "" where it cannot be."""
    scripts = tmp_path / "bin"
    scripts.mkdir()
    monkeypatch.setenv("PATH", str(scripts) if request.param == "installed" else "")
    monkeypatch.setattr(advice.sysconfig, "get_path", lambda _: str(scripts))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if request.param in ("installed", "not activated"):
        script = scripts / "foleystage"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        return "foleystage" if request.param == "installed" else "bin/foleystage"
    if request.param == "importable":
        monkeypatch.setattr(advice.importlib.util, "find_spec", lambda name: object())
        return "python -m foleystage"
    monkeypatch.setattr(advice, "__name__", "custom_nodes.pack.core.weights.advice")
    return ""


def test_outside_comfyui_the_command_is_one_that_there_is(start):
    assert advice.command() == start
    with pytest.raises(FoleyError) as caught:
        store.locate("ac_foley")
    said = str(caught.value)
    assert re.findall("`([^`]*)`", said) == ([f"{start} download ac_foley"] if start else [])
    assert "put weights/ac_foley.pth from huggingface.co/FF2416/AC-Foley" in said


def test_several_missing_files_are_named_the_same_way(start):
    with pytest.raises(FoleyError) as caught:
        load_model("mmaudio_small_16k", "cpu")
    said = str(caught.value)
    if start:
        assert f"run `{start} download mmaudio_small_16k dfn5b_clip" in said
    else:
        assert "`" not in said and str(entry("mmaudio_small_16k").source) in said


def test_the_list_of_weights_says_it_too(start, capsys):
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    way = f"{start} download ac_foley" if start else "get weights/ac_foley.pth from "
    assert f"not here: {way}" in shown
    assert start == "foleystage" or "not here: foleystage" not in shown


def test_in_comfyui_no_command_is_named(start, tmp_path):
    for row in ENTRIES:
        said = store.missing_sentence(row, {"foley": [tmp_path]})
        assert "`" not in said and "foleystage download" not in said
    said = store.missing_sentence(entry("ac_foley"), {"foley": [tmp_path]})
    assert "switch on download in the node that loads it, or put " in said


def test_nothing_else_names_a_command():
    named = re.compile(r"foleystage (download|models|convert|generate)\b")
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")]:
        for line in path.read_text("utf-8").splitlines():
            assert not named.search(line) or '"""' in line, f"{path.name}: {line.strip()}"
