"""Figures of MDSGen's sizes and grids (arXiv 2410.02130, table 1 and section 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..errors import FoleyError
from .base import LENGTH_SLACK, GeneratorConfig, LatentSpec, Lengths, StreamSpec

Pooling = Literal["learned", "average", "attention", "none"]


@dataclass(frozen=True)
class MDSGenConfig(GeneratorConfig):
    """Figures of one network.

    The latent is a picture of `channels` x `frames` x `rows`: codec frames over time, frequency
    rows. `time_first`: which of its two axes comes first, as the codec's autoencoder has it.
    `latent_scale`: what a codec latent is multiplied by. `decode_layer`: blocks after the place
    where masked tokens come back. `pooling`: how the Reducer makes one vector of the video's
    frames; "none" keeps them all, each for the tokens of its time (not in the paper's model).
    `stream`, `stream_width`, `meaning`: of what it is conditioned on, at `video_fps`; width None:
    `video_dim`.
    """

    codec: str
    channels: int
    frames: int
    rows: int
    time_first: bool
    sample_rate: int
    samples_per_latent: int
    latent_scale: float
    depth: int = 12
    hidden_dim: int = 768
    num_heads: int = 12
    decode_layer: int = 4
    patch: tuple[int, int] = (2, 2)
    mlp_ratio: float = 4.0
    learn_sigma: bool = True
    side_block: bool = True
    video_frames: int = 32
    video_dim: int = 512
    video_fps: float = 4.0
    pooling: Pooling = "learned"
    window_step: float = 1.0
    stream: str = "cavp"
    stream_width: int | None = None
    meaning: str = "what is in the picture, and when"
    any_length = False  # one pass makes the trained length alone

    @property
    def latent(self) -> LatentSpec:  # type: ignore[override]
        rate = self.sample_rate / self.samples_per_latent
        return LatentSpec(self.codec, self.channels * self.rows, rate, self.sample_rate)

    @property
    def streams(self) -> tuple[StreamSpec, ...]:  # type: ignore[override]
        width = self.video_dim if self.stream_width is None else self.stream_width
        # A missing one adds nothing to the time's vector.
        null: Literal["zeros"] = "zeros"
        return (StreamSpec(self.stream, width, self.video_fps, null=null, meaning=self.meaning),)

    @property
    def trained_seconds(self) -> float:  # type: ignore[override]
        """Length of the one take that the network makes: 8.16 s or 8.192 s as published."""
        return self.frames / self.latent.rate

    @property
    def picture(self) -> tuple[int, int]:
        """Height and width of the latent as the network patches it."""
        return (self.frames, self.rows) if self.time_first else (self.rows, self.frames)

    @property
    def grid(self) -> tuple[int, int]:
        """Tokens along both axes."""
        height, width = self.picture
        return height // self.patch[0], width // self.patch[1]

    @property
    def tokens(self) -> int:
        return math.prod(self.grid)

    @property
    def time_steps(self) -> int:
        """Tokens along time."""
        return self.grid[0] if self.time_first else self.grid[1]

    @property
    def out_channels(self) -> int:
        """Noise, and with `learn_sigma` as many numbers of its variance."""
        return self.channels * (2 if self.learn_sigma else 1)

    def round_up_seconds(self, seconds: float) -> float:
        """The shortest take of at least `seconds`: one window, or several on the grid."""
        if not math.isfinite(seconds) or seconds <= 0:
            raise FoleyError(f"A take must be longer than 0 s, not {seconds:g} s.")
        extra = max(seconds - self.trained_seconds, 0.0) / self.window_step
        return self.trained_seconds + math.ceil(extra - LENGTH_SLACK) * self.window_step

    def lengths(self, seconds: float | None = None) -> Lengths:
        """Lengths of a take of `round_up_seconds(seconds)`; None is one window."""
        made = self.trained_seconds if seconds is None else self.round_up_seconds(seconds)
        return super().lengths(made)


AUDIO_GRID = MDSGenConfig(
    codec="audioldm_codec",
    channels=8,
    frames=204,
    rows=16,
    time_first=True,
    sample_rate=16000,
    samples_per_latent=640,
    latent_scale=4.0,
)
# 1.024 s are 8 latent frames, a whole number.
IMAGE_GRID = MDSGenConfig(
    codec="image_vae_codec",
    channels=4,
    frames=64,
    rows=16,
    time_first=False,
    sample_rate=16000,
    samples_per_latent=2048,
    latent_scale=0.18215,
    window_step=1.024,
)

_SIZES: dict[str, dict[str, Any]] = {
    "t": {"depth": 12, "hidden_dim": 192, "num_heads": 3},
    "s": {"depth": 12, "hidden_dim": 384, "num_heads": 6},
    "b": {"depth": 12, "hidden_dim": 768, "num_heads": 12},
    "l": {"depth": 24, "hidden_dim": 1024, "num_heads": 16},
}
_GRIDS = {"audioldm": AUDIO_GRID, "image-vae": IMAGE_GRID}


def mdsgen_config(size: str, codec: str = "audioldm") -> MDSGenConfig:
    """The paper's size "t", "s", "b" or "l" on the latent of "audioldm" or "image-vae"."""
    if size not in _SIZES or codec not in _GRIDS:
        raise FoleyError(
            f"There is no MDSGen of size '{size}' for the codec '{codec}'; sizes are t, s, b and "
            "l, codecs audioldm and image-vae."
        )
    return replace(_GRIDS[codec], **_SIZES[size])
