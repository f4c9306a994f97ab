"""The command line, as a person uses it: files in, files out, one sentence when it cannot be."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from foleystage.cli import main
from foleystage.core.media import encode_frames, probe, read_audio, write_audio
from foleystage.core.media.formats import SOUND_FILES, VIDEO_FILES
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.onsets.matching import match_onsets
from foleystage.core.weights.minis import mini_path

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["--steps", "3", "--seconds", "1.5"]
RUNNER = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import conftest; "
    "from foleystage.cli import main; raise SystemExit(main(sys.argv[1:]))"
)


@pytest.mark.parametrize(
    "command", [[], ["generate"], ["batch"], ["models"], ["train"], ["evaluate"], ["augment"]]
)
def test_help_waits_for_no_library(command):
    loaded = (
        "import atexit, sys; sys.path.insert(0, sys.argv.pop(1)); import conftest; "
        "atexit.register(lambda: print('LOADED', *sys.modules)); "
        "from foleystage.cli import main; main(sys.argv[1:])"
    )
    arguments = [sys.executable, "-c", loaded, str(ROOT / "tests"), *command, "--help"]
    done = subprocess.run(arguments, capture_output=True, text=True)
    text, _, modules = done.stdout.partition("LOADED")
    assert done.returncode == 0 and text.startswith("usage: foleystage")
    assert not set(modules.split()) & {"torch", "numpy", "av"}


def test_help_names_files_that_can_be_written(capsys):
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    videos, sounds = re.search(r"video \((.*?)\) or sound \((.*?)\) to write", text).groups()
    assert set(videos.split(", ")) == set(VIDEO_FILES) - {".m4v"}  # a Mac's name for .mp4
    assert set(sounds.split(", ")) == set(SOUND_FILES)


def _packets(path: Path) -> list[tuple]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in container.demux(stream) if p.size]


def test_generate_writes_the_same_picture_with_hits_in_place(clip, truth, tmp_path, capsys):
    out, plot = tmp_path / "out.mp4", tmp_path / "out.png"
    assert (
        main(["generate", str(clip), "-o", str(out), "--prompt", "metal hit", "--plot", str(plot)])
        == 0
    )
    assert "LUFS" in capsys.readouterr().out
    assert _packets(out) == _packets(clip)
    sound, rate = read_audio(out)
    assert match_onsets(detect_onsets(sound, rate), truth).f1 >= 0.8
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "out.png"]


def test_takes_and_sound_files(clip, tmp_path):
    out = tmp_path / "take.flac"
    assert main(["generate", str(clip), "-o", str(out), "--takes", "2", *QUICK]) == 0
    first, second = (read_audio(tmp_path / f"take_{k}.flac")[0] for k in (1, 2))
    assert first.shape[-1] == 48000
    assert float((first - second).abs().max()) > 1e-3


def test_mix_is_the_original_at_its_level_plus_the_new_sound(clip_with_sound, tmp_path):
    mix, new = tmp_path / "mix.mp4", tmp_path / "new.wav"
    for out, extra in ((mix, ["--mix", "-12"]), (new, [])):
        assert main(["generate", str(clip_with_sound), "-o", str(out), "--steps", "2", *extra]) == 0
    sounds = [read_audio(path, mono=True)[0][0].numpy() for path in (clip_with_sound, new, mix)]
    size = min(map(len, sounds))
    original, generated, mixed = (sound[:size] for sound in sounds)
    levels = np.linalg.lstsq(np.stack([original, generated], 1), mixed, rcond=None)[0]
    assert levels == pytest.approx([10 ** (-12 / 20), 1.0], rel=0.15)


@pytest.fixture(scope="module")
def odd_files(tmp_path_factory, clip) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video")
    (folder / "cut.mp4").write_bytes(clip.read_bytes()[:600])
    (folder / "folder.mp4").mkdir()
    encode_frames(torch.zeros(1, 64, 64, 3), 25.0, folder / "one.mp4")
    tone = np.sin(np.arange(32000) / 20)[None].astype(np.float32) * 0.3
    write_audio(folder / "audio.wav", torch.from_numpy(tone), 16000)
    write_audio(folder / "silent.wav", torch.zeros(1, 64000), 32000)
    write_audio(folder / "short.wav", torch.from_numpy(tone[:, :200]), 16000)
    import soundfile

    soundfile.write(folder / "nan.wav", np.full(32000, np.nan, np.float32), 16000, subtype="FLOAT")
    return folder


@pytest.mark.parametrize(
    ("video", "extra"),
    [
        ("missing.mp4", []),
        ("folder.mp4", []),
        ("empty.mp4", []),
        ("text.mp4", []),
        ("cut.mp4", []),
        ("audio.wav", []),
        ("one.mp4", []),
        (None, ["--seconds", "0"]),
        (None, ["--start", "1000"]),
        (None, ["--mix", "0"]),
        (None, ["--reference", "silent.wav"]),
        (None, ["--reference", "short.wav"]),
        (None, ["--reference", "nan.wav"]),
        (None, ["--reference", "missing.wav"]),
        (None, ["--model", "nonsense"]),
        (None, ["--plot", "plot.txt"]),
    ],
)
def test_bad_input_is_one_sentence_status_2_and_nothing_written(
    odd_files, clip, tmp_path, capsys, video, extra
):
    source = clip if video is None else odd_files / video
    extra = [str(odd_files / e) if e.endswith(".wav") else e for e in extra]
    extra = [str(tmp_path / e) if e.endswith(".txt") else e for e in extra]
    assert main(["generate", str(source), "-o", str(tmp_path / "out.mp4"), *extra]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and error[0].startswith("foleystage: ") and len(error[0]) < 400
    assert "Traceback" not in error[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("output", ["nowhere/out.mp4", "out.xyz", "."])
def test_places_that_cannot_be_written_are_refused_first(clip, tmp_path, capsys, output):
    assert main(["generate", str(clip), "-o", str(tmp_path / output)]) == 2
    assert "foleystage: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_source_is_never_overwritten(clip, capsys):
    before = clip.read_bytes()
    assert main(["generate", str(clip), "-o", str(clip), *QUICK]) == 2
    assert clip.read_bytes() == before


@pytest.mark.parametrize("prompt", ["", "金属を叩く音", "metal " * 1700])
def test_any_prompt_makes_a_sound(clip, tmp_path, prompt):
    out = tmp_path / "out.wav"
    assert main(["generate", str(clip), "-o", str(out), "--prompt", prompt, *QUICK]) == 0
    assert out.stat().st_size > 10_000


def test_a_damaged_weights_file_is_named(clip, tmp_path, capsys):
    damaged = tmp_path / "own.safetensors"
    damaged.write_bytes(mini_path("ac_foley_mini").read_bytes()[:5000])
    given = ["--model", str(damaged), "-o", str(tmp_path / "out.wav")]
    assert main(["generate", str(clip), *given, *QUICK]) == 2
    error = capsys.readouterr().err
    assert "damaged" in error and "own.safetensors" in error


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_interrupt_leaves_nothing(clip, tmp_path, heed_interrupts):
    command = [sys.executable, "-c", RUNNER, str(ROOT / "tests"), "generate", str(clip)]
    command += ["-o", str(tmp_path / "out.mp4"), "--steps", "1000"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    time.sleep(8)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_sentence(clip, tmp_path, monkeypatch, capsys):
    from foleystage.core.media import files

    monkeypatch.setattr(files, "create_temporary", _full_temporary)
    assert main(["generate", str(clip), "-o", str(tmp_path / "out.mp4"), *QUICK]) == 2
    assert "disk is full" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def _full_temporary(folder: Path):
    # The device that is always full, in place of a disk that happens to be.
    return folder / "full", open("/dev/full", "wb", buffering=0)


def test_scene_writes_a_clip_with_its_truth(tmp_path, capsys):
    out = tmp_path / "scene.mp4"
    arguments = ["scene", "3", "-o", str(out), "--seconds", "1", "--height", "90", "--clean"]
    assert main(arguments) == 0
    assert "events at" in capsys.readouterr().out
    info = probe(out)
    assert info.has_audio and info.height == 90
