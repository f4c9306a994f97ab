"""What the corpus shares: bounds, and small files for runs that only have to end."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import pytest
import torch
from foleystage.core.media import encode_frames, write_audio

sys.path.insert(0, str(Path(__file__).parent))

import media_files  # noqa: E402

MOST_MEMORY = 700e6  # bytes that one case may add
MOST_SECONDS = 20.0


@pytest.fixture
def within_bounds():
    """No case takes long or much memory."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    yield
    grown = 1000 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < MOST_MEMORY, f"{grown / 1e6:.0f} MB"
    assert time.monotonic() - start < MOST_SECONDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="module")
def plain(folder):
    return media_files.clip(folder / "plain.mkv")


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
