"""SpecMaskFoley (arXiv 2505.16195): a ControlNet of the picture on a frozen SpecMaskGIT.

Copies of the backbone's first blocks take its sequence and, through a layer that is zero at first,
the picture's features aligned to the columns of tokens (FT-Aligner, section 2.3); what each makes
is added behind the backbone's block of the same number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import Layers
from .base import Lengths, Prepared, Streams, StreamSpec, Window, with_seen_rows
from .mmaudio_config import SYNC_MEANING, sync_length
from .mmdit import GatedMLP, Projection, linear_or_conv
from .specmaskgit import Block, SpecMaskGIT, SpecMaskGITConfig

Projected = Literal["gated", "plain"]
Aligned = Literal["columns", "first row", "average"]


@dataclass(frozen=True)
class SpecMaskFoleyConfig(SpecMaskGITConfig):
    """Figures of backbone and branch.

    control_depth: blocks that are copied. projection: of the features, "gated" as MMAudio's or
    "plain"; the paper says a convolution, and the first has its number of parameters.
    projection_dim: inner width of the gated one. alignment: of features to tokens, "columns"
    (FT-Aligner), or two lesser ones to compare it with: the "first row" of tokens alone is told,
    or every token their "average" over time. sync_fps, sync_window, sync_step, sync_segment: of
    what Synchformer makes, see `MMAudioConfig`. clip_dim: 0 where there is no such stream.
    always_conditioned: streams that guidance keeps.
    """

    control_depth: int = 12
    projection: Projected = "gated"
    projection_dim: int = 2048
    alignment: Aligned = "columns"
    clip_dim: int = 1024
    clip_fps: float = 8.0
    sync_dim: int = 768
    sync_fps: float = 25.0
    sync_window: int = 16
    sync_step: int = 8
    sync_segment: int = 8
    always_conditioned: tuple[str, ...] = ()

    @property
    def streams(self) -> tuple[StreamSpec, ...]:  # type: ignore[override]
        rate = self.sync_fps / self.sync_step * self.sync_segment
        kept, segment = self.always_conditioned, self.sync_segment
        found = [StreamSpec("sync", self.sync_dim, rate, segment, meaning=SYNC_MEANING)]
        if self.clip_dim:
            meaning = "what is in the picture"
            found.append(StreamSpec("clip", self.clip_dim, self.clip_fps, meaning=meaning))
        found = [replace(s, null="zeros", always_conditioned=s.name in kept) for s in found]
        return (*found, *super().streams)

    def lengths(self, seconds: float) -> Lengths:
        return {**super().lengths(seconds), "sync": sync_length(self, seconds)}


SPECMASKFOLEY = SpecMaskFoleyConfig()


def specmaskfoley_mini(**figures: Any) -> SpecMaskFoleyConfig:
    """The small relative on our own codec, encoder and vocabulary: 5.12 s, 80 columns of 4 tokens;
    any figure can be replaced."""
    config = SpecMaskFoleyConfig(
        codec="mini_token_codec",
        rows=4,
        columns=80,
        sample_rate=32000,
        samples_per_latent=2048,
        hidden_dim=160,
        num_heads=4,
        depth=6,
        mlp_ratio=3.0,
        words="text",
        words_dim=64,
        step_columns=5,  # 0.32 s, two segments of the events
        control_depth=3,
        projection_dim=128,
        clip_dim=0,
        sync_dim=3,
        sync_fps=50.0,
        sync_window=8,
        # Guided, the picture cuts what rings short (docs/evidence.md).
        always_conditioned=("sync",),
    )
    return replace(config, **figures)


class FTAligner(nn.Module):
    """Features of the picture to one vector a column of tokens, the same for all its rows."""

    def __init__(self, config: SpecMaskFoleyConfig, layers: Layers) -> None:
        super().__init__()
        self.columns, self.rows = config.columns, config.rows
        self.alignment = config.alignment
        self.sync_proj = self._projection(config, config.sync_dim, 7, layers)
        if config.clip_dim:
            self.clip_proj = self._projection(config, config.clip_dim, 1, layers)

    @staticmethod
    def _projection(
        config: SpecMaskFoleyConfig, inputs: int, kernel: int, layers: Layers
    ) -> Projection:
        dim = config.hidden_dim
        if config.projection == "plain":
            return Projection(linear_or_conv(inputs, dim, min(kernel, 3), layers))
        steps = [linear_or_conv(inputs, dim, kernel, layers)]
        if kernel > 1:
            steps.append(nn.SELU())
        return Projection(*steps, GatedMLP(dim, dim, config.projection_dim, 3, layers))

    def forward(self, streams: Streams) -> Tensor:
        """`sync` [B, Ns, D] and `clip` [B, Nc, D], one may be missing, to `[B, N, H]`."""
        parts = []
        if "sync" in streams:
            parts.append(self.sync_proj(streams["sync"]))
        if "clip" in streams:
            parts.append(self.clip_proj(streams["clip"]).mean(1, keepdim=True))
        features = sum(parts[1:], parts[0]).transpose(1, 2)
        if self.alignment == "average":
            features = features.mean(2, keepdim=True)
        pooled = F.adaptive_avg_pool1d(features, self.columns).transpose(1, 2)
        aligned = pooled[:, :, None].repeat(1, 1, self.rows, 1)
        if self.alignment == "first row":
            aligned[:, :, 1:] = 0
        return aligned.flatten(1, 2)


class ControlNet(nn.Module):
    """Copies of the first blocks, and a zero layer before the first and behind each."""

    def __init__(self, config: SpecMaskFoleyConfig, layers: Layers) -> None:
        super().__init__()
        dim, depth = config.hidden_dim, config.control_depth
        self.zero_in = layers.Linear(dim, dim)
        self.blocks = nn.ModuleList(Block(config, layers) for _ in range(depth))
        self.zero_out = nn.ModuleList(layers.Linear(dim, dim) for _ in range(depth))

    def forward(self, x: Tensor, aligned: Tensor) -> list[Tensor]:
        """What is added behind each block of the backbone. x: its sequence `[B, N, H]`; aligned:
        what `zero_in` makes of the features."""
        x, added = x + aligned, []
        for block, zero in zip(self.blocks, self.zero_out, strict=True):
            x = block(x)
            added.append(zero(x))
        return added


class SpecMaskFoley(SpecMaskGIT):
    """SpecMaskGIT and its branch. Without a picture it is the backbone alone.

    Streams, optional: `sync` [B, Ns, sync_dim], `clip` [B, Nc, clip_dim], and the words.
    """

    config: SpecMaskFoleyConfig

    def _extend(self, layers: Layers) -> None:
        self.aligner = FTAligner(self.config, layers)
        self.control = ControlNet(self.config, layers)

    @torch.no_grad()
    def initialise(self, rng: torch.Generator) -> None:
        super().initialise(rng)
        self.attach()

    @torch.no_grad()
    def attach(self) -> None:
        """The branch as it begins: the backbone's blocks, and zero layers without effect."""
        copied = zip(self.control.blocks, self.blocks, strict=False)
        for copy, block in copied:
            copy.load_state_dict(block.state_dict())
        for zero in (self.control.zero_in, *self.control.zero_out):
            for parameter in zero.parameters():
                parameter.zero_()

    @property
    def branch(self) -> tuple[nn.Module, ...]:
        """What is trained while the backbone is frozen."""
        return self.aligner, self.control

    def lengths(self, streams: Streams, seconds: float | None = None) -> Lengths:
        """As the base's; a picture may end before the take."""
        wanted = {} if seconds is None else self.config.lengths(seconds)
        return super().lengths(self._held(streams, wanted), seconds)

    def window(self, streams: Streams, seconds: float, start: float, stop: float) -> Window:
        """As the base's; a picture may end before the take."""
        streams = self._held(streams, self.config.lengths(seconds))
        return super().window(streams, seconds, start, stop)

    def _held(self, streams: Streams, wanted: Lengths) -> Streams:
        """Streams in which the last features of a picture that ends early are held."""
        held = dict(streams)
        for name, value in streams.items():
            missing = wanted.get(name, 0) - value.shape[1]
            if missing > 0 and value.shape[1]:
                held[name] = torch.cat([value, value[:, -1:].expand(-1, missing, -1)], dim=1)
        return held

    def prepare(
        self,
        streams: Streams,
        seconds: float | None = None,
        *,
        lengths: Lengths | None = None,
        batch: int | None = None,
    ) -> Prepared:
        """As `SpecMaskGIT.prepare`; batched also `aligned` [B, N, H], the features behind their
        zero layer, and `seen` [B], whether there is a picture."""
        if lengths is None:
            lengths = self.lengths(streams, seconds)
        streams = self._held(streams, lengths)
        prepared = super().prepare(streams, lengths=lengths, batch=batch)
        size = prepared.batch
        masked = prepared.batched["masked"]
        picture = {k: v for k, v in streams.items() if k != self.config.words}
        if picture:
            aligned = self.control.zero_in(self.aligner(picture))
        else:
            aligned = masked.new_zeros(size, self.config.tokens, masked.shape[-1])
        seen = masked.new_full((size,), float(bool(picture)))
        return Prepared({**prepared.batched, "aligned": aligned, "seen": seen}, prepared.shared)

    def settled(self, prepared: Prepared) -> Prepared:
        """See `Generator.settled`: `rows`, those of the batch that have a picture."""
        return with_seen_rows(prepared)

    def forward(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        """Logits `[B, N, rows, codes]` of ids `[B, N, rows]`; t has no effect."""
        x = self.embed(x, prepared)
        rows, aligned = prepared.shared.get("rows"), prepared.batched["aligned"].to(x)
        if rows is None:
            # Which rows see something is not looked up: that would stop a GPU at every step.
            seen = prepared.batched["seen"].to(x)[:, None, None]
            added = [more * seen for more in self.control(x, aligned)]
        elif len(rows):
            every = len(rows) == len(x)
            added = self.control(*((x, aligned) if every else (x[rows], aligned[rows])))
            rows = None if every else rows
        else:
            added = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i < len(added):
                x = x + added[i] if rows is None else x.index_add(0, rows, added[i])
        return self.logits(x)
