"""Foley Control's bridge: attention to the picture inside every block of a frozen text-to-audio
transformer.

Source: Foley Control (arXiv 2510.21581, sections 3.2 and 3.3). What the paper leaves open is a
figure here, which the weights file records.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import FoleyError
from ..layers import Layers
from .mmdit import ROPE_THETA
from .stable_audio import gain_norm, rotate_half

Shared = Literal["shared", "per block"]
Positions = Literal["index", "time", "none"]
NullVideo = Literal["off", "zeros"]


@dataclass(frozen=True)
class BridgeConfig:
    """Figures of a bridge.

    encoder: the row of the video encoder whose stream it reads; stream, video_dim: its name and
    width. video_rate: moments a second; places: tokens of each moment (64 for a grid of 8 x 8).
    embed_dim, num_heads, depth: of the backbone. adapter: one MLP on the tokens for all blocks, or
    one each. positions: rotary positions of latents and of moments: each its own "index", as
    published; the "time" of both in latent frames; or "none". rotary_dim: features of a head that
    turn. longest: seconds that it was trained on. null_video: what stands for no picture where
    guidance leads away from it: the backbone alone, or tokens of zeros, which a bridge trained with
    whole clips dropped knows. projected: width that narrow tokens are brought to first, 0: none.
    """

    encoder: str = "vjepa2_l"
    stream: str = "vjepa"
    video_dim: int = 1024
    video_rate: float = 8.0
    places: int = 1
    embed_dim: int = 1536
    num_heads: int = 24
    depth: int = 24
    adapter: Shared = "shared"
    positions: Positions = "index"
    rotary_dim: int = 64
    longest: float = 12.0
    null_video: NullVideo = "off"
    projected: int = 0

    @property
    def width(self) -> int:
        """Of the tokens that blocks read."""
        return self.projected or self.video_dim


def foley_control_mini_bridge(**figures: Any) -> BridgeConfig:
    """Of the mini video encoder into the mini backbone; any figure can be replaced."""
    config = BridgeConfig(
        encoder="mini_video_encoder",
        stream="sync",
        video_dim=3,
        video_rate=50.0,
        embed_dim=192,
        num_heads=3,
        depth=6,
        positions="time",
        longest=8.0,
        projected=64,
    )
    return replace(config, **figures)


class Adapter(nn.Sequential):
    """Two layers on the tokens, added to them."""

    def __init__(self, dim: int, layers: Layers) -> None:
        super().__init__(layers.Linear(dim, dim), nn.GELU(), layers.Linear(dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class BridgeBlock(nn.Module):
    """Attention from a block's sequence to the picture; nothing comes out of it at first."""

    def __init__(self, config: BridgeConfig, layers: Layers) -> None:
        super().__init__()
        dim, width = config.embed_dim, config.width
        self.heads = config.num_heads
        if config.adapter == "per block":
            self.adapter = Adapter(width, layers)
        self.norm = gain_norm(dim, layers)
        self.norm_video = gain_norm(width, layers)
        self.to_q = layers.Linear(dim, dim, bias=False)
        self.to_kv = layers.Linear(width, 2 * dim, bias=False)
        self.to_out = layers.Linear(dim, dim, bias=False)

    def keys_and_values(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """Of adapted tokens `[B, M, video_dim]`, each `[B, H, M, D / H]`, without positions."""
        if hasattr(self, "adapter"):
            video = self.adapter(video)
        k, v = self.to_kv(self.norm_video(video)).chunk(2, -1)
        return self._heads(k), self._heads(v)

    def forward(self, x: Tensor, k: Tensor, v: Tensor, table: Tensor | None) -> Tensor:
        """What is added to x `[B, N, D]`. k, v: with their positions; table: rotary of x."""
        q = self._heads(self.to_q(self.norm(x)))
        if table is not None:
            q = rotate_half(q, table)
        out = F.scaled_dot_product_attention(q, k.to(q), v.to(q))
        return self.to_out(out.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Bridge(nn.Module):
    """All blocks of a bridge; the encoder of the picture is not trained with it."""

    def __init__(self, config: BridgeConfig, **made: Any) -> None:
        super().__init__()
        self.config = config
        layers = Layers(**made)
        if config.projected:
            self.project = layers.Linear(config.video_dim, config.projected)
        if config.adapter == "shared":
            self.adapter = Adapter(config.width, layers)
        self.blocks = nn.ModuleList(BridgeBlock(config, layers) for _ in range(config.depth))

    @torch.no_grad()
    def initialise(self, rng: torch.Generator) -> None:
        """Untrained weights, without effect."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                drawn = torch.randn(module.weight.shape, generator=rng)
                module.weight.copy_(drawn * module.in_features**-0.5)
                if name.endswith("to_out"):
                    module.weight.zero_()
                if module.bias is not None:
                    module.bias.zero_()

    def check(self, video: Tensor) -> None:
        """FoleyError for tokens of another encoder or of more seconds than it was trained on."""
        c = self.config
        if video.ndim != 3 or video.shape[2] != c.video_dim or video.shape[1] % c.places:
            raise FoleyError(
                f"The features of the picture have the shape {list(video.shape)}, but this bridge "
                f"was trained on those of {c.encoder}, {c.video_dim} wide: encode the video with "
                "that."
            )
        seconds = video.shape[1] / c.places / c.video_rate
        if seconds > c.longest + 1 / c.video_rate:
            raise FoleyError(
                f"The features span {seconds:.1f} s, but this bridge was trained on up to "
                f"{c.longest:g} s: encode a shorter part of the video."
            )

    def keys_and_values(self, video: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """Of tokens `[B, M, video_dim]`, each `[B, depth, H, M, D / H]`, the keys with their
        positions. rate: of the latents, in Hz."""
        self.check(video)
        video = video.detach()
        if self.config.projected:
            video = self.project(video)
        if self.config.adapter == "shared":
            video = self.adapter(video)
        pairs = [block.keys_and_values(video) for block in self.blocks]
        keys, values = (torch.stack(each, 1) for each in zip(*pairs, strict=True))
        c = self.config
        moments = torch.arange(video.shape[1], dtype=torch.float64) // c.places
        table = self._table(moments, rate / c.video_rate, keys.device)
        return (keys if table is None else rotate_half(keys, table)), values

    def table(self, latents: int, device: Any = None) -> Tensor | None:
        """Rotary table of a take of so many latent frames, and of the token that is first."""
        positions = torch.arange(latents + 1, dtype=torch.float64)
        if self.config.positions == "time":
            positions = (positions - 1).clamp_min(0)
        return self._table(positions, 1.0, device)

    def _table(self, positions: Tensor, scale: float, device: Any) -> Tensor | None:
        """Cosines and sines `[2, N, rotary_dim / 2]`, float32."""
        c = self.config
        if c.positions == "none":
            return None
        if c.positions == "time":
            # The middle of each, counted in latent frames.
            positions = (positions + 0.5) * scale
        exponents = torch.arange(0, c.rotary_dim, 2, dtype=torch.float64) / c.rotary_dim
        angles = positions[:, None] * ROPE_THETA**-exponents
        return torch.stack((angles.cos(), angles.sin())).float().to(device)
