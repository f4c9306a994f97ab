"""Blocks that CLIP and Synchformer share."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StackedAttention(nn.Module):
    """Self-attention [B, N, D] with one stacked projection, under nn.MultiheadAttention's names."""

    def __init__(self, dim: int, heads: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim, **factory))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim, **factory))
        self.out_proj = operations.Linear(dim, dim, **factory)
        if not self.in_proj_weight.is_meta:
            nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        qkv = F.linear(x, self.in_proj_weight.to(x), self.in_proj_bias.to(x))
        return self._attend(*qkv.chunk(3, -1), causal=causal)

    def first(self, x: Tensor) -> Tensor:
        """Output at the first token only: [B, N, D] -> [B, 1, D]."""
        weight, bias = self.in_proj_weight.to(x), self.in_proj_bias.to(x)
        width = x.shape[-1]
        q = F.linear(x[:, :1], weight[:width], bias[:width])
        return self._attend(q, *F.linear(x, weight[width:], bias[width:]).chunk(2, -1))

    def _attend(self, *qkv: Tensor, causal: bool = False) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in qkv)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=causal)  # [B, H, N, d]
        return self.out_proj(out.transpose(1, 2).flatten(2))


def mlp(
    dim: int, first: str, activation: nn.Module, second: str, *, operations: Any, **factory
) -> nn.Sequential:
    """dim -> 4 dim -> dim; first, second: the names of its layers in a file."""
    layers = OrderedDict({first: operations.Linear(dim, 4 * dim, **factory)})
    layers["activation"] = activation
    layers[second] = operations.Linear(4 * dim, dim, **factory)
    return nn.Sequential(layers)
