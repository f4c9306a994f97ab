"""MDSGen in small: on our own mel picture, conditioned on the events of our own video encoder."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .mdsgen import MDSGen
from .mdsgen_config import MDSGenConfig
from .mmaudio_config import SYNC_MEANING

BIN_RATE = 50.0  # of its stream, bins a second
_EVENT_NUMBERS = 3  # chance of a hit, its strength, level of a continuous sound
_FRAMES = 80  # as many as there are tokens along time
_BINS = 4  # of one frame
_GRID = 0.16  # seconds: 5 latent frames, 8 bins of the encoder


def mdsgen_mini(**figures: Any) -> MDSGenConfig:
    """5.12 s of the mel picture, 80 frames of 4 bins as the video; figures can be replaced."""
    numbers = _BINS * _EVENT_NUMBERS
    config = {
        "codec": "mel_picture_codec",
        "channels": 4,
        "frames": 160,
        "rows": 8,
        "time_first": True,
        "sample_rate": 32000,
        "samples_per_latent": 1024,
        "latent_scale": 1.0,
        "depth": 4,
        "hidden_dim": 192,
        "num_heads": 6,
        "mlp_ratio": 3.0,
        "decode_layer": 2,
        "patch": (2, 4),
        "learn_sigma": False,
        "pooling": "none",
        "video_frames": _FRAMES,
        "video_fps": BIN_RATE,
        "window_step": _GRID,
        "stream": "sync",
        "stream_width": _EVENT_NUMBERS,
        "meaning": SYNC_MEANING,
        **figures,
    }
    width = 3 * numbers if config["pooling"] == "none" else _FRAMES * numbers
    return MDSGenConfig(**{"video_dim": width, **config})


class MDSGenMini(MDSGen):
    """MDSGen whose stream is `sync` [B, bins, 3] at 50 Hz.

    A Reducer adds frames up, so for it each frame has a place of its own in the feature vector, and
    so says when it is. Without one (pooling "none") a frame comes with its neighbours.
    """

    def features(self, stream: Tensor) -> Tensor:
        """`[B, 80, video_dim]`; a stream that is too short is filled with stillness."""
        bins = self.config.lengths()["sync"]
        chances = (stream[:, :bins] + 1) / 4
        chances = F.pad(chances, (0, 0, 0, max(bins - chances.shape[1], 0)))
        placed = F.interpolate(chances.transpose(1, 2), _FRAMES * _BINS, mode="linear")
        frames = placed.unflatten(2, (_FRAMES, _BINS)).permute(0, 2, 1, 3).flatten(2)
        if self.config.pooling == "none":
            around = F.pad(frames, (0, 0, 1, 1))
            return torch.cat((around[:, :-2], frames, around[:, 2:]), dim=2)
        placed = frames.new_zeros(len(frames), _FRAMES, *frames.shape[1:])
        placed.diagonal(dim1=1, dim2=2).copy_(frames.transpose(1, 2))
        return placed.flatten(2)

    def _at(self, features: Tensor, start: float) -> Tensor:
        first = round(start * BIN_RATE)
        return features[:, first : first + self.config.lengths()["sync"]]
