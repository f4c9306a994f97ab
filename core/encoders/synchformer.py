"""Synchformer's picture half: 24 features a second of what happens when.

Source: Synchformer (arXiv 2401.16423); divided space-time attention from TimeSformer (arXiv
2102.05095). Attribute names are the public file's key names.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from ..media import FrameRequest
from ..weights.families import Shapes, count_blocks
from .base import VideoEncoder, pixels, stepped_windows
from .blocks import StackedAttention, mlp

WIDTH = 768
HEAD = 64
DEPTH = 12
SIZE = 224
PATCH = 16
TUBELET = 2
SEGMENT = 16
STEP = 8
_EPS = 1e-6
_PLACES = (SIZE // PATCH) ** 2
_TIMES = SEGMENT // TUBELET


class _DividedAttention(nn.Module):
    """Attention in groups: of a patch to the class token and its group, of that token to all."""

    def __init__(self, width: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.qkv = operations.Linear(width, 3 * width, **factory)
        self.proj = operations.Linear(width, width, **factory)

    def forward(self, x: Tensor, over_time: bool) -> Tensor:
        """[B, 1 + times * places, D], times slowest."""
        batch = len(x)
        qkv = self.qkv(x).unflatten(-1, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)  # [B, H, N, d]
        first = scaled_dot_product_attention(qkv[0][:, :, :1], qkv[1], qkv[2])  # [B, H, 1, d]
        # [3, B, H, groups, members, d]
        grouped = qkv[:, :, :, 1:].unflatten(3, (_TIMES, _PLACES))
        if over_time:
            grouped = grouped.transpose(3, 4)
        groups = grouped.shape[3]
        classes = qkv[1:, :, :, :1].unsqueeze(3).expand(-1, -1, -1, groups, -1, -1)
        k, v = torch.cat([classes, grouped[1:]], 4).movedim(3, 2).flatten(1, 2)
        q = grouped[0].movedim(2, 1).flatten(0, 1)  # [B * groups, H, members, d]
        rest = scaled_dot_product_attention(q, k, v).unflatten(0, (batch, groups)).movedim(1, 2)
        if over_time:
            rest = rest.transpose(2, 3)
        out = torch.cat([first, rest.flatten(2, 3)], 2)  # [B, H, N, d]
        return self.proj(out.transpose(1, 2).flatten(2))


class _Block(nn.Module):
    def __init__(self, width: int, *, operations: Any, **factory) -> None:
        super().__init__()
        every: dict[str, Any] = {"operations": operations, **factory}
        self.norm1 = operations.LayerNorm(width, eps=_EPS, **factory)
        self.attn = _DividedAttention(width, **every)
        self.timeattn = _DividedAttention(width, **every)
        self.norm2 = operations.LayerNorm(width, eps=_EPS, **factory)
        self.mlp = mlp(width, "fc1", nn.GELU(), "fc2", **every)
        self.norm3 = operations.LayerNorm(width, eps=_EPS, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.timeattn(self.norm3(x), over_time=True)
        x = x + self.attn(self.norm1(x), over_time=False)
        return x + self.mlp(self.norm2(x))


class _FramePool(nn.Module):
    """The places of a frame [B, places, D] to one vector [B, D], a layer's class token."""

    def __init__(self, width: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width, **factory))
        self.self_attn = StackedAttention(width, width // HEAD, operations=operations, **factory)
        self.linear1 = operations.Linear(width, 4 * width, **factory)
        self.linear2 = operations.Linear(4 * width, width, **factory)
        self.norm1 = operations.LayerNorm(width, eps=_EPS, **factory)
        self.norm2 = operations.LayerNorm(width, eps=_EPS, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.cls_token.to(x).expand(len(x), -1, -1), x], 1)
        # Only the class token is wanted, so the rest is used as keys and values alone.
        x = x[:, :1] + self.self_attn.first(self.norm1(x))
        return (x + self.linear2(gelu(self.linear1(self.norm2(x)))))[:, 0]


class SynchformerVisual(VideoEncoder):
    """8 features of 768 for every 16 frames at 25 fps, a window every 8 frames: 24 a second.

    A clip of T frames has 8 * (floor((T - 16) / 8) + 1) features; one shorter than 16 frames is
    filled up with its last frame.
    """

    stream = "sync"
    rate = 24.0
    prefix = "vfeat_extractor."
    frame_request = FrameRequest(
        fps=25.0, size=SIZE, crop="center", shorter_side=SIZE, resample="bicubic"
    )

    def __init__(
        self, width: int = WIDTH, depth: int = DEPTH, *, operations: Any = nn, **factory: Any
    ) -> None:
        super().__init__()
        every: dict[str, Any] = {"operations": operations, **factory}
        self.width = width
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width, **factory))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + _PLACES, width, **factory))
        self.temp_embed = nn.Parameter(torch.zeros(1, _TIMES, width, **factory))
        # In the public file, but no feature depends on it.
        flat = operations.Conv2d(3, width, PATCH, stride=PATCH, **factory)
        self.patch_embed = nn.ModuleDict({"proj": flat})
        sides = (TUBELET, PATCH, PATCH)
        cube = operations.Conv3d(3, width, sides, stride=sides, **factory)
        self.patch_embed_3d = nn.ModuleDict({"proj": cube})
        self.blocks = nn.ModuleList(_Block(width, **every) for _ in range(depth))
        self.norm = operations.LayerNorm(width, eps=_EPS, **factory)
        self.spatial_attn_agg = _FramePool(width, **every)

    @classmethod
    def built(cls, tensors: dict[str, Tensor], **made: Any) -> tuple[Any, dict[str, Tensor]]:
        # What is not Synchformer keeps the published sizes and fails on its keys.
        table = tensors.get("pos_embed")
        width = WIDTH if table is None else table.shape[-1]
        depth = count_blocks(tensors, "blocks.") or DEPTH
        return cls(width, depth, device="meta", **made), tensors

    @staticmethod
    def windows(count: int) -> Tensor:
        return stepped_windows(count, SEGMENT, STEP, whole_only=True)

    def window_bytes(self, frames: int) -> int:
        return (1 + _TIMES * _PLACES) * self.width * 16 * self.dtype.itemsize

    def encode_batch(self, frames: Tensor) -> Tensor:
        return self.encode_segments(pixels(frames, self.dtype, [0.5] * 3, [0.5] * 3))

    def encode_segments(self, frames: Tensor) -> Tensor:
        """[B, 16, 3, 224, 224] in -1..1 -> [B, 8, 768], each segment on its own."""
        x = self.patch_embed_3d["proj"](frames.transpose(1, 2))  # [B, D, 8, 14, 14]
        x = x.flatten(3).permute(0, 2, 3, 1)  # [B, 8, 196, D]
        position = self.pos_embed.to(x)
        x = x + position[:, None, 1:] + self.temp_embed.to(x)[:, :, None]
        first = (self.cls_token.to(x) + position[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([first, x.flatten(1, 2)], 1)  # [B, 1 + 8 * 196, D]
        for block in self.blocks:
            x = block(x)
        x = self.norm(x[:, 1:]).unflatten(1, (_TIMES, _PLACES))
        return self.spatial_attn_agg(x.flatten(0, 1)).unflatten(0, (-1, _TIMES))


def recognise(shapes: Shapes) -> str | None:
    """Synchformer: "whole" with its audio half, "visual" without; None for any other file."""
    if not any(key.startswith(SynchformerVisual.prefix) for key in shapes):
        return None
    return "whole" if any(key.startswith("afeat_extractor.") for key in shapes) else "visual"
