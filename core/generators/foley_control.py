"""Foley Control (arXiv 2510.21581): Stable Audio Open, frozen, and a bridge to the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..layers import Layers
from .base import LATENT, Lengths, Prepared, Streams, StreamSpec, with_seen_rows
from .bridge import Bridge, BridgeConfig, foley_control_mini_bridge
from .mmaudio_config import SYNC_MEANING
from .stable_audio import StableAudio, StableAudioConfig, stable_audio_mini


@dataclass(frozen=True)
class FoleyControlConfig(StableAudioConfig):
    """Figures of the backbone, and of the bridge. always_conditioned: guidance keeps the picture on
    both sides, so that it leads to the words alone."""

    bridge: BridgeConfig = field(default_factory=BridgeConfig)
    always_conditioned: bool = True

    @property
    def streams(self) -> tuple[StreamSpec, ...]:  # type: ignore[override]
        bridge = self.bridge
        picture = StreamSpec(
            bridge.stream,
            bridge.video_dim,
            bridge.video_rate * bridge.places,
            bridge.places,
            null="zeros",
            always_conditioned=self.always_conditioned,
            meaning=SYNC_MEANING,
        )
        return (picture, *super().streams)

    @property
    def video_encoder(self) -> str:  # type: ignore[override]
        return self.bridge.encoder

    @property
    def trained_seconds(self) -> float:  # type: ignore[override]
        return min(self.longest, self.bridge.longest)

    @property
    def window_step(self) -> float:  # type: ignore[override]
        return 1 / self.bridge.video_rate


FOLEY_CONTROL = FoleyControlConfig()


def foley_control_mini(**figures: Any) -> FoleyControlConfig:
    """The small relative; any figure of the backbone can be replaced."""
    backbone = stable_audio_mini()
    return bridged(backbone, foley_control_mini_bridge(), **figures)


def bridged(
    backbone: StableAudioConfig, bridge: BridgeConfig, **figures: Any
) -> FoleyControlConfig:
    """The config of a backbone with a bridge. figures: of either kind, in the place of theirs."""
    own = {name: getattr(backbone, name) for name in StableAudioConfig.__dataclass_fields__}
    return replace(FoleyControlConfig(**own, bridge=bridge), **figures)


class FoleyControl(StableAudio):
    """Stable Audio and a bridge. Without a picture it is the backbone alone, bit for bit.

    Streams, optional: the picture's, as its bridge names it, and `text`.
    """

    config: FoleyControlConfig

    def _extend(self, layers: Layers) -> None:
        made = {"operations": layers.operations, **layers.factory}
        self.bridge = Bridge(self.config.bridge, **made)

    @torch.no_grad()
    def initialise(self, rng: torch.Generator) -> None:
        super().initialise(rng)
        self.bridge.initialise(rng)

    def prepare(
        self,
        streams: Streams,
        seconds: float | None = None,
        *,
        lengths: Lengths | None = None,
        batch: int | None = None,
    ) -> Prepared:
        """As `StableAudio.prepare`; batched also `video_keys`, `video_values` and `seen` [B],
        whether there is a picture; shared `video_turns`, where the bridge knows positions."""
        lengths = self.lengths(streams, seconds) if lengths is None else lengths
        given = self.check_streams(streams)
        c = self.config.bridge
        picture = streams.get(c.stream)
        rest = {name: value for name, value in streams.items() if name != c.stream}
        prepared = super().prepare(rest, lengths=lengths, batch=given or batch)
        size, like = prepared.batch, prepared.batched["length"]
        if picture is None or not picture.shape[1]:
            seen = float(c.null_video == "zeros")
            picture = like.new_zeros(size, max(lengths[c.stream], c.places), c.video_dim)
        else:
            seen = 1.0
        keys, values = self.bridge.keys_and_values(picture, self.config.latent.rate)
        batched: Mapping[str, Tensor] = {
            **prepared.batched,
            "video_keys": keys,
            "video_values": values,
            "seen": like.new_full((size,), seen),
        }
        shared = dict(prepared.shared)
        table = self.bridge.table(lengths[LATENT], keys.device)
        if table is not None:
            shared["video_turns"] = table
        return Prepared(batched, shared)

    def settled(self, prepared: Prepared) -> Prepared:
        """See `Generator.settled`: `rows`, those of the batch that have a picture."""
        return with_seen_rows(prepared)

    def _bridged(self, index: int, x: Tensor, prepared: Prepared) -> Tensor:
        batched, shared = prepared.batched, prepared.shared
        keys, values = batched["video_keys"][:, index], batched["video_values"][:, index]
        rows, table = shared.get("rows"), shared.get("video_turns")
        block = self.bridge.blocks[index]
        if rows is None:
            return x + block(x, keys, values, table) * batched["seen"].to(x)[:, None, None]
        if not len(rows):
            return x
        if len(rows) == len(x):
            return x + block(x, keys, values, table)
        return x.index_add(0, rows, block(x[rows], keys[rows], values[rows], table))
