"""FoleyGenEx (arXiv 2606.14049): MMAudio that continues, edits and imitates a sound in its context.

The context is a latent as long as the take, in the space of the flow, zero where nothing is known.
It enters before the audio projection: the noisy latent and the context are joined by channel, mixed
by a linear layer, and given a convolutional position embedding (the layers of those names in
F5-TTS, arXiv 2410.06885, which the paper does not name). No weights are public.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import FoleyError
from ..layers import Layers
from .ac_foley import ac_foley_mini
from .base import CONTEXT, LATENT, VIDEO_MASK, Lengths, Prepared, Streams, StreamSpec
from .mmaudio import MMAudio
from .mmaudio_config import L44, MMAudioConfig

_WIDTH = 31  # frames that a position embedding sees
SAID = 8  # numbers that are said of each cosine of a place
_TINY = 1e-6


Nulls = Literal["zeros", "learned"]
Order = Literal["state first", "context first"]


@dataclass(frozen=True)
class FoleyGenExConfig(MMAudioConfig):
    """MMAudio's figures, and what a checkpoint of this network has to record.

    nulls: what stands for missing clip, sync and text: "zeros" (section 3), or MMAudio's "learned"
    ones. order: which half of the joined channels comes first. most_groups: of the position
    embedding's convolutions; the largest of it, its half, ... that divides the latent's width.
    """

    nulls: Nulls = "zeros"
    order: Order = "state first"
    most_groups: int = 16
    places: int = 0

    @classmethod
    def of(cls, base: MMAudioConfig, **figures: Any) -> FoleyGenExConfig:
        """The network that MMAudio's of these figures becomes; any figure can be replaced."""
        own = {field.name: getattr(base, field.name) for field in fields(base)}
        return cls(**{**own, "reference_samples": 0, **figures})

    @property
    def groups(self) -> int:
        """Groups of the position embedding's convolutions."""
        groups = self.most_groups
        while self.latent_dim % groups:
            groups //= 2
        return groups

    @property
    def streams(self) -> tuple[StreamSpec, ...]:  # type: ignore[override]
        """MMAudio's; `context`, the codec's latent and beside it 1 where it is known, 0 elsewhere;
        and `video_mask`, 1 where the picture counts as unseen, 0 elsewhere."""
        meaning = "the reference sound"
        rate = self.latent.rate
        context = StreamSpec(CONTEXT, self.latent_dim + 1, rate, null="zeros", meaning=meaning)
        return (*super().streams, context, StreamSpec(VIDEO_MASK, 1, rate, null="zeros"))

    def lengths(self, seconds: float) -> Lengths:
        lengths = super().lengths(seconds)
        return {**lengths, CONTEXT: lengths[LATENT], VIDEO_MASK: lengths[LATENT]}


FOLEYGENEX = FoleyGenExConfig.of(L44)


def foleygenex_mini(**figures: Any) -> FoleyGenExConfig:
    """The small relative on our own codec, encoder and vocabulary; any figure can be replaced."""
    own = {"depth": 5, "fused_depth": 4, "places": 4}
    return FoleyGenExConfig.of(ac_foley_mini(), **{**own, **figures})


class ConvPositionEmbedding(nn.Module):
    """Two grouped convolutions over time with Mish after each, `[B, N, D]` to `[B, N, D]`."""

    def __init__(self, dim: int, groups: int, layers: Layers) -> None:
        super().__init__()
        options = {"padding": _WIDTH // 2, "groups": groups}
        self.conv1d = nn.Sequential(
            layers.Conv1d(dim, dim, _WIDTH, **options),
            nn.Mish(),
            layers.Conv1d(dim, dim, _WIDTH, **options),
            nn.Mish(),
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """mask: bool `[B, N]`, the frames that are there."""
        x = x.transpose(1, 2)
        kept = 1.0 if mask is None else mask[:, None].to(x)
        first, activation, second, last = self.conv1d
        x = activation(first(x * kept) * kept)
        return last(second(x) * kept).transpose(1, 2)


class InputEmbedding(nn.Module):
    """Noisy latent and context, each `[B, N, inputs]`, to `[B, N, outputs]`: p + e(p), where p is
    linear in both and e a `ConvPositionEmbedding`.

    What depends on the context alone is computed once a take: `of_context`.
    """

    def __init__(
        self, inputs: int, outputs: int, groups: int, layers: Layers, *, state_first: bool = True
    ) -> None:
        super().__init__()
        self.inputs, self.state_first = inputs, state_first
        self.proj = layers.Linear(2 * inputs, outputs)
        self.conv_pos_embed = ConvPositionEmbedding(outputs, groups, layers)

    def _halves(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The weights of the state and of the context."""
        first, second = self.proj.weight.to(like).split(self.inputs, dim=1)
        return (first, second) if self.state_first else (second, first)

    def of_context(self, context: Tensor) -> Tensor:
        """The context's part of p, with the bias."""
        return F.linear(context, self._halves(context)[1], self.proj.bias.to(context))

    def forward(self, x: Tensor, of_context: Tensor) -> Tensor:
        mixed = F.linear(x, self._halves(x)[0]) + of_context
        return mixed + self.conv_pos_embed(mixed)

    @torch.no_grad()
    def pass_through(self) -> None:
        """Weights by which the noisy latent comes out as it went in, whatever the context is."""
        if self.proj.out_features != self.inputs:
            raise FoleyError("Only an embedding as wide as the latent can pass it through.")
        self.proj.weight.zero_()
        self._halves(self.proj.weight)[0].copy_(torch.eye(self.inputs))
        self.proj.bias.zero_()
        last = self.conv_pos_embed.conv1d[2]
        last.weight.zero_()
        last.bias.zero_()


class PlaceCondition(nn.Module):
    """What the global condition `[B, H]` says of each frame of a take, `[B, N, H]`, by its place.

    Rotary positions are relative: without this a small network learns no crescendo, which is louder
    the later it is.
    """

    def __init__(self, dim: int, places: int, layers: Layers) -> None:
        super().__init__()
        self.places = places
        self.in_proj = layers.Linear(dim, places * SAID, bias=False)
        self.out_proj = layers.Linear(places * SAID, dim, bias=False)

    def forward(self, pooled: Tensor, length: int) -> Tensor:
        scale = pooled.float().square().mean(-1, keepdim=True).add(_TINY).rsqrt()
        said = self.in_proj(pooled * scale.to(pooled)).unflatten(-1, (self.places, SAID))
        waves = place_waves(length, self.places).to(said)  # [N, P]
        return self.out_proj((waves[None, :, :, None] * said[:, None]).flatten(2))


class FoleyGenEx(MMAudio):
    """MMAudio with two more streams, both as long as the latent: `context` [B, N, latent_dim + 1],
    the codec's latent and whether it is known, and `video_mask` [B, N, 1].

    Where the mask is 1, clip is zero before its projection and sync after it (figure 2); text is
    never masked. With `input_embed.pass_through()` it is MMAudio itself, whose weights it can begin
    with.
    """

    config: FoleyGenExConfig

    def _extend(self, layers: Layers) -> None:
        c = self.config
        state_first = c.order == "state first"
        self.input_embed = InputEmbedding(
            c.latent_dim, c.latent_dim, c.groups, layers, state_first=state_first
        )
        if c.places:
            self.place_cond = PlaceCondition(c.hidden_dim, c.places, layers)

    def initialise(self, rng: torch.Generator) -> None:
        """See `MMAudio.initialise`; places count nothing at first."""
        super().initialise(rng)
        if self.config.places:
            self.place_cond.out_proj.weight.data.zero_()

    def null(self, stream: str) -> Tensor:
        """Zeros for context and mask, and where the checkpoint says so for the other streams."""
        if stream in (CONTEXT, VIDEO_MASK):
            width = 1 if stream == VIDEO_MASK else self.config.latent_dim + 1
            return self.latent_mean.new_zeros(1, width)
        learned = super().null(stream)
        return torch.zeros_like(learned) if self.config.nulls == "zeros" else learned

    def project(self, stream: str, value: Tensor) -> Tensor:
        if stream == VIDEO_MASK:
            return value
        if stream == CONTEXT:
            latent, known = value[..., :-1], value[..., -1:]
            return self.input_embed.of_context(self.normalize(latent) * known)
        return super().project(stream, value)

    def project_null(self, stream: str, batch: int, length: int, like: Tensor) -> Tensor:
        if stream == "sync" and self.config.nulls == "zeros":
            return like.new_zeros(batch, length, self.config.hidden_dim)
        return super().project_null(stream, batch, length, like)

    def _also(self, projected: Streams) -> Streams:
        return {CONTEXT: projected[CONTEXT]}

    def prepare(self, streams: Streams, seconds: float | None = None, **given: Any) -> Prepared:
        """See `MMAudio.prepare`; FoleyError also for a context that is not as long as the take."""
        self.check_streams(streams)
        lengths = given.pop("lengths", None) or self.lengths(streams, seconds)
        if lengths[CONTEXT] != lengths[LATENT] or lengths[VIDEO_MASK] != lengths[LATENT]:
            raise FoleyError(
                f"The context has {lengths[CONTEXT]} latent frames and its mask "
                f"{lengths[VIDEO_MASK]}, but the take has {lengths[LATENT]}; cut or pad them to "
                "the take's length."
            )
        mask = streams.get(VIDEO_MASK)
        if mask is not None and "clip" in streams:
            clip = streams["clip"]
            streams = {**streams, "clip": clip * (1 - clip_mask(mask, clip.shape[1]))}
        prepared = super().prepare(streams, lengths=lengths, **given)
        sync = prepared.batched["sync"]
        if mask is not None:
            sync = sync * (1 - mask)
        if self.config.places:
            sync = sync + self.place_cond(prepared.batched["pooled"], sync.shape[1])
        return Prepared({**prepared.batched, "sync": sync}, prepared.shared)

    def forward(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        return super().forward(self.input_embed(x, prepared.batched[CONTEXT]), t, prepared)


def place_waves(length: int, count: int) -> Tensor:
    """Where in a take each of its frames is, [length, count]: cosines of 1, 2, ... half waves."""
    places = (torch.arange(length) + 0.5) / length
    return (math.pi * places[:, None] * torch.arange(1, count + 1)).cos()


def clip_mask(mask: Tensor, length: int) -> Tensor:
    """A mask [B, N, 1] at the rate of the clip stream, [B, length, 1]: 1 from the middle on."""
    resized = F.interpolate(mask.transpose(1, 2).float(), length, mode="linear")
    return (resized >= 0.5).to(mask).transpose(1, 2)
