"""Damaged bytes of media: FOLEYSTAGE_FUZZ=1000 tries more seeds."""

from __future__ import annotations

import os
import random
import struct

import media_files as make
import pytest
from uses import RATE, everything

pytestmark = pytest.mark.usefixtures("within_bounds")

SEEDS = int(os.environ.get("FOLEYSTAGE_FUZZ", "60"))


@pytest.fixture(scope="module")
def fuzzed(media_folder):
    sound = {0: make.tone(RATE)}
    return [
        make.clip(media_folder / "f.mp4", b_frames=2, sound=sound, sound_codec="aac"),
        make.clip(media_folder / "f.mkv", sound=sound, sound_codec="flac"),
        make.clip(media_folder / "f.avi", codec="mpeg4", sound=sound, sound_codec="mp3"),
        make.wav(media_folder / "f.wav", struct.pack("<2000h", *range(2000)), rate=RATE, bits=16),
    ]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_damaged_bytes_end_in_a_result_or_a_sentence(seed, fuzzed, tmp_path):
    rng, source = random.Random(seed), fuzzed[seed % len(fuzzed)]
    data = bytearray(source.read_bytes())
    for _ in range(rng.choice([1, 4, 32, 256])):
        data[rng.randrange(len(data))] = rng.choice([0, 0xFF, rng.randrange(256)])
    if rng.random() < 0.3:
        del data[rng.randrange(len(data)) :]
    if rng.random() < 0.2:
        at = rng.randrange(len(data) or 1)
        data[at:at] = bytes(rng.randrange(256) for _ in range(64))
    path = tmp_path / source.name
    path.write_bytes(data)
    everything(path, tmp_path)
    assert path.read_bytes() == bytes(data) and not list(tmp_path.glob(".*"))
