"""What the corpus shares: what hostile input may cost, and small files for runs that only end."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from pathlib import Path

import pytest
import torch
from foleystage.core.media import encode_frames, write_audio

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "weights")]

import media_files  # noqa: E402
from fake_hub import folder, hub, row  # noqa: E402, F401

MOST_MEMORY = 700e6  # bytes that one case of media may add
MOST_SECONDS = 20.0
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_ROOM = 96 << 20
_TIMES = 4
_GROWTH = 3 << 30


def _memory(kind: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(kind))
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def _limited():
    """Address space for 3 GB more, so that what does not hold cannot take the machine down."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    if _STATUS.exists():
        resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") + _GROWTH, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def bounded():
    """bounded(size): a context in which memory grows by no more than 4 times the size, and a room
    for what is small, and which takes no more than seconds."""

    @contextlib.contextmanager
    def within(size: int, seconds: float = MOST_SECONDS):
        measured = _RESET.exists()
        if measured:
            _RESET.write_text("5")
            before = _memory("VmRSS")
        start = time.monotonic()
        with _limited():
            yield
        assert time.monotonic() - start < seconds
        if measured:
            assert _memory("VmHWM") - before <= _TIMES * size + _ROOM

    return within


@pytest.fixture
def within_bounds():
    """No case takes long or much memory."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    yield
    grown = 1000 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < MOST_MEMORY, f"{grown / 1e6:.0f} MB"
    assert time.monotonic() - start < MOST_SECONDS


@pytest.fixture(scope="module")
def media_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def plain(media_folder):
    return media_files.clip(media_folder / "plain.mkv")


@pytest.fixture(scope="session")
def film(tmp_path_factory) -> Path:
    """One second without sound."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    frames = torch.rand(25, 48, 64, 3, generator=torch.Generator().manual_seed(0))
    encode_frames(frames, 25.0, path)
    return path


@pytest.fixture(scope="session")
def sound(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    write_audio(path, 0.3 * torch.sin(torch.arange(32000) / 20)[None], 32000)
    return path
