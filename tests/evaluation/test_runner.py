"""`foleystage evaluate`: figures that mean what they say, on a small number of scenes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from foleystage.core.errors import FoleyError
from foleystage.core.evaluation import runner
from foleystage.core.evaluation.clips import clip_of
from foleystage.core.evaluation.report import Settings
from foleystage.core.evaluation.runner import Case, evaluate_model, measure
from foleystage.core.loading import load_model
from foleystage.core.scenes import sample_scene
from foleystage.core.system import System

RATE = 32000


@pytest.fixture(scope="module")
def cases():
    made = []
    for seed in range(40):
        scene = sample_scene(seed, "test", seconds=4.0, kinds=("hammer", "knock", "drum"))
        if len(scene.events) > 3:
            clip = clip_of(scene, RATE)
            made.append(Case(clip, None, clip.material, {}))
    return made[:8]


def with_sounds(cases, gain):
    runs = {"true sound": 1, "asked": gain, "reference": gain, "picture": gain, "blind": gain}
    return [
        replace(case, sounds={run: case.clip.sound * scale for run, scale in runs.items()})
        for case in cases
    ]


def test_the_true_sound_gets_full_marks(cases):
    report = measure(with_sounds(cases, 1), RATE)
    assert report["onsets"]["asked"]["f1"] > 0.9
    assert report["onsets"]["asked"]["median_absolute_offset_ms"] < 5
    assert report["shuffled_f1"] < 0.5
    assert report["material_asked_for"] == report["material_true_sound"] > 0.7
    assert report["log_mel"]["with_reference"] == pytest.approx(0, abs=1e-6)


def test_silence_gets_none(cases):
    report = measure(with_sounds(cases, 0), RATE)
    assert report["onsets"]["asked"]["f1"] == 0


@pytest.mark.slow
def test_a_small_evaluation_writes_table_json_and_plot(tmp_path):
    settings = Settings(3, hard=False, seconds=2.08, steps=3)
    table = evaluate_model(load_model("ac_foley_mini"), settings, folder=tmp_path)
    assert "shuffled (control)" in table and "material asked for" in table
    report = json.loads((tmp_path / "ac_foley_mini_clean.json").read_text())
    assert report["not_finite"] == 0 and report["clips"] == 3
    assert (tmp_path / "ac_foley_mini_clean.png").read_bytes().startswith(b"\x89PNG")


def test_unknown_kinds_are_refused():
    with pytest.raises(FoleyError, match="no kind of scene 'boom'"):
        evaluate_model(None, Settings(4), kinds=("boom",))


def test_too_few_hits_are_refused_before_anything_is_sampled(monkeypatch):
    monkeypatch.setattr(System, "sample", None)
    with pytest.raises(FoleyError, match="at least 2 clips of hits"):
        evaluate_model(load_model("mdsgen_mini"), Settings(2, seconds=2.0), kinds=("swish",))


def test_a_length_between_the_steps_of_a_system_is_made_and_cut(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(runner, "measure", lambda cases, rate: made.extend(cases) or {})
    monkeypatch.setattr(runner, "table", str)
    settings = Settings(4, hard=False, seconds=2.0, steps=1)
    evaluate_model(load_model("ac_foley_mini"), settings)
    assert list(made[0].sounds) == ["true sound", "asked", "reference", "picture", "blind"]
    assert {sound.shape for case in made for sound in case.sounds.values()} == {(1, 64000)}


@pytest.mark.slow
def test_a_system_that_takes_no_words_is_measured_by_its_picture(tmp_path):
    settings = Settings(2, hard=False, seconds=2.0, steps=2)
    table = evaluate_model(load_model("mdsgen_mini"), settings, folder=tmp_path)
    assert "picture alone" in table and "material asked for" not in table
    report = json.loads((tmp_path / "mdsgen_mini_clean.json").read_text())
    assert set(report["onsets"]) == {"true sound", "picture", "blind"}


@pytest.mark.slow
def test_a_system_of_words_alone_is_measured_by_them(tmp_path):
    system = load_model("stable_audio_mini")
    text = evaluate_model(system, Settings(4, steps=4), kinds=("knock",), folder=tmp_path)
    assert "words alone" in text and "picture" not in text
    (report,) = (json.loads(path.read_text("utf-8")) for path in tmp_path.glob("*.json"))
    assert set(report["onsets"]) == {"true sound", "asked"}
    assert 0.0 <= report["material_asked_for"] <= 1.0


def test_of_tokens_the_true_ones_are_measured_too(tmp_path):
    settings = Settings(2, hard=False, seconds=2.0, steps=2)
    table = evaluate_model(load_model("specmaskfoley_mini"), settings, folder=tmp_path)
    assert "true tokens" in table and "material asked for" in table
    report = json.loads((tmp_path / "specmaskfoley_mini_clean.json").read_text())
    assert report["onsets"]["true tokens"]["f1"] > 0.8 and report["steps"] == 2
