"""What a run may write: planned before any work, all of it or nothing, never a source."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from command import QUICK, ROOT, contents
from foleystage.cli import main
from foleystage.core import leftovers
from foleystage.core.errors import FoleyError
from foleystage.core.media import files, mux, write_audio
from foleystage.core.media.files import write_beside, write_together
from foleystage.core.results import plot
from foleystage.core.results.planning import plan_outputs
from foleystage.core.weights.files import save

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX files")
CJK = "\u91d1"

# Name, what is made first ("link", "hard", "pipe", "device", "folder", "loop": of a name), the
# arguments, and what the sentence says. v.mp4, r.wav and w.pth are there, s_2.* are copies.
REFUSED = (
    ("the video", (), "v.mp4 -o v.mp4", "is the source itself"),
    (
        "the video, spelled otherwise",
        ("folder d",),
        "v.mp4 -o ./d/../v.mp4",
        "is the source itself",
    ),
    ("the video by a link", ("link o.mp4 v.mp4",), "v.mp4 -o o.mp4", "is the source itself"),
    ("a link that is the video", ("link i.mp4 v.mp4",), "i.mp4 -o v.mp4", "is the source itself"),
    ("the video by a hard link", ("hard o.mp4 v.mp4",), "v.mp4 -o o.mp4", "is the source itself"),
    ("the reference", (), "v.mp4 -o r.wav --reference r.wav", "is the source itself"),
    ("a video as reference", (), "v.mp4 -o s_2.mp4 --reference s_2.mp4", "is the source itself"),
    (
        "the reference by a link",
        ("link o.wav r.wav",),
        "v.mp4 -o o.wav --reference r.wav",
        "is the source itself",
    ),
    (
        "the reference by a hard link",
        ("hard o.wav r.wav",),
        "v.mp4 -o o.wav --reference r.wav",
        "is the source itself",
    ),
    ("the reference of words", (), "-o r.wav --reference r.wav", "is the source itself"),
    ("the context", (), "v.mp4 -o r.wav --context r.wav", "is the source itself"),
    ("a part", ("hard o.wav w.pth",), "v.mp4 -o o.wav --part vae=w.pth", "is the source itself"),
    ("the weights", ("hard o.wav w.pth",), "v.mp4 -o o.wav --model w.pth", "is the source itself"),
    ("take 2: the video", (), "s_2.mp4 -o s.mp4 --takes 2", "'s_2.mp4' is the source itself"),
    ("take 2: the reference", (), "v.mp4 -o s.wav --takes 3 --reference s_2.wav", "s_2.wav' is"),
    ("take 2: the context", (), "v.mp4 -o s.wav --takes 2 --context s_2.wav", "s_2.wav' is"),
    ("take 2: a folder", ("folder o_2.wav",), "v.mp4 -o o.wav --takes 2", "'o_2.wav' is a folder"),
    ("the plot: the video", (), "s_2.png -o o.mp4 --plot s_2.png", "is the source itself"),
    ("the plot of take 2", (), "s_2.png -o o.mp4 --plot s.png --takes 2", "is the source itself"),
    (
        "the plot: the reference",
        ("hard r.png r.wav",),
        "v.mp4 -o o.wav --plot r.png --reference r.png",
        "is the source itself",
    ),
    ("the plot: a folder", ("folder p.png",), "v.mp4 -o o.wav --plot p.png", "is a folder"),
    ("the plot: nowhere", (), "v.mp4 -o o.wav --plot no/p.png", "There is no folder 'no'"),
    ("the plot: no picture", (), "v.mp4 -o o.wav --plot p.jpg", "must end in .png"),
    ("the plot: no name", (), ("v.mp4", "-o", "o.wav", "--plot", ""), "must end in .png"),
    ("a folder", ("folder o.wav",), "v.mp4 -o o.wav", "is a folder"),
    ("a folder by a link", ("folder d", "link o.wav d"), "v.mp4 -o o.wav", "is a folder"),
    ("no folder", (), "v.mp4 -o no/o.wav", "There is no folder 'no'"),
    ("in a file", (), "v.mp4 -o v.mp4/o.wav", "There is no folder 'v.mp4'"),
    ("a pipe", ("pipe o.wav",), "v.mp4 -o o.wav", "is a pipe or a device"),
    ("the plot: a pipe", ("pipe p.png",), "v.mp4 -o o.wav --plot p.png", "is a pipe or a device"),
    ("a device", ("link o.wav /dev/null",), "v.mp4 -o o.wav", "is a pipe or a device"),
    ("a link to itself", ("loop o.wav",), "v.mp4 -o o.wav", "could not be written"),
    ("another kind", (), "v.mp4 -o o.ogg", "must end in"),
    ("no kind", (), "v.mp4 -o out", "must end in"),
    ("a kind alone", (), "v.mp4 -o .wav", "must end in"),
    ("nothing", (), ("v.mp4", "-o", ""), "must end in"),
    ("256 bytes", (), f"v.mp4 -o {'n' * 252}.wav", "too long a name"),
    ("258 bytes, 90 characters", (), f"v.mp4 -o {CJK * 84}nn.wav", "too long a name"),
    ("254 bytes and a number", (), f"v.mp4 -o {'n' * 250}.wav --takes 2", "too long a name"),
    ("a plot of 256 bytes", (), f"v.mp4 -o o.wav --plot {'n' * 252}.png", "too long a name"),
    ("4096 bytes", ("folder d",), f"v.mp4 -o {'d/../' * 819}o.wav", "too long a name"),
    ("no files are made there", (), "v.mp4 -o /proc/o.wav", "could not be written"),
    ("a plot where none is made", (), "v.mp4 -o o.wav --plot /proc/p.png", "could not be written"),
    (
        "a file that may be swept",
        ("hard .foleystage-0123abcd-0123abcd.tmp v.mp4",),
        ".foleystage-0123abcd-0123abcd.tmp -o o.wav",
        "a run that died",
    ),
)


@pytest.fixture
def folder(tmp_path, film, sound, monkeypatch) -> Path:
    """Where the command runs; its sources are there."""
    folder = tmp_path / "here"
    folder.mkdir()
    for source, names in ((film, ("v.mp4", "s_2.mp4", "s_2.png")), (sound, ("r.wav", "s_2.wav"))):
        for name in names:
            shutil.copy(source, folder / name)
    (folder / "w.pth").write_bytes(b"weights")
    monkeypatch.chdir(folder)
    return folder


def prepare(word: str, name: str, target: str = "") -> None:
    if word == "link":
        os.symlink(target, name)
    elif word == "hard":
        os.link(target, name)
    elif word == "pipe":
        os.mkfifo(name)
    elif word == "folder":
        os.mkdir(name)
    else:
        os.symlink(name, name)


@POSIX
@pytest.mark.parametrize("made, arguments, says", [c[1:] for c in REFUSED], ids=[*zip(*REFUSED)][0])
def test_a_refusal_comes_before_any_work_and_writes_nothing(
    folder, capsys, monkeypatch, made, arguments, says
):
    if "/proc" in arguments and not Path("/proc/self").exists():
        pytest.skip("needs a folder that takes no files")
    for line in made:
        prepare(*line.split())
    monkeypatch.setattr("foleystage.core.loading.load_model", lambda *_: pytest.fail("loaded"))
    before = contents(folder)
    arguments = arguments.split(" ") if isinstance(arguments, str) else arguments
    assert main(["generate", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("foleystage: ") and says in lines[0]
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("output", "plot_name", "says"),
    [
        ("o\ud800.wav", None, "is no name for a file here"),
        ("o\0.wav", None, "is no name for a file here"),
        ("o.png", "o.png", "would be written twice"),
        ("o.png", "./o.PNG", "would be written twice"),
    ],
)
def test_names_that_only_a_program_gives_are_refused(folder, output, plot_name, says):
    with pytest.raises(FoleyError, match=says):
        plan_outputs(output, (".wav", ".png"), plot=plot_name)


def test_what_is_not_there_yet_is_planned(folder):
    there, reads = contents(folder), ["v.mp4", folder / "r.wav", "missing.wav", "o\0.wav"]
    plan = plan_outputs("d.x.MP4", (".mp4",), takes=2, plot="p.png", reads=reads)
    assert [*map(str, plan.takes)] == ["d.x_1.MP4", "d.x_2.MP4"]
    assert [*map(str, plan.plots)] == ["p_1.png", "p_2.png"]
    plan = plan_outputs("s_2.wav", (".wav",), reads=reads)  # an older take
    assert [*map(str, plan.takes)] == ["s_2.wav"] and plan.plots == ()
    assert contents(folder) == there


@pytest.mark.parametrize("stem", ["n" * 251, CJK * 83 + "nn"])
def test_the_longest_names_are_written(folder, stem):
    waveform = torch.full((1, 16000), 0.25)
    write_audio(f"{stem}.wav", waveform, 16000)
    mux("v.mp4", waveform, 16000, f"{stem}.mp4")
    plot.plot_take("v.mp4", waveform, 16000, f"{stem}.png")
    names = {f"{stem}{suffix}" for suffix in (".wav", ".mp4", ".png")}
    assert set(contents(folder)) == {"v.mp4", "s_2.mp4", "s_2.png", "r.wav", "s_2.wav", "w.pth"} | (
        names
    )


def _fail_at(name: str):
    """A Sink whose disk is full when `name` is written."""
    write = files.Sink.write

    def write_or_fail(self, data):
        if self.path.name == name:
            self.error = OSError(errno.ENOSPC, "No space left on device")
            raise self.error
        return write(self, data)

    return write_or_fail


@pytest.mark.parametrize("full_at", ["o_2.mp4", "p_1.png", "p_2.png"])
def test_a_disk_that_is_full_at_last_leaves_all_as_it_was(folder, capsys, monkeypatch, full_at):
    (folder / "o_1.mp4").write_text("an older take")
    before = contents(folder)
    monkeypatch.setattr(files.Sink, "write", _fail_at(full_at))
    arguments = ["v.mp4", "-o", "o.mp4", "--takes", "2", "--plot", "p.png", *QUICK]
    assert main(["generate", *arguments]) == 2
    assert f"The disk is full: '{full_at}' was not written" in capsys.readouterr().err
    assert contents(folder) == before


def test_what_matplotlib_cannot_keep_on_a_full_disk_is_a_sentence(folder, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = contents(folder)
    monkeypatch.setattr(plot, "_figure", fail)
    with pytest.raises(FoleyError, match=r"The disk is full: 'p\.png'"):
        plot.plot_take("v.mp4", torch.zeros(1, 16000), 16000, "p.png")
    assert contents(folder) == before


def test_files_that_are_written_together_appear_together(folder):
    with pytest.raises(KeyError), write_together():
        with write_beside("a.bin") as sink:
            sink.write(b"a")
        with write_beside("b.bin") as sink:
            sink.write(b"b")
            raise KeyError
    assert not {"a.bin", "b.bin"} & set(os.listdir())
    with write_together():
        for name in ("a.bin", "b.bin"):
            with write_beside(name) as sink:
                sink.write(b"whole")
            assert not Path(name).exists()
    assert Path("a.bin").read_bytes() == Path("b.bin").read_bytes() == b"whole"
    assert not [name for name in os.listdir() if name.startswith(".")]


def test_a_place_that_is_taken_meanwhile_keeps_all_others_free(folder):
    with pytest.raises(FoleyError, match="is a folder"), write_together():
        for name in ("a.bin", "b.bin"):
            with write_beside(name) as sink:
                sink.write(b"whole")
        os.mkdir("b.bin")
    assert not Path("a.bin").exists() and not os.listdir("b.bin")


HOLDER = (
    "import sys, time, types; from pathlib import Path; package = types.ModuleType('foleystage'); "
    "package.__path__ = [sys.argv[1]]; sys.modules['foleystage'] = package; "
    "from foleystage.core.leftovers import create_temporary, temporary_folder; "
)
HOLDERS = {
    "file": "path, file = create_temporary(Path('.')); file.write(b'half'); file.flush(); ",
    "folder": "held = temporary_folder(Path('.')); path = held.__enter__(); "
    "(path / 'half').touch(); ",
}


@pytest.fixture(params=HOLDERS)
def holder(folder, request):
    """A process that is writing a file, or files in a folder, and its name."""
    wait = "print(path, flush=True); time.sleep(60)"
    command = [sys.executable, "-c", HOLDER + HOLDERS[request.param] + wait, str(ROOT)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


@POSIX
def test_what_a_dead_process_left_is_swept_and_nothing_that_lives(folder, holder):
    process, name = holder
    leftovers.sweep(folder)
    assert Path(name).exists()
    process.kill()
    process.wait()
    assert Path(name).exists()
    leftovers.sweep(folder)
    assert not Path(name).exists()


@POSIX
@pytest.mark.parametrize("way", ["generate", "write_audio", "scene", "weights"])
def test_every_way_to_write_sweeps_first(folder, holder, way):
    process, name = holder
    process.kill()
    process.wait()
    leftovers.sweep_once.cache_clear()
    if way == "write_audio":
        write_audio("o.wav", torch.zeros(1, 100), 8000)
    elif way == "generate":
        plan_outputs("o.wav", (".wav",))
    elif way == "weights":
        save("o.safetensors", {"a": torch.zeros(1)}, {})
    else:
        assert main(["scene", "1", "-o", "o.mp4", "--seconds", "0.5", "--height", "32"]) == 0
    assert not Path(name).exists()


OTHERS = (
    ".foleystage-0123abcd.tmp",
    ".foleystage-0123abcd-0123abcd.wav",
    ".foleystage-0123ABCD-0123abcd.tmp",
    "x.foleystage-0123abcd-0123abcd.tmp",
    ".foleystage-0123abcd-0123abcd.tmp.bak",
    ".hidden.tmp",
)


@POSIX
def test_only_our_own_files_are_swept(folder):
    ours = f".foleystage-{leftovers._HOST}-%08x.tmp"
    for name in OTHERS:
        Path(name).write_text("not ours")
    os.mkdir(ours % 1)
    os.symlink("v.mp4", ours % 2)
    os.symlink("nowhere", ours % 3)
    before = contents(folder)
    Path(ours % 4).touch()
    leftovers.sweep(folder)
    assert contents(folder) == before


@POSIX
@pytest.mark.parametrize("locks", [True, False], ids=["locks", "no locks"])
@pytest.mark.parametrize("host", ["own", "other"])
@pytest.mark.parametrize("days", [0, 2])
def test_what_may_be_alive_elsewhere_is_left_for_a_day(folder, monkeypatch, locks, host, days):
    path = Path(f".foleystage-{leftovers._HOST if host == 'own' else '0' * 8}-0123abcd.tmp")
    path.touch()
    os.utime(path, (time.time() - days * 86400,) * 2)
    if not locks:
        monkeypatch.setattr(leftovers, "lock", lambda file: None)
    leftovers.sweep(folder)
    assert path.exists() == (days == 0 and not (locks and host == "own"))


def test_a_sweep_between_creation_and_lock_costs_one_more_try(folder, monkeypatch):
    lock, made = leftovers.lock, []

    def sweep_before(file):
        made.append(file.name)
        if len(made) == 1:
            os.unlink(file.name)
        return lock(file)

    monkeypatch.setattr(leftovers, "lock", sweep_before)
    path, file = leftovers.create_temporary(folder)
    with file:
        assert path.exists() and len(made) == 2
