"""Synchformer's picture half: 24 features a second that know when something happens.

Source: Synchformer (arXiv 2401.16423); divided space-time attention from TimeSformer (arXiv
2102.05095). Attribute names are the public file's key names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..media import FrameRequest
from ..weights.load import fill_module, read_weights
from .base import VideoEncoder, pixels, stepped_windows

WIDTH = 768
HEADS = 12
DEPTH = 12
SIZE = 224
PATCH = 16
TUBELET = 2
SEGMENT = 16
STEP = 8
_EPS = 1e-6
_PREFIX = "vfeat_extractor."
_SIDE = SIZE // PATCH
_PLACES = _SIDE * _SIDE
_TIMES = SEGMENT // TUBELET


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v)


class _DividedAttention(nn.Module):
    """Attention in groups: each patch sees the class token and its group, the class token all."""

    def __init__(self, *, operations: Any, **factory) -> None:
        super().__init__()
        self.qkv = operations.Linear(WIDTH, 3 * WIDTH, **factory)
        self.proj = operations.Linear(WIDTH, WIDTH, **factory)

    def forward(self, x: Tensor, over_time: bool) -> Tensor:
        """(B, 1 + times * places, D), times slowest."""
        batch = len(x)
        qkv = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)  # (B, H, N, d)
        first = _attend(qkv[0][:, :, :1], qkv[1], qkv[2])  # (B, H, 1, d)
        # (3, B, H, groups, members, d)
        grouped = qkv[:, :, :, 1:].unflatten(3, (_TIMES, _PLACES))
        if over_time:
            grouped = grouped.transpose(3, 4)
        groups = grouped.shape[3]
        classes = qkv[1:, :, :, :1].unsqueeze(3).expand(-1, -1, -1, groups, -1, -1)
        k, v = torch.cat([classes, grouped[1:]], 4).movedim(3, 2).flatten(1, 2)
        q = grouped[0].movedim(2, 1).flatten(0, 1)  # (B * groups, H, members, d)
        rest = _attend(q, k, v).unflatten(0, (batch, groups)).movedim(1, 2)
        if over_time:
            rest = rest.transpose(2, 3)
        out = torch.cat([first, rest.flatten(2, 3)], 2)  # (B, H, N, d)
        return self.proj(out.transpose(1, 2).flatten(2))


class _MLP(nn.Module):
    def __init__(self, *, operations: Any, **factory) -> None:
        super().__init__()
        self.fc1 = operations.Linear(WIDTH, 4 * WIDTH, **factory)
        self.fc2 = operations.Linear(4 * WIDTH, WIDTH, **factory)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class _Block(nn.Module):
    def __init__(self, *, operations: Any, **factory) -> None:
        super().__init__()
        every: dict[str, Any] = {"operations": operations, **factory}
        self.norm1 = operations.LayerNorm(WIDTH, eps=_EPS, **factory)
        self.attn = _DividedAttention(**every)
        self.timeattn = _DividedAttention(**every)
        self.norm2 = operations.LayerNorm(WIDTH, eps=_EPS, **factory)
        self.mlp = _MLP(**every)
        self.norm3 = operations.LayerNorm(WIDTH, eps=_EPS, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.timeattn(self.norm3(x), over_time=True)
        x = x + self.attn(self.norm1(x), over_time=False)
        return x + self.mlp(self.norm2(x))


class _StackedAttention(nn.Module):
    """Self-attention with one stacked projection, as stored."""

    def __init__(self, *, operations: Any, **factory) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * WIDTH, WIDTH, **factory))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * WIDTH, **factory))
        self.out_proj = operations.Linear(WIDTH, WIDTH, **factory)

    def first(self, x: Tensor) -> Tensor:
        """Output at the first token only: (B, N, D) -> (B, 1, D)."""
        weight, bias = self.in_proj_weight.to(x), self.in_proj_bias.to(x)
        q = F.linear(x[:, :1], weight[:WIDTH], bias[:WIDTH])
        k, v = F.linear(x, weight[WIDTH:], bias[WIDTH:]).chunk(2, -1)
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (q, k, v))
        return self.out_proj(_attend(q, k, v).transpose(1, 2).flatten(2))


class _FramePool(nn.Module):
    """The places of a frame (B, places, D) to one vector (B, D), a layer's class token."""

    def __init__(self, *, operations: Any, **factory) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH, **factory))
        self.self_attn = _StackedAttention(operations=operations, **factory)
        self.linear1 = operations.Linear(WIDTH, 4 * WIDTH, **factory)
        self.linear2 = operations.Linear(4 * WIDTH, WIDTH, **factory)
        self.norm1 = operations.LayerNorm(WIDTH, eps=_EPS, **factory)
        self.norm2 = operations.LayerNorm(WIDTH, eps=_EPS, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.cls_token.to(x).expand(len(x), -1, -1), x], 1)
        # Only the class token is wanted, so the rest is used as keys and values alone.
        x = x[:, :1] + self.self_attn.first(self.norm1(x))
        return (x + self.linear2(F.gelu(self.linear1(self.norm2(x)))))[:, 0]


class _Patches(nn.Module):
    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.proj = convolution


class SynchformerVisual(VideoEncoder):
    """8 features of 768 for every 16 frames at 25 fps, a window every 8 frames: 24 a second.

    A clip of T frames has 8 * (floor((T - 16) / 8) + 1) features; one shorter than 16 frames is
    filled up with its last frame.
    """

    stream = "sync"
    rate = 24.0
    width = WIDTH
    frame_request = FrameRequest(
        fps=25.0, size=SIZE, crop="center", shorter_side=SIZE, resample="bicubic"
    )

    def __init__(
        self,
        *,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        factory: dict[str, Any] = {"dtype": dtype, "device": device}
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH, **factory))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + _PLACES, WIDTH, **factory))
        self.temp_embed = nn.Parameter(torch.zeros(1, _TIMES, WIDTH, **factory))
        # In the public file, but no feature depends on it.
        flat = operations.Conv2d(3, WIDTH, PATCH, stride=PATCH, **factory)
        self.patch_embed = _Patches(flat)
        cube = (TUBELET, PATCH, PATCH)
        self.patch_embed_3d = _Patches(operations.Conv3d(3, WIDTH, cube, stride=cube, **factory))
        self.blocks = nn.ModuleList(_Block(operations=operations, **factory) for _ in range(DEPTH))
        self.norm = operations.LayerNorm(WIDTH, eps=_EPS, **factory)
        self.spatial_attn_agg = _FramePool(operations=operations, **factory)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
        **factory: Any,
    ) -> SynchformerVisual:
        """From a Synchformer file; its audio half is left where it is. dtype None: as stored."""
        tensors = read_weights(path, dtype=dtype, device=device, keep=_is_visual)
        named = {key[key.index(_PREFIX) + len(_PREFIX) :]: v for key, v in tensors.items()}
        return fill_module(cls(device="meta", **factory), named, path)

    def windows(self, count: int) -> Tensor:
        return stepped_windows(count, SEGMENT, STEP, whole_only=True)

    def window_bytes(self, frames: int) -> int:
        return (1 + _TIMES * _PLACES) * WIDTH * 16 * self.dtype.itemsize

    def look(self, frames: Tensor) -> Tensor:
        return self.encode_segments(pixels(frames, self.dtype, [0.5] * 3, [0.5] * 3))

    def encode_segments(self, frames: Tensor) -> Tensor:
        """(B, 16, 3, 224, 224) in [-1, 1] -> (B, 8, 768), each segment on its own."""
        x = self.patch_embed_3d.proj(frames.transpose(1, 2))  # (B, D, 8, 14, 14)
        x = x.flatten(3).permute(0, 2, 3, 1)  # (B, 8, 196, D)
        position = self.pos_embed.to(x)
        x = x + position[:, None, 1:] + self.temp_embed.to(x)[:, :, None]
        first = (self.cls_token.to(x) + position[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([first, x.flatten(1, 2)], 1)  # (B, 1 + 8 * 196, D)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x[:, 1:]).unflatten(1, (_TIMES, _PLACES))
        return self.spatial_attn_agg(x.flatten(0, 1)).unflatten(0, (-1, _TIMES))


def _is_visual(key: str) -> bool:
    return key.removeprefix("module.").startswith(_PREFIX)
