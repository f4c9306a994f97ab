"""Sounds and videos of a second or two, written by our own encoder."""

from __future__ import annotations

import torch
from foleystage.core.media import encode_frames, write_audio

RATE = 16000


def noise(seconds, seed=0):
    shape = (1, round(seconds * RATE))
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def write_noise(path, seconds, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, noise(seconds, seed), RATE)


def write_video(path, seconds=1.5, sound=True, fps=12):
    """A square that jumps, with noise."""
    frames = torch.zeros(round(seconds * fps), 64, 64, 3, dtype=torch.uint8)
    for number, frame in enumerate(frames):
        at = 8 * (number // 6 % 5)
        frame[at : at + 20, at : at + 20] = 255
    given = {"waveform": noise(seconds, 7), "sample_rate": RATE} if sound is True else {}
    if sound == "silent":
        given = {"waveform": torch.zeros(1, round(seconds * RATE)), "sample_rate": RATE}
    encode_frames(frames, fps, path, **given)
