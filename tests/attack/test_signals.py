"""Commands that are stopped or killed at any moment: no half-written file under a final name."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from command import QUICK, ROOT, contents, start
from foleystage.cli import main
from foleystage.cli.signals import Stopped, stoppable
from foleystage.core.media import probe, read_audio
from foleystage.core.media.files import write_beside
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
MOMENTS = 20
SIGNALS = ("SIGINT", "SIGTERM", "SIGKILL")
RECIPE = {
    "task": "codec",
    "figures": {"clips": 2, "clip_seconds": 1.0, "crop_latents": 8, "batch": 2},
    "loop": {"steps": 3, "learning_rate": 1e-3, "log_every": 1, "save_seconds": 0},
}
COMMANDS = {
    "generate": ("generate", "v.mp4", "-o", "o.mp4", "--takes", "2", "--plot", "p.png", *QUICK),
    "convert": ("convert", "w.pth", "-o", "w.safetensors"),
    "download": ("download", "small", "--folder", "models"),
    "train": ("train", "tiny.json"),
}


class Forked:
    """Runs of the command line in children of one process (`forked.py`)."""

    def __init__(self, environment: dict[str, str], printed: Path) -> None:
        self._environment, self.printed = environment, printed
        command = [sys.executable, str(Path(__file__).with_name("forked.py")), str(ROOT)]
        self._server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert self._server.stdout.readline() == "ready\n"

    def run(self, folder: Path, arguments, number: int = 0, after: float = 0.0) -> int:
        """Exit status of a run that gets a signal `after` so many seconds, unless it is 0."""
        self.printed.write_text("")
        asked = json.dumps([arguments, str(folder), str(self.printed), self._environment])
        print(asked, file=self._server.stdin, flush=True)
        process = int(self._server.stdout.readline())
        if number:
            time.sleep(after)
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(process, number)
        return int(self._server.stdout.readline())

    def close(self) -> None:
        self._server.communicate()


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    """With a hub that has the weights `small`."""
    pytest.importorskip("huggingface_hub")
    import fake_hub

    folder = tmp_path_factory.mktemp("forked")
    hub = fake_hub.FakeHub()
    hub.pace = 0.01
    save_file({"weight": torch.rand(1_000_000)}, folder / "n.safetensors")
    hub.add("a/b/n.safetensors", (folder / "n.safetensors").read_bytes())
    handler = type("Handler", (fake_hub._Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    environment = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "home"), "no_proxy": "*"}
    made = Forked(environment, folder / "printed")
    yield made
    made.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path, film) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copy(film, folder / "v.mp4")
    torch.save({"weight": torch.rand(5_000_000)}, folder / "w.pth")
    (folder / "tiny.json").write_text(json.dumps(RECIPE))
    return folder


SOURCES = {"v.mp4", "w.pth", "tiny.json"}


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def remove(paths: set[str], folder: Path) -> None:
    for path in paths:
        (folder / path).unlink(missing_ok=True)


def check_whole(path: Path) -> None:
    """Fails for a file that is not all of what its name says."""
    if path.suffix == ".mp4":
        assert probe(path).seconds == pytest.approx(1.0)
        assert read_audio(path)[0].shape[-1] == 32_000
    elif path.suffix == ".png":
        assert path.read_bytes()[-8:] == b"IEND\xaeB`\x82"
    elif path.suffix == ".safetensors":
        assert load_file(path)
    elif path.suffix == ".pt":
        assert torch.load(path, weights_only=True)["step"] > 0
    elif path.suffix == ".npy":
        import numpy

        assert numpy.load(path).size
    elif path.suffix == ".csv":
        assert path.read_text().endswith("\n")
    elif path.suffix == ".json":
        json.loads(path.read_text())
    else:
        pytest.fail(f"{path.name} is no final name")


def is_under_way(name: str) -> bool:
    """Whether a name says that its file is not finished."""
    return re.search(r"^(.*/)?\.foleystage-|\.part(\.json|\.lock)?$", name) is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_half_written_file_is_left_under_a_final_name(command, name, folder, forked):
    length = 60.0
    for _ in range(2):  # the first is slower
        remove(files_of(folder) - SOURCES, folder)
        began = time.monotonic()
        assert forked.run(folder, COMMANDS[command]) == 0, forked.printed.read_text()
        length = min(length, time.monotonic() - began)
    whole = files_of(folder)
    before = contents(folder)
    number = getattr(signal, name)
    allowed = {0, -number, 128 + number}
    for moment in range(MOMENTS):
        remove(whole - SOURCES, folder)
        after = length * (moment + 0.5) / MOMENTS
        status, printed = forked.run(folder, COMMANDS[command], number, after), forked.printed
        assert "Traceback" not in printed.read_text(), printed.read_text()
        assert "Exception ignored" not in printed.read_text(), printed.read_text()
        assert status in allowed
        left = files_of(folder)
        for path in left - SOURCES:
            if not is_under_way(path):
                check_whole(folder / path)
        if command == "generate" and name != "SIGKILL":
            assert not any(map(is_under_way, left)), left
    remove(whole - SOURCES, folder)
    assert forked.run(folder, COMMANDS[command]) == 0
    left = files_of(folder) - whole
    assert not left, left
    sources = {path: hash_ for path, hash_ in contents(folder).items() if path in SOURCES}
    assert sources.items() <= before.items()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("after", [0.3, 0.6, 0.9, 1.2, 1.5])
def test_a_signal_while_libraries_are_imported_ends_in_order(folder, name, after):
    process = start(folder, "generate", "v.mp4", "-o", "o.mp4", "--steps", "1000")
    time.sleep(after)
    process.send_signal(getattr(signal, name))
    _, error = process.communicate(timeout=30)
    assert process.returncode == 128 + getattr(signal, name)
    assert error.decode().splitlines() in ([], ["", "foleystage: stopped; nothing was written."])
    assert files_of(folder) == SOURCES


@pytest.mark.slow
def test_a_second_signal_ends_at_once(folder):
    process = start(folder, "generate", "v.mp4", "-o", "o.mp4", "--steps", "1000")
    time.sleep(3)
    for _ in range(5):
        process.send_signal(signal.SIGTERM)
    assert b"Traceback" not in process.communicate(timeout=10)[1]
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert not (folder / "o.mp4").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_main_ends_with_the_status_of_the_signal_and_gives_the_handlers_back(
    number, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(
        "foleystage.core.scenes.files.write_scene", lambda *_, **__: signal.raise_signal(number)
    )
    # What runs tests in the background has them ignore Ctrl-C.
    outer, heeded = signal.getsignal(number), signal.default_int_handler
    signal.signal(number, heeded)
    try:
        assert main(["scene", "1", "-o", str(tmp_path / "o.mp4")]) == 128 + number
        assert capsys.readouterr().err == "\nfoleystage: stopped; nothing was written.\n"
        assert signal.getsignal(number) is heeded
    finally:
        signal.signal(number, outer)


def test_what_a_library_makes_of_a_stop_is_one_all_the_same(monkeypatch, tmp_path):
    def fail(*_, **__):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as stopped:
            raise SystemError("returned a result with an exception set") from stopped

    monkeypatch.setattr("foleystage.core.scenes.files.write_scene", fail)
    assert main(["scene", "1", "-o", str(tmp_path / "o.mp4")]) == 143


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable([], to_the_end=False):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


class _Raising:
    """Asks for the end from where nothing can be raised."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_in_a_destructor_is_not_lost(capsys):
    with pytest.raises(Stopped), stoppable([], to_the_end=False):
        _Raising()
        time.sleep(5)
        pytest.fail("lost")
    assert capsys.readouterr().err == ""


def test_a_signal_in_what_a_muxer_calls_waits_for_its_end(tmp_path, monkeypatch):
    class Figure:
        """One that draws itself as matplotlib does: by calls of the sink."""

        def savefig(self, sink, **_) -> None:
            signal.raise_signal(signal.SIGTERM)
            sink.write(b"whole")
            drawn.append(True)

    drawn: list[bool] = []
    with pytest.raises(Stopped), stoppable([], to_the_end=False):
        with write_beside(tmp_path / "p.png") as sink:
            sink.draw(Figure(), dpi=90)
            time.sleep(5)
            pytest.fail("lost")
    assert drawn == [True] and not list(tmp_path.iterdir())
