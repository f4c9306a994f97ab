"""Cue sheets and long takes on the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from foleystage.cli import main
from foleystage.cli.terminal import Progress, time_text
from foleystage.core.media import read_audio
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.scenes import sample_scene
from foleystage.core.scenes.files import write_picture

HEAD = {"format": "foleystage cues", "version": 1}


def sheet(path: Path, **entries) -> str:
    path.write_text(json.dumps({**HEAD, **entries}), encoding="utf-8")
    return str(path)


def test_what_is_seen_is_written_and_played(clip, truth, tmp_path, capsys):
    cues = tmp_path / "cues.json"
    assert main(["cues", str(clip), "-o", str(cues)]) == 0
    hits = json.loads(cues.read_text("utf-8"))["hits"]
    assert [hit["time"] for hit in hits] == pytest.approx(truth.tolist(), abs=0.05)
    assert f"({len(hits)} hits)" in capsys.readouterr().out
    wave = tmp_path / "a.wav"
    cues = sheet(cues, hits=[{"time": 1.0}, {"time": 2.0}])
    assert main(["generate", str(clip), "-o", str(wave), "--cues", cues, "--steps", "10"]) == 0
    assert detect_onsets(*read_audio(wave)) == pytest.approx([1.0, 2.0], abs=0.06)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "cues.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cues", "{clip}", "-o", "{tmp}/a.txt"], "name must end in .json"),
        (["cues", "{tmp}/none.mp4", "-o", "{tmp}/a.json"], "none.mp4"),
        (["cues", "{clip}", "-o", "{tmp}/a.json", "--start", "9"], "9"),
        (
            ["generate", "{clip}", "-o", "{tmp}/a.wav", "--cues", "{tmp}/none.json"],
            "There is no cue",
        ),
        (["generate", "{clip}", "-o", "{tmp}/a.wav", "--cues", "{late}"], "at 60 s: move it"),
        (["generate", "{clip}", "-o", "{tmp}/a.mkv", "--stems"], "name one with --cues"),
        (
            ["generate", "{clip}", "-o", "{tmp}/a.mp4", "--stems", "--cues", "{late}"],
            ".mkv and .mov files hold",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(clip, tmp_path, capsys, arguments, message):
    late = sheet(tmp_path / "late.json", hits=[{"time": 60}])
    given = [one.format(clip=clip, tmp=tmp_path, late=late) for one in arguments]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["late.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_long_take_that_was_stopped_goes_on(tmp_path, heed_interrupts):
    video, wave = tmp_path / "long.mp4", tmp_path / "long.wav"
    scene = sample_scene(3, "test", seconds=30.0, hard=False, kinds=("hammer",))
    write_picture(scene, video, 64, silent=True)
    root = tmp_path / "package"
    root.mkdir()
    (root / "foleystage").symlink_to(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-m", "foleystage", "generate", str(video), "-o", str(wave)]
    command += ["--long", "sequential", "--steps", "6"]
    started = {"cwd": root, "stderr": subprocess.PIPE, "text": True}
    sections = Path(f"{wave}.sections")
    for count, stop in ((3, signal.SIGINT), (6, signal.SIGKILL)):
        running = subprocess.Popen(command, **started, preexec_fn=heed_interrupts)
        until = time.monotonic() + 120
        while len(list(sections.glob("*/*.safetensors"))) < count and time.monotonic() < until:
            time.sleep(0.05)
        running.send_signal(stop)
        error = running.communicate()[1]
        assert running.returncode and not wave.exists() and sections.is_dir()
        if stop == signal.SIGINT:
            assert "the same command goes on from there" in error
    subprocess.run(command, **started, check=True)
    assert not sections.exists()
    other = tmp_path / "other.wav"
    whole = [str(other) if one == str(wave) else one for one in command]
    subprocess.run(whole, **started, check=True)
    assert other.read_bytes() == wave.read_bytes()


def test_the_time_that_is_left_is_shown(monkeypatch, capsys):
    assert [time_text(s) for s in (0, 61, 3725)] == ["0:00", "1:01", "1:02:05"]
    now = iter([0.0, 30.0, 60.0, 119.0])
    monkeypatch.setattr("foleystage.cli.terminal.time.monotonic", lambda: next(now))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress() as progress:
        for step in (5, 10, 15, 24):
            progress("sampling", step, 25)
    shown = capsys.readouterr().err.split("\r")
    assert "1:30 left" in shown[2] and "1:00 left" in shown[3] and "left" not in shown[4]
