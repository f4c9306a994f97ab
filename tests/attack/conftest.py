"""Bounds that every case of the corpus keeps."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import media_files  # noqa: E402

MOST_MEMORY = 700e6  # bytes that one case may add
MOST_SECONDS = 20.0


@pytest.fixture(autouse=True)
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
