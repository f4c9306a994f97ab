"""A small encoder."""

from __future__ import annotations

import torch
from foleystage.core.encoders.base import VideoEncoder, pixels, single_frames
from foleystage.core.media import FrameRequest


class MeanColour(VideoEncoder):
    """One feature a frame: its mean colour, through a matrix."""

    stream = "colour"
    width = 3

    def __init__(self, fps: float = 10.0, size: int = 8) -> None:
        super().__init__()
        self.frame_request = FrameRequest(fps=fps, size=size)
        self.rate = fps
        self.mix = torch.nn.Linear(3, 3)
        self.batches = 0

    def windows(self, count):
        return single_frames(count)

    def window_bytes(self, frames):
        return 100

    def encode_batch(self, frames):
        self.batches += 1
        return self.mix(pixels(frames, self.dtype, [0.0] * 3, [1.0] * 3).mean((-1, -2)))
