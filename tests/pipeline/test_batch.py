"""A folder of videos, or a table: each clip is made once, and what cannot be is a sentence."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from foleystage.cli import main
from foleystage.core.batch.jobs import Clip, Settings, groups_of
from foleystage.core.batch.listing import list_clips
from foleystage.core.batch.manifest import Manifest
from foleystage.core.batch.run import run_batch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.media import encode_frames, files, probe, read_audio, write_audio
from foleystage.core.request import Request
from foleystage.core.scenes import sample_scene
from foleystage.core.scenes.files import write_picture

STEPS = ("--steps", "1")
NAMES = ("a.mp4", "b.mkv", "deep/a.mov")


@pytest.fixture(scope="session")
def some_videos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    (folder / "deep").mkdir()
    for seed, name in enumerate(NAMES):
        scene = sample_scene(seed, "test", seconds=1.0, hard=False, kinds=("hammer",))
        write_picture(scene, folder / name, 64, silent=True)
    return folder


@pytest.fixture
def place(some_videos, tmp_path, monkeypatch) -> Path:
    """A folder with `in`, a copy of three videos, which is the working folder."""
    shutil.copytree(some_videos, tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def batch(*arguments, source: str = "in", out: str = "out") -> int:
    return main(["batch", source, "-o", out, *STEPS, *map(str, arguments)])


def lines(out: str = "out") -> list[dict]:
    return [json.loads(line) for line in Path(out, "manifest.jsonl").read_text().splitlines()]


def written(out: str = "out") -> dict[str, tuple[int, int]]:
    """Each output with what tells its file from one that is made anew."""
    found = {}
    for path in sorted(Path(out).rglob("*")):
        if path.is_file() and path.name != "manifest.jsonl":
            about = path.stat()
            found[path.relative_to(out).as_posix()] = about.st_ino, about.st_mtime_ns
    return found


def table(text: str) -> str:
    Path("clips.csv").write_text(text, encoding="utf-8")
    return "clips.csv"


def test_a_folder_is_made_and_then_skipped(place, capsys):
    (place / "in" / "notes.txt").touch()
    (place / "in" / ".hidden.mp4").touch()
    assert batch() == 0
    printed = capsys.readouterr()
    assert printed.out == "3 clips: 3 made; 1 other file was left alone\n" and not printed.err
    there = written()
    assert list(there) == sorted(NAMES)
    for name in NAMES:
        assert read_audio(Path("out", name))[0].shape[-1] == 32000
    assert [line["input"] for line in lines()] == list(NAMES)
    line = lines()[0]
    assert line["status"] == "done" and line["outputs"] == ["a.mp4"] and line["reason"] == ""
    assert line["seconds"] == 1.0 and line["seed"] == 0 and -70 < line["loudness"][0] < 0
    assert batch() == 0
    assert capsys.readouterr().out.startswith("3 clips: 0 made, 3 done before;")
    assert written() == there and len(lines()) == 3


def test_takes_are_those_of_generate(place):
    assert batch("--format", "wav", "--prompt", "metal hit", "--takes", 2) == 0
    assert list(written()) == sorted(
        f"{n.rpartition('.')[0]}_{k}.wav" for n in NAMES for k in (1, 2)
    )
    given = ["in/a.mp4", "-o", "alone.wav", "--takes", "2", "--prompt", "metal hit", *STEPS]
    assert main(["generate", *given]) == 0
    for k in (1, 2):
        assert Path(f"alone_{k}.wav").read_bytes() == Path(f"out/a_{k}.wav").read_bytes()


def test_what_is_asked_otherwise_is_made_anew(place, capsys):
    assert batch() == 0
    first = written()
    assert batch("--device", "cpu", "--feature-cache", "cache") == 0
    assert written() == first
    assert batch("--seed", 1) == 0
    second = written()
    assert all(first[name] != second[name] for name in first)
    shutil.copy("in/b.mkv", "in/a.mkv")
    Path("in/a.mp4").touch()  # a source that was written again
    Path("out/deep/a.mov").unlink()
    capsys.readouterr()
    assert batch("--seed", 1) == 0
    assert capsys.readouterr().out == "4 clips: 3 made, 1 done before\n"
    assert written()["b.mkv"] == second["b.mkv"] and written()["a.mp4"] != second["a.mp4"]


def test_a_clip_that_fails_costs_a_line_and_is_tried_again(place, capsys):
    good = Path("in/b.mkv").read_bytes()
    Path("in/b.mkv").write_bytes(good[:600])
    encode_frames(torch.zeros(1, 64, 64, 3), 25.0, "in/one.mp4")
    assert batch() == 1
    printed = capsys.readouterr()
    assert printed.out == "4 clips: 2 made, 2 failed\n"
    first, second = printed.err.splitlines()
    assert first.startswith("foleystage: b.mkv failed: 'in/b.mkv' ")
    assert second.startswith("foleystage: one.mp4 failed: A picture alone cannot become a video")
    assert sorted(written()) == ["a.mp4", "deep/a.mov"]
    failed = [line for line in lines() if line["status"] == "failed"]
    assert [line["input"] for line in failed] == ["b.mkv", "one.mp4"] and failed[0]["reason"]
    Path("in/b.mkv").write_bytes(good)
    Path("in/one.mp4").unlink()
    assert batch() == 0
    assert capsys.readouterr().out == "3 clips: 1 made, 2 done before\n"


def test_an_error_of_our_own_fails_one_clip(place, capsys, monkeypatch):
    from foleystage.core.batch import making

    generate = making.generate
    monkeypatch.setattr(
        making, "generate", lambda s, *a, **k: 1 / 0 if "b.mkv" in str(s) else generate(s, *a, **k)
    )
    assert batch() == 1
    assert "b.mkv failed: It met an error of this program (ZeroDiv" in capsys.readouterr().err
    assert len(written()) == 2


def test_a_table_says_what_is_asked_of_each(place):
    tone = torch.sin(torch.arange(32000) / 20)[None] * 0.3
    write_audio("r.wav", tone, 32000)
    rows = [
        "\ufeffVideo,prompt,negative,reference,seed,start,seconds,output",
        'in/a.mp4,"wood, hit",music,r.wav,7,0.25,0.5,x/wood.wav',
        "in/a.mp4,,,,,,,glass",
        "",
        "in/deep/a.mov",
    ]
    assert batch("--prompt", "glass", source=table("\n".join(rows))) == 0
    assert sorted(written()) == ["glass.mp4", "in/deep/a.mov", "x/wood.wav"]
    clips = list_clips("clips.csv", Settings(Path("out")), Request("glass")).clips
    assert clips[0].request == Request("wood, hit", "music", "r.wav", 0.25, 0.5, 7)
    assert clips[1].request == clips[2].request == Request("glass")
    assert probe("out/glass.mp4").seconds == 1.0
    assert [line["seed"] for line in lines()] == [7, 0, 0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no rows"),
        ("video\n", "has no rows"),
        ("film\nin/a.mp4", "has the column 'film': it needs video and may have prompt, negative"),
        ("prompt\nrain", "has no column video"),
        ("video,video\nin/a.mp4,in/a.mp4", "the same column twice"),
        ("video,seed\nin/a.mp4,1,2", "Line 2 of clips.csv: it has 3 cells for 2 columns"),
        ("video,seed\n,1", "Line 2 of clips.csv: it names no video"),
        (
            "video\nin/a.mp4\nno.mp4\nnone.mp4",
            "Line 3 of clips.csv: there is no file 'no.mp4' (and",
        ),
        ("video,reference\nin/a.mp4,no.wav", "there is no file 'no.wav'"),
        ("video,seed\nin/a.mp4,one", "Line 2 of clips.csv: a seed is a whole number, not 'one'"),
        ("video,seed\nin/a.mp4,-1", "Line 2 of clips.csv: The seed must be"),
        ("video,seconds\nin/a.mp4,long", "seconds are a number"),
        ("video,seconds\nin/a.mp4,nan", "number of seconds"),
        ("video,output\nin/a.mp4,../o.mp4", "leads out of the folder"),
        ("video,output\nin/a.mp4,/o.mp4", "leads out of the folder"),
        ("video,output\nin/a.mp4,o.txt", "must end in .mp4"),
        ("video\nin/a.mp4\nin/a.mp4", "would both be written to 'in/a.mp4'"),
        ("video,output\nin/a.mp4,o.wav\nin/b.mkv,O.WAV", "would both be written to"),
        ('video\n"in/a.mp4', "cannot be read as CSV"),
        ("video\nin/a.mp4\0", ""),
    ],
)
def test_a_table_that_is_not_right_is_one_sentence(place, capsys, text, says):
    assert batch(source=table(text)) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("foleystage: ") and says in error
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("source", "out", "extra", "says"),
    [
        ("nowhere", "out", (), "There is no folder or table 'nowhere'"),
        ("in/a.mp4", "out", (), "neither a folder of videos nor a table"),
        ("empty", "out", (), "has no video in it"),
        ("in", "in", (), "the folder of the videos themselves"),
        ("in", "in/a.mp4", (), "could not be written"),
        ("in", "out", ("--format", "wav"), "would both be written to 'a.wav'"),
        ("in", "out", ("--processes", "0"), "number of processes must be 1 to"),
        ("in", "out", ("--model", "nonsense"), "There is no model"),
        ("in", "out", ("--task", "ac-vta"), "needs a reference sound"),
        ("in", "out", ("--seed", "-1"), "The seed must be"),
        ("in", "out", ("--reference-start", "1"), "name it with --reference"),
        ("clash.csv", ".", (), "is a source of this batch"),
    ],
)
def test_what_no_batch_can_be_made_of_is_one_sentence(place, capsys, source, out, extra, says):
    Path("empty").mkdir()
    Path("clash.csv").write_text("video,output\nin/a.mp4,in/b.mkv\nin/b.mkv,")
    shutil.copy("in/b.mkv", "in/a.mkv" if "wav" in extra else "in/c.mkv")
    before = written("in")
    assert batch(*extra, source=source, out=out) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("foleystage: ") and says in error
    assert written("in") == before and not Path("out").exists()


def test_outputs_inside_of_the_folder_are_no_sources(place, capsys):
    for says in ("3 clips: 3 made", "3 clips: 0 made, 3 done before"):
        assert batch(out="in/out") == 0
        assert capsys.readouterr().out == f"{says}\n"


@pytest.mark.parametrize(
    "text", ["notes of my own\n", '{"a": 1}\n', "[]\n", "my last line", "[" * 9999 + "\n"]
)
def test_a_file_of_others_is_no_manifest(place, capsys, text):
    Path("out").mkdir()
    Path("out/manifest.jsonl").write_text(text)
    assert batch() == 2
    assert "is no manifest of a batch" in capsys.readouterr().err
    assert Path("out/manifest.jsonl").read_text() == text and not written()


def test_a_folder_is_for_one_run_at_a_time(place, capsys):
    Path("out").mkdir()
    with Manifest(Path("out")):
        assert batch() == 2
    assert "Another run is writing to 'out'" in capsys.readouterr().err


@pytest.mark.parametrize("also", ["the manifest", "the video alone"])
def test_a_full_disk_stops_the_run_and_leaves_what_is_done(place, capsys, monkeypatch, also):
    write = files.Sink.write

    def write_or_fail(self, data):
        if self.path.name == "b.mkv":
            self.error = OSError(errno.ENOSPC, "No space left on device")
            raise self.error
        return write(self, data)

    def add_or_fail(self, record):
        if record.status == "failed":
            with files.refusing(self.path):
                raise OSError(errno.ENOSPC, "No space left on device")
        add(self, record)

    add = Manifest.add
    with monkeypatch.context() as patch:
        patch.setattr(files.Sink, "write", write_or_fail)
        if also == "the manifest":
            patch.setattr(Manifest, "add", add_or_fail)
        assert batch() == 1
    printed = capsys.readouterr()
    failure, stop = printed.err.splitlines()
    assert failure.startswith("foleystage: b.mkv failed: The disk is full: 'out/b.mkv' was not")
    assert stop == "foleystage: stopped; 1 of 3 clips are done; the same command goes on."
    assert printed.out == "3 clips: 1 made, 1 failed, 1 left\n"
    assert list(written()) == ["a.mp4"]
    there = written()["a.mp4"]
    assert batch() == 0 and written()["a.mp4"] == there and sorted(written()) == sorted(NAMES)


def test_a_journal_that_cannot_be_written_keeps_the_file_from_its_place(place, monkeypatch):
    from foleystage.core.batch import manifest

    def fail(*_, **__):
        with files.refusing(Path("out")):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(manifest.Journal, "add", fail)
    assert batch() == 1 and not written()


@pytest.mark.parametrize("when", ["in the batch", "in its processes"])
def test_a_system_that_cannot_be_loaded_is_one_sentence(place, capsys, monkeypatch, when):
    from foleystage.core.batch import making, run

    def fail(*_, **__):
        raise FoleyError("The weights are damaged: get them again.")

    def ended(*_, **__):
        yield making.Outcome(None, "The weights are damaged: get them again.")

    if when == "in the batch":
        monkeypatch.setattr(making, "load_model", fail)
    else:
        monkeypatch.setattr(run, "in_processes", ended)
    assert batch("--processes", 1 if when == "in the batch" else 2) == 2
    assert capsys.readouterr().err == "foleystage: The weights are damaged: get them again.\n"
    assert not Path("out").exists()


def test_a_name_that_is_no_text_is_told_from_others(place, capsys):
    name = os.fsdecode(b"\xff\x1b.mp4")
    os.rename("in/a.mp4", f"in/{name}")
    for made in ("3 made", "0 made, 3 done before"):
        assert batch() == 0
        assert capsys.readouterr().out == f"3 clips: {made}\n"
    assert lines()[-1]["input"] == name


def test_a_failed_row_is_called_by_its_video_and_its_output(place, capsys):
    Path("in/a.mp4").write_bytes(b"no video")
    rows = "video,output\nin/a.mp4,one.mp4\nin/a.mp4,two.mp4\nin/b.mkv,three.wav"
    assert batch(source=table(rows)) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "in/a.mp4 (one.mp4) failed: " in first and "in/a.mp4 (two.mp4) failed: " in second


def test_rows_of_one_video_encode_it_once(place, monkeypatch):
    from foleystage.core import system

    encoded = []
    encode = system.encode_video
    monkeypatch.setattr(
        system, "encode_video", lambda *a, **k: encoded.append(Path(a[2]).name) or encode(*a, **k)
    )
    rows = "video,seed,prompt,seconds,output\n"
    for k in range(3):
        rows += f"in/a.mp4,{k},metal,,a{k}.wav\nin/b.mkv,{k},wood,{k and 0.5 * k},b{k}.wav\n"
    rows = rows.replace("wood,0,", "wood,,")
    assert batch(source=table(rows)) == 0
    assert encoded == ["a.mp4", "b.mkv", "b.mkv", "b.mkv"]  # whole, 0.5 s and 1 s of it
    alone = ["in/a.mp4", "-o", "alone.wav", "--seed", "2", "--prompt", "metal", *STEPS]
    assert main(["generate", *alone]) == 0
    assert Path("alone.wav").read_bytes() == Path("out/a2.wav").read_bytes()


def test_clips_are_shared_out_by_video():
    clips = [Clip(Path(f"{k % 2}.mp4"), "", f"{k}", Request()) for k in range(6)]
    assert [[c.output for c in g] for g in groups_of(clips, 1)] == [
        ["0", "2", "4"],
        ["1", "3", "5"],
    ]
    assert [len(group) for group in groups_of(clips, 3)] == [2, 1, 2, 1]
    assert [len(group) for group in groups_of(clips[:1], 4)] == [1]


def test_a_cancel_ends_a_batch_with_what_is_done(place):
    settings, told = Settings(Path("out")), []
    clips = list_clips("in", settings, Request(steps=1)).clips
    with pytest.raises(Cancelled):
        run_batch(
            clips,
            settings,
            told=lambda record, tally: told.append(record),
            cancelled=lambda: len(told) > 1,
        )
    assert len(lines()) == len(written()) == 1
    assert run_batch(clips, settings).done == 3


def test_warnings_are_said_of_their_clip(place, capsys, monkeypatch):
    from foleystage.core.batch import making

    generate = making.generate
    monkeypatch.setattr(
        making, "generate", lambda *a, **k: making.log.warning("a\x1b note") or generate(*a, **k)
    )
    assert batch() == 0
    assert capsys.readouterr().err.splitlines() == [f"{name}: a\\x1b note" for name in NAMES]
    assert lines()[0]["notes"] == ["a\x1b note"]


def test_a_cluster_without_ray_is_a_sentence(place, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    assert batch("--cluster") == 2
    assert 'pip install "foleystage[cluster]"' in capsys.readouterr().err


def test_formats_that_are_offered_are_those_that_can_be_written(capsys):
    with pytest.raises(SystemExit):
        main(["batch", "--help"])
    offered = capsys.readouterr().out.partition("--format {")[2].partition("}")[0].split(",")
    from foleystage.core.media.formats import SOUND_FILES, VIDEO_FILES

    assert [f".{name}" for name in offered] == [*VIDEO_FILES, *SOUND_FILES]


def test_a_row_plays_its_cue_sheet(place):
    from foleystage.core.cues import CueSheet, Hit, write_cues

    write_cues("hits.json", CueSheet(hits=(Hit(0.5),)))
    rows = table("video,cues,output\nin/a.mp4,hits.json,hits.wav\nin/a.mp4,,seen.wav\n")
    assert batch(source=rows) == 0
    first = written()
    write_cues("hits.json", CueSheet(hits=(Hit(0.4),)))
    assert batch(source=rows) == 0
    again = written()
    assert first["seen.wav"] == again["seen.wav"] and first["hits.wav"] != again["hits.wav"]
