"""A batch that is stopped or killed at any moment: every clip is made once, and whole."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from batch_runs import POINTS, ROOT, Runs
from foleystage.core.media import read_audio
from foleystage.core.scenes import sample_scene
from foleystage.core.scenes.files import write_picture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="POSIX signals"),
]
CLIPS = 8
KILLS = 10
QUICK = ("--steps", "1", "--seed", "3")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "in").mkdir()
    for seed in range(CLIPS):
        scene = sample_scene(seed, "test", seconds=0.6, hard=False, kinds=("hammer",))
        write_picture(scene, folder / "in" / f"{seed}.mp4", 48, silent=True)
    made = Runs(folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def unkilled(runs) -> Path:
    """The outputs of a run that nothing stops."""
    assert runs("in", "-o", "whole", *QUICK) == 0, runs.printed.read_text()
    return runs.folder / "whole"


@pytest.fixture
def out(runs) -> Path:
    shutil.rmtree(runs.folder / "out", ignore_errors=True)
    return runs.folder / "out"


def finals(out: Path) -> dict[str, tuple[int, int]]:
    """Files under a final name, with what tells one from another that took its place."""
    found = {path.name: path.stat() for path in out.glob("*.mp4")} if out.exists() else {}
    return {name: (about.st_ino, about.st_mtime_ns) for name, about in found.items()}


def done(out: Path) -> list[str]:
    """Outputs that whole lines of the manifest say are done."""
    with contextlib.suppress(FileNotFoundError):
        lines = (out / "manifest.jsonl").read_bytes().split(b"\n")[:-1]
        return [json.loads(line)["output"] for line in lines]
    return []


def is_past(out: Path, count: int, seconds: float) -> bool:
    """Whether more than `count` clips are entered; says so after some time."""
    past = len(done(out)) > count
    time.sleep(seconds * past)
    return past


def check_all_there(out: Path, unkilled: Path) -> None:
    """Fails unless each clip is there once, as without a kill, and nothing else."""
    names = sorted(f"{seed}.mp4" for seed in range(CLIPS))
    assert sorted(finals(out)) == sorted(done(out)) == names
    assert sorted(path.name for path in out.iterdir()) == [*names, "manifest.jsonl"]
    for name in names:
        assert torch.equal(read_audio(out / name)[0], read_audio(unkilled / name)[0]), name


def test_kills_at_any_moment(runs, out, unkilled):
    seen: dict[str, tuple[int, int]] = {}
    for kill in range(KILLS):
        # Some time after the begin, or soon after one more clip was entered.
        when = 0.08 * kill if kill % 2 else partial(is_past, out, len(done(out)), 0.015 * kill)
        runs("in", "-o", "out", *QUICK, number=signal.SIGKILL, when=when)
        now = finals(out)
        assert seen.items() <= now.items(), "a clip that was there was made again"
        for name in now:
            whole = read_audio(unkilled / name)[0]
            assert read_audio(out / name)[0].shape == whole.shape
        seen = now
    assert runs("in", "-o", "out", *QUICK) == 0, runs.printed.read_text()
    assert seen.items() <= finals(out).items()
    check_all_there(out, unkilled)


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_the_worst_moment(runs, out, unkilled, point):
    given = ("in", "-o", "out", *QUICK)
    assert runs(*given, point=point, clip=2) == -signal.SIGKILL
    there, entered = finals(out), done(out)
    assert len(entered) == 2
    assert len(there) == (2 if point in POINTS[:2] else 3)
    assert runs(*given) == 0, runs.printed.read_text()
    assert there.items() <= finals(out).items(), "a clip that was there was made again"
    before = len(there)
    assert f"{CLIPS - before} made, {before} done before" in runs.printed.read_text()
    check_all_there(out, unkilled)


def test_what_changed_after_a_kill_is_not_taken_for_what_was_made(runs, out, unkilled):
    given = ("in", "-o", "out", *QUICK)
    assert runs(*given, point=POINTS[2], clip=0) == -signal.SIGKILL
    (name,) = finals(out)
    (out / name).write_bytes(b"something else")
    assert runs(*given) == 0
    check_all_there(out, unkilled)


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_stop_says_how_far_it_came(runs, out, name, status):
    number = getattr(signal, name)
    given = ("in", "-o", "out", *QUICK)
    assert runs(*given, number=number, when=lambda: len(done(out)) >= 2) == status
    count = len(finals(out))
    assert 2 <= count < CLIPS
    said = f"foleystage: stopped; {count} of {CLIPS} clips are done; the same command goes on."
    assert runs.printed.read_text().splitlines()[-2:] == ["", said]
    assert not list(out.glob(".*"))


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """A run whose own processes find this tree."""
    path = folder / "path"
    path.mkdir(exist_ok=True)
    if not (path / "foleystage").exists():
        (path / "foleystage").symlink_to(ROOT)
    return subprocess.Popen(
        [sys.executable, "-m", "foleystage", "batch", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def have_ended(processes: list[int], seconds: float = 10.0) -> bool:
    """Whether all end soon; one that nobody has waited for yet has."""
    until = time.monotonic() + seconds

    def lives(process: int) -> bool:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return False

    while any(map(lives, processes)):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def until_done(out: Path, count: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + 60
    while len(done(out)) < count and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)


def test_two_processes_make_the_same(runs, out, unkilled):
    process = start(runs.folder, "in", "-o", "out", "--processes", "2", *QUICK)
    printed, error = process.communicate(timeout=120)
    assert (process.returncode, printed) == (0, f"{CLIPS} clips: {CLIPS} made\n"), error
    check_all_there(out, unkilled)


@pytest.mark.parametrize(("name", "status"), [("SIGKILL", -9), ("SIGINT", 130)])
def test_processes_end_with_the_one_that_began_them(runs, out, unkilled, name, status):
    process = start(runs.folder, "in", "-o", "out", "--processes", "2", *QUICK)
    until_done(out, 2, process)
    begun = children(process.pid)
    if name == "SIGINT":
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    else:
        process.kill()
    _, error = process.communicate(timeout=30)
    assert process.returncode == status
    assert have_ended(begun)
    if name != "SIGKILL":
        *notes, blank, stop = error.splitlines()
        assert blank == "" and all("sees no hit" in note for note in notes), error
        assert "stopped; " in stop and f"of {CLIPS} clips are done; the same" in stop
        assert not list(out.glob(".*"))
    there = finals(out)
    assert len(there) >= 2
    assert runs("in", "-o", "out", *QUICK) == 0, runs.printed.read_text()
    assert there.items() <= finals(out).items(), "a clip that was there was made again"
    check_all_there(out, unkilled)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="tells children by /proc")
def test_a_process_that_is_killed_costs_its_clip_alone(runs, out, unkilled):
    process = start(runs.folder, "in", "-o", "out", "--processes", "2", *QUICK, "--steps", "40")
    until_done(out, 1, process)
    # The first child keeps track of shared memory for Python.
    os.kill(max(children(process.pid)), signal.SIGKILL)
    printed, error = process.communicate(timeout=120)
    assert process.returncode in (0, 1)  # between two clips it costs none
    assert f"{CLIPS} clips: " in printed and "left" not in printed
    if process.returncode:
        assert f"{CLIPS - 1} made, 1 failed" in printed
        assert "failed: The process that made it ended (status -9)" in error
    assert len(finals(out)) == CLIPS - process.returncode
    assert not list(out.glob(".*"))


def test_a_cluster_of_one_machine(runs, out, unkilled):
    pytest.importorskip("ray")
    process = start(runs.folder, "in", "-o", "out", "--cluster", "--processes", "2", *QUICK)
    printed, error = process.communicate(timeout=300)
    assert (process.returncode, printed) == (0, f"{CLIPS} clips: {CLIPS} made\n"), error
    check_all_there(out, unkilled)
