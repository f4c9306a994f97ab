"""Blocks of MDSGen: attention with relative position bias, adaptive norms, the Reducer.

Source: MDSGen (arXiv 2410.02130, section 3) after the masked diffusion transformer (arXiv
2303.14389). Tensors are `[B, N, D]`; attribute names are the key names of the public checkpoint.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import Layers

BLOCK_EPS = 1e-6
REDUCER_EPS = 1e-12
TIME_PERIOD = 10000.0
TIME_WIDTH = 204
# Rows of the public bias tables that no pair of tokens uses.
_UNUSED_ROWS = 3


def normed(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm without weights, then x (1 + scale) + shift, in the type of the modulation."""
    x = F.layer_norm(x, x.shape[-1:], eps=BLOCK_EPS).to(shift.dtype)
    return torch.addcmul(shift, x, 1 + scale)


class TimeEmbedding(nn.Module):
    """Diffusion time in [0, 999], also between whole numbers, to `[B, D]`."""

    def __init__(self, dim: int, layers: Layers) -> None:
        super().__init__()
        self.mlp = nn.Sequential(layers.Linear(TIME_WIDTH, dim), nn.SiLU(), layers.Linear(dim, dim))

    def forward(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        half = TIME_WIDTH // 2
        k = torch.arange(half, dtype=torch.float32, device=t.device)
        angles = t.float()[:, None] * torch.exp(-math.log(TIME_PERIOD) / half * k)
        return self.mlp(torch.cat((angles.cos(), angles.sin()), dim=-1).to(dtype))


class RelativeBias(nn.Module):
    """A number for each head and each distance of two tokens on the grid."""

    def __init__(self, grid: tuple[int, int], heads: int, layers: Layers) -> None:
        super().__init__()
        self.grid = grid
        rows = math.prod(2 * side - 1 for side in grid) + _UNUSED_ROWS
        self.relative_position_bias_table = layers.zeros(rows, heads)

    def forward(self, dtype: torch.dtype | None = None) -> Tensor:
        """`[H, N, N]`: row (i - j) of the table for every query i and key j."""
        (height, width), table = self.grid, self.relative_position_bias_table.to(dtype)
        spans = (2 * height - 1, 2 * width - 1)
        table = table[: spans[0] * spans[1]].unflatten(0, spans).flip((0, 1))
        # Windows of the flipped table: window (side - 1 - i), place j holds distance i - j.
        table = table.unfold(0, height, 1).unfold(1, width, 1).flip((0, 1))
        return table.permute(2, 0, 1, 3, 4).reshape(-1, height * width, height * width)


class BiasedAttention(nn.Module):
    """Self-attention whose logits have a bias added."""

    def __init__(self, dim: int, heads: int, grid: tuple[int, int], layers: Layers) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = layers.Linear(dim, 3 * dim)
        self.proj = layers.Linear(dim, dim)
        self.rel_pos_bias = RelativeBias(grid, heads, layers)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x `[B, N, D]`, bias `[1 or B, H, N, N]`."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(self.attend(q, k, v, bias.to(q.dtype)).transpose(1, 2).flatten(2))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        """Softmax attention, all `[B, H, N, 64]`, bias `[1 or B, H, N, N]`."""
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


class MLP(nn.Module):
    """Linear, GELU, linear. approximate: of the GELU, "tanh" or "none"."""

    def __init__(self, dim: int, inner: int, layers: Layers, approximate: str = "tanh") -> None:
        super().__init__()
        self.approximate = approximate
        self.fc1 = layers.Linear(dim, inner)
        self.fc2 = layers.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate=self.approximate))


class Block(nn.Module):
    """Attention and MLP, each between an adaptive norm and a gate (adaLN-zero)."""

    def __init__(
        self, dim: int, heads: int, inner: int, grid: tuple[int, int], layers: Layers
    ) -> None:
        super().__init__()
        self.attn = BiasedAttention(dim, heads, grid, layers)
        self.mlp = MLP(dim, inner, layers)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), layers.Linear(dim, 6 * dim))

    def forward(
        self, x: Tensor, activated: Tensor, bias: Tensor, places: Tensor | None = None
    ) -> Tensor:
        """x `[B, N, D]`; activated: silu(condition) `[B, 1 or T, D]`; bias `[1 or B, H, N, N]`.

        places: which of the T conditions each token has, `[N]` or `[B, N]`; None for one.
        """
        chunks = spread(self.adaLN_modulation[1](activated), places).chunk(6, dim=-1)
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = chunks
        x = x + gate * self.attn(normed(x, shift, scale), bias)
        return x + mlp_gate * self.mlp(normed(x, mlp_shift, mlp_scale))


def spread(values: Tensor, places: Tensor | None) -> Tensor:
    """Values `[B, T, D]` at the places of the tokens, `[B, N, D]`."""
    if places is None:
        return values
    if places.ndim == 1:
        return values[:, places]
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))


class FinalLayer(nn.Module):
    """Adaptive norm and a linear layer to a patch, channel fastest."""

    def __init__(self, dim: int, outputs: int, layers: Layers) -> None:
        super().__init__()
        self.linear = layers.Linear(dim, outputs)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), layers.Linear(dim, 2 * dim))

    def forward(self, x: Tensor, activated: Tensor, places: Tensor | None = None) -> Tensor:
        modulation = spread(self.adaLN_modulation[1](activated), places)
        return self.linear(normed(x, *modulation.chunk(2, dim=-1)))


class PatchEmbedding(nn.Module):
    """A picture `[B, C, H, W]` to tokens `[B, N, D]`, row by row."""

    def __init__(self, channels: int, dim: int, patch: tuple[int, int], layers: Layers) -> None:
        super().__init__()
        self.proj = layers.Conv2d(channels, dim, patch, stride=patch)

    def forward(self, picture: Tensor) -> Tensor:
        return self.proj(picture).flatten(2).transpose(1, 2)


def feature_layers(inputs: int, dim: int, layers: Layers) -> nn.Sequential:
    """The Reducer's first half: every frame `[B, F, inputs]` on its own to `[B, F, dim]`."""
    norm = layers.LayerNorm(dim, eps=REDUCER_EPS)
    return nn.Sequential(layers.Linear(inputs, dim), nn.GELU(), norm)


class _Average(nn.Module):
    def forward(self, frames: Tensor) -> Tensor:
        return frames.mean(1, keepdim=True)


class _AttentionPool(nn.Module):
    """Frames weighted by a softmax over their likeness to one learned vector."""

    def __init__(self, dim: int, layers: Layers) -> None:
        super().__init__()
        self.score = layers.Linear(dim, 1)

    def forward(self, frames: Tensor) -> Tensor:
        return (self.score(frames).softmax(1) * frames).sum(1, keepdim=True)


def pooling_layers(kind: str, frames: int, dim: int, layers: Layers) -> nn.Sequential:
    """The Reducer's second half: `[B, frames, dim]` to `[B, 1, dim]`; "none" keeps the frames."""
    if kind == "none":
        return nn.Sequential()
    pool: nn.Module = _Average()
    if kind == "learned":
        pool = layers.Conv1d(frames, 1, 1)
    elif kind == "attention":
        pool = _AttentionPool(dim, layers)
    return nn.Sequential(pool, nn.GELU(), layers.LayerNorm(dim, eps=REDUCER_EPS))
