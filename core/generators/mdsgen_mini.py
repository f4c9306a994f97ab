"""MDSGen in small: on our own mel picture, told what happens when by our own video encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..encoders.foley_mini import BIN_RATE
from ..errors import FoleyError
from .mdsgen import MDSGen
from .mdsgen_config import MDSGenConfig

_EVENT_NUMBERS = 3  # chance of a hit, its strength, level of a continuous sound
_BINS_PER_FRAME = 8
_FRAMES = 32


def mdsgen_mini(**figures: Any) -> MDSGenConfig:
    """5.12 s of the mel picture; 32 frames of 8 moments as the video. Any figure can be replaced."""
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
        "video_frames": _FRAMES,
        "video_dim": _FRAMES * _BINS_PER_FRAME * _EVENT_NUMBERS,
        "video_fps": BIN_RATE / _BINS_PER_FRAME,
        "window_step": _BINS_PER_FRAME / BIN_RATE,
        "stream": "sync",
    }
    return MDSGenConfig(**{**config, **figures})


class MDSGenMini(MDSGen):
    """MDSGen whose stream is `sync` [B, bins, 99] at 50 Hz, of which the last 3 numbers are heard.

    The Reducer adds its frames up, so a frame must say itself when it is: each has a place of its
    own in the feature vector, where CAVP's frames know only what they show.
    """

    def features(self, conditions: Mapping[str, Tensor]) -> Tensor | None:
        """`[B, 32, 768]`; a stream that is too short is filled with stillness."""
        c = self.config
        self.check_conditions(conditions)
        if c.stream not in conditions:
            return None
        stream = conditions[c.stream]
        bins = c.video_frames * _BINS_PER_FRAME
        if stream.shape[2] < _EVENT_NUMBERS:
            raise FoleyError(
                f"This model needs the '{c.stream}' stream of the mini video encoder, but got one "
                f"of {stream.shape[2]} numbers."
            )
        if stream.shape[1] > bins + _BINS_PER_FRAME:
            raise FoleyError(
                f"One take of this model is {c.seconds:.2f} s, but the '{c.stream}' stream spans "
                f"{stream.shape[1] / BIN_RATE:.2f} s; make longer takes in windows."
            )
        if not stream.isfinite().all():
            raise FoleyError(
                f"The '{c.stream}' stream holds values that are not numbers; encode the video "
                "again."
            )
        frames = self._events(stream, bins).unflatten(1, (c.video_frames, -1)).flatten(2)
        placed = frames.new_zeros(*frames.shape[:2], *frames.shape[1:])
        placed.diagonal(dim1=1, dim2=2).copy_(frames.transpose(1, 2))
        return placed.flatten(2)

    @staticmethod
    def _events(stream: Tensor, bins: int) -> Tensor:
        """Chances 0 to 1, `[B, bins, 3]`."""
        chances = (stream[:, :bins, -_EVENT_NUMBERS:] + 1) / 4
        return F.pad(chances, (0, 0, 0, max(bins - chances.shape[1], 0)))

    def _at(self, features: Tensor, start: float) -> Tensor:
        first = round(start * BIN_RATE)
        return features[:, first : first + self.config.video_frames * _BINS_PER_FRAME]
