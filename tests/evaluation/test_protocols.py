"""The AC-Foley paper's protocols: what is compared with what, on a model that only copies."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from foleystage.cli import main
from foleystage.core.errors import FoleyError
from foleystage.core.evaluation import protocols
from foleystage.core.evaluation.protocols import SOUND_RATE, held_out, other_clips, run_protocol
from foleystage.core.evaluation.report import Settings
from foleystage.core.loading import load_model
from foleystage.core.request import Takes

THREE = Settings(3, hard=False, seconds=2.0, steps=1)


@pytest.fixture(scope="module")
def model():
    return load_model("ac_foley_mini")


class Recorder:
    """Stands for the pipeline: makes the true sound of the clip, and notes each request."""

    def __init__(self, clips):
        self.sounds = {clip.scene.seed: clip.sound for clip in clips}
        self.requests = []

    def __call__(self, source, model, request):
        self.requests.append(request)
        sound = self.sounds[request.seed][None]
        return Takes(sound, SOUND_RATE, 0.0, 2.0, None, (-20.0,))


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder(held_out(THREE))
    monkeypatch.setattr(protocols, "generate", recorder)
    return recorder


def rows(folder, model, protocol) -> dict:
    path = folder / f"{model.name}_{protocol}_clean.json"
    return json.loads(path.read_text("utf-8"))["rows"]


def test_held_out_clips_are_hit_and_the_same_each_time():
    clips, again = (held_out(Settings(count, seconds=2.0)) for count in (4, 6))
    assert [c.scene.seed for c in clips] == [c.scene.seed for c in again[:4]]
    for clip in clips:
        assert len(clip.times)
        assert clip.sound.shape == (1, 2 * SOUND_RATE)
        assert clip.picture(25.0, 144, 192).images.shape == (50, 144, 192, 3)
        assert clip.reference.abs().max() > 0.1


def test_another_clip_is_of_another_material():
    clips = held_out(Settings(6, hard=False, seconds=2.0))
    others = other_clips(clips)
    assert all(other.material != clip.material for other, clip in zip(others, clips))
    assert [other.scene.seed for other in others] == [c.scene.seed for c in other_clips(clips)]


def test_timbre_is_given_a_reference_of_another_object_and_none(model, recorder, tmp_path):
    text = run_protocol("timbre", model, THREE, folder=tmp_path)
    given = [None if r.reference is None else r.reference[0] for r in recorder.requests]
    assert [t is None for t in given] == [False] * 3 + [True] * 3
    for sound, other in zip(given, other_clips(held_out(THREE))):
        assert torch.equal(sound[:, : other.reference.shape[-1]], other.reference)
    table = rows(tmp_path, model, "timbre")
    # Takes that sound the truth have its onsets, whatever the reference; another clip's do not.
    assert table["random reference"]["onset accuracy"] == 1
    assert table["sound of another clip"]["onset accuracy"] < 1
    assert table["random reference"] == table["no reference"] == table["true sound"]
    assert "random reference" in text and "its material" in text


def test_reference_compares_with_the_own_sound(model, recorder, tmp_path):
    run_protocol("reference", model, THREE, folder=tmp_path)
    given = [r.reference for r in recorder.requests]
    assert given[3:6] == [None] * 3 and None not in given[:3] + given[6:]
    table = rows(tmp_path, model, "reference")
    assert list(table) == ["reference of another clip", "with reference", "without"]
    assert all(
        value == pytest.approx(0, abs=1e-6) for row in table.values() for value in row.values()
    )


def test_noise_follows_the_scene_so_runs_compare_clip_by_clip(model, recorder):
    run_protocol("reference", model, replace(THREE, clips=2))
    seeds = [r.seed for r in recorder.requests]
    assert seeds[:2] == seeds[2:4] == seeds[4:]


@pytest.mark.parametrize(
    ("protocol", "change", "says"),
    [
        ("taste", {}, "no protocol 'taste'"),
        ("timbre", {"clips": 1}, "at least 2 clips"),
        ("timbre", {"seconds": 0.5}, "1 to 60 s"),
        ("timbre", {"seconds": float("nan")}, "Scenes are from 0.1 to 120 s long, not nan s"),
        ("reference", {"steps": 0}, "number of steps"),
    ],
)
def test_bad_figures_are_refused(model, protocol, change, says):
    with pytest.raises(FoleyError, match=says):
        run_protocol(protocol, model, replace(THREE, **change))


def test_a_model_that_takes_no_reference_is_refused():
    with pytest.raises(FoleyError, match="mdsgen_mini takes no reference"):
        run_protocol("timbre", load_model("mdsgen_mini"), THREE)


@pytest.mark.slow
def test_the_command_prints_the_table_of_the_mini(tmp_path, capsys):
    arguments = ["--clips", "2", "--seconds", "2", "--steps", "2", "--out", str(tmp_path)]
    assert main(["evaluate", "ac_foley_mini", "--protocol", "reference", *arguments]) == 0
    assert "reference of another clip" in capsys.readouterr().out
    values = json.loads((tmp_path / "ac_foley_mini_reference_hard.json").read_text("utf-8"))
    assert values["rows"].keys() == {"with reference", "without", "reference of another clip"}
    assert all(np.isfinite(v) for row in values["rows"].values() for v in row.values())


def test_without_its_weights_the_command_says_which_to_fetch(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["evaluate", "ac_foley"]) == 2
    error = capsys.readouterr().err
    assert "foleystage download ac_foley dfn5b_clip synchformer mmaudio_vae_44k" in error
    assert len(error.strip().splitlines()) == 1


def test_kinds_are_no_part_of_a_protocol(capsys):
    arguments = ["--protocol", "timbre", "--kinds", "drum"]
    assert main(["evaluate", "ac_foley_mini", *arguments]) == 2
    assert "--kinds" in capsys.readouterr().err
