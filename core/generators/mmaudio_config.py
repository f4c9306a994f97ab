"""Figures of the MMAudio family: one frozen config a size, lengths from seconds and rates."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..errors import FoleyError
from .base import LENGTH_SLACK, GeneratorConfig, LatentSpec, Lengths, StreamSpec

SYNC_MEANING = "when things happen in the picture"


@dataclass(frozen=True)
class MMAudioConfig(GeneratorConfig):
    """Figures of one network. `depth` counts all blocks, `fused_depth` the latent-only ones.

    `codec` is a row of the catalogue; `always_conditioned` names streams that guidance keeps.
    """

    codec: str
    latent_dim: int
    hidden_dim: int
    num_heads: int
    depth: int
    fused_depth: int
    sample_rate: int
    samples_per_latent: int
    v2: bool = False
    time_scale: float = 1.0
    clip_dim: int = 1024
    sync_dim: int = 768
    text_dim: int = 1024
    text_seq_len: int = 77
    mlp_ratio: float = 4.0
    mlp_multiple: int = 256
    clip_fps: float = 8.0
    sync_fps: float = 25.0
    sync_window: int = 16
    sync_step: int = 8
    sync_segment: int = 8
    sync_interpolation: Literal["nearest-exact", "linear"] = "nearest-exact"
    trained_seconds: float = 8.0
    seconds_step: float | None = None
    reference_samples: int = 0
    always_conditioned: tuple[str, ...] = ()

    @property
    def latent(self) -> LatentSpec:  # type: ignore[override]
        rate = self.sample_rate / self.samples_per_latent
        return LatentSpec(self.codec, self.latent_dim, rate, self.sample_rate)

    @property
    def streams(self) -> tuple[StreamSpec, ...]:  # type: ignore[override]
        """`sync`, `clip` and `text`; with a reference also `audio`, latents of the codec."""
        rate = self.sync_fps / self.sync_step * self.sync_segment
        found = [
            StreamSpec("sync", self.sync_dim, rate, self.sync_segment, meaning=SYNC_MEANING),
            StreamSpec("clip", self.clip_dim, self.clip_fps, meaning="what is in the picture"),
            StreamSpec("text", self.text_dim, meaning="the prompt"),
        ]
        if self.reference_samples:
            found.append(StreamSpec("audio", self.latent_dim, meaning="the reference sound"))
        kept = self.always_conditioned
        return tuple(replace(spec, always_conditioned=spec.name in kept) for spec in found)

    @property
    def window_step(self) -> float:  # type: ignore[override]
        return self.seconds_step or self.sync_step / self.sync_fps

    @property
    def mlp_dim(self) -> int:
        """Inner width of every gated MLP: two thirds of `mlp_ratio` times the width, rounded up."""
        wanted = 2 * int(self.mlp_ratio * self.hidden_dim) // 3
        return self.mlp_multiple * math.ceil(wanted / self.mlp_multiple)

    @property
    def time_dim(self) -> int:
        """Sinusoids of the time embedding, cosines and sines together."""
        return self.hidden_dim if self.v2 else 256

    @property
    def minimum_seconds(self) -> float:
        """Shortest take: one window of the sync encoder."""
        return self.sync_window / self.sync_fps

    def round_up_seconds(self, seconds: float) -> float:
        seconds = max(seconds, self.minimum_seconds)
        if self.seconds_step is None:
            return seconds
        return math.ceil(seconds / self.seconds_step - LENGTH_SLACK) * self.seconds_step

    def lengths(self, seconds: float) -> Lengths:
        """All lengths of a take of `seconds`.

        Raises:
            FoleyError: shorter than one sync window, not finite, or off the grid of
                `seconds_step`.
        """
        if not math.isfinite(seconds) or seconds < self.minimum_seconds - LENGTH_SLACK:
            raise FoleyError(
                f"A take of {seconds:g} s is too short for this model; "
                f"give it at least {self.minimum_seconds:g} s."
            )
        possible = self.round_up_seconds(seconds)
        if abs(possible - seconds) > LENGTH_SLACK:
            raise FoleyError(
                f"This model makes takes in steps of {self.seconds_step:g} s; "
                f"ask for {possible:g} s instead of {seconds:g} s."
            )
        lengths = {**super().lengths(seconds), "text": self.text_seq_len}
        lengths["sync"] = sync_length(self, seconds)
        if self.reference_samples:
            lengths["audio"] = math.ceil(self.reference_samples / self.samples_per_latent)
        return lengths


def sync_length(config: Any, seconds: float) -> int:
    """Features of as many windows of the sync encoder as fit. config: see `MMAudioConfig`."""
    steps = (config.sync_fps * seconds - config.sync_window) / config.sync_step
    return (math.floor(steps + LENGTH_SLACK) + 1) * config.sync_segment


S16 = MMAudioConfig(
    codec="mmaudio_codec_16k",
    latent_dim=20,
    hidden_dim=448,
    num_heads=7,
    depth=12,
    fused_depth=8,
    sample_rate=16000,
    samples_per_latent=512,
)
S44 = replace(
    S16, codec="mmaudio_codec_44k", latent_dim=40, sample_rate=44100, samples_per_latent=1024
)
M44 = replace(S44, hidden_dim=896, num_heads=14)
L44 = replace(M44, depth=21, fused_depth=14)
L44_V2 = replace(L44, v2=True, time_scale=10000.0)
