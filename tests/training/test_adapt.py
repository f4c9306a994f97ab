"""The video encoder learns from a folder of videos and their own sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from foleystage.cli import main
from foleystage.core.encoders.foley_mini import BIN_RATE
from foleystage.core.encoders.mini_video import peaks
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.loading import Loading, load_model
from foleystage.core.scenes import sample_scene
from foleystage.core.scenes.files import write_picture
from foleystage.core.training.adapt import above_chance, adapt, judged, read_own


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> Path:
    """Four short videos of hammers with their sound."""
    folder = tmp_path_factory.mktemp("series")
    made, seed = 0, 0
    while made < 4:
        scene = sample_scene(seed, "test", seconds=4.0, hard=False, kinds=("hammer",))
        seed += 1
        if len(scene.events) > 3:
            write_picture(scene, folder / f"{made}.mp4", 96)
            made += 1
    return folder


@pytest.fixture(scope="module")
def encoder():
    system = load_model("ac_foley_mini", loading=Loading(keep=True))
    with system.store.using("video") as module:
        yield module


@pytest.fixture(scope="module")
def clips(series, encoder):
    return [read_own(path, encoder) for path in sorted(series.iterdir())]


def test_what_begins_in_the_sound_is_what_is_to_be_seen(clips):
    for clip in clips:
        times = peaks(clip.targets[:, 0].numpy(), 0.4)
        assert times == pytest.approx(clip.onsets, abs=0.6 / BIN_RATE)
        assert clip.maps.dtype == torch.int8 and len(clip.maps) == 100
        assert clip.seconds == 4.0


def test_it_learns_and_stays_near_what_it_was(clips, encoder):
    before = [value.clone() for value in encoder.state_dict().values()]
    made = adapt(encoder, clips, steps=12)
    again = adapt(encoder, clips, steps=12)
    assert all(map(torch.equal, made.state_dict().values(), again.state_dict().values()))
    assert all(map(torch.equal, before, encoder.state_dict().values()))
    apart = [
        float((new - old).norm() / (old.norm() + 1e-6))
        for new, old in zip(made.state_dict().values(), before, strict=True)
        if new.ndim > 1
    ]
    assert 0 < max(apart) < 0.1
    assert np.mean([above_chance(made, clip) for clip in clips]) > 0.2


def test_it_is_judged_by_clips_that_it_did_not_learn_from(clips, encoder):
    seen = []
    before, after = judged(encoder, clips[:3], steps=2, progress=lambda *at: seen.append(at))
    assert len(before) == len(after) == 3 and seen[-1] == (6, 6)
    with pytest.raises(FoleyError, match="two or more"):
        judged(encoder, clips[:1])


def test_it_can_be_stopped(clips, encoder):
    with pytest.raises(Cancelled):
        adapt(encoder, clips, cancelled=lambda: True)


def test_a_folder_becomes_weights_that_see_for_all_systems(series, tmp_path, capsys, caplog):
    folder, eyes = tmp_path / "clips", tmp_path / "eyes.safetensors"
    folder.mkdir()
    for path in series.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "notes.txt").write_text("x", "utf-8")
    (folder / "broken.mp4").write_bytes(b"no video")
    silent = sample_scene(0, "test", seconds=2.0)
    write_picture(silent, folder / "silent.mp4", 96, silent=True)
    assert main(["adapt", str(folder), "-o", str(eyes), "--steps", "2"]) == 0
    said = capsys.readouterr().out
    assert "above chance" in said and "of 4 clips" in said
    assert "broken.mp4" in caplog.text and "silent.mp4" in caplog.text
    assert "notes.txt" not in caplog.text
    out, example = tmp_path / "a.wav", str(series / "0.mp4")
    for model in ("ac_foley_mini", "specmaskfoley_mini"):
        command = ["generate", example, "-o", str(out), "--model", model, "--steps", "2"]
        assert main([*command, "--part", f"video={eyes}"]) == 0
        out.unlink()


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["{empty}", "-o", "{out}.safetensors"], "has no video in it"),
        (["{nowhere}", "-o", "{out}.safetensors"], "There is no folder"),
        (["{series}", "-o", "{out}.mp4"], ".safetensors"),
        (["{series}", "-o", "{out}.safetensors", "--steps", "0"], "--steps must be from 1"),
        (["{quiet}", "-o", "{out}.safetensors"], "No video of the folder has a sound with hits"),
    ],
)
def test_what_cannot_be_learned_from_is_said_in_a_sentence(
    options, sentence, series, tmp_path, capsys
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "quiet").mkdir()
    still = sample_scene(0, "test", seconds=2.0)
    write_picture(still, tmp_path / "quiet" / "a.mp4", 96, silent=True)
    places = {name: tmp_path / name for name in ("empty", "nowhere", "out", "quiet")}
    asked = [option.format(series=series, **places) for option in options]
    assert main(["adapt", *asked]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))
