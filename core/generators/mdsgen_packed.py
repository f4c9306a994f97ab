"""MDSGen repacked for prediction on a CPU: the same numbers, sooner (see `packed`).

The products of the blocks, all but a hundredth of the work, take packed weights; GELU is done
inside the first of an MLP. A packed network has no weights to train, patch or save.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heap import trim_heap
from .mdsgen import MDSGen
from .mdsgen_blocks import MLP, Attention
from .packed import Packed


def pack(network: MDSGen) -> MDSGen:
    """The blocks of `network` packed, in place; returns it. Ask `packed.can_pack` first."""
    for block in network.blocks:
        block.attn = PackedAttention(block.attn)
        block.mlp = PackedMLP(block.mlp)
        trim_heap()
    return network


class PackedMLP(nn.Module):
    """`mdsgen_blocks.MLP` with its GELU inside the product."""

    def __init__(self, layer: MLP) -> None:
        super().__init__()
        self.fc1, self.fc2 = Packed(layer.fc1), Packed(layer.fc2)

    def forward(self, x: Tensor) -> Tensor:
        pointwise, first = torch.ops.mkldnn._linear_pointwise, self.fc1
        return self.fc2(pointwise(x, first.weight, first.bias, "gelu", [], "tanh"))


class PackedAttention(nn.Module):
    """`mdsgen_blocks.Attention`; in bfloat16 with the logits of one take at a time written out.

    torch's fused attention is no faster in bfloat16 than in float32 on a CPU, plain products are.
    """

    def __init__(self, layer: Attention) -> None:
        super().__init__()
        self.heads = layer.heads
        self.qkv, self.proj = Packed(layer.qkv), Packed(layer.proj)
        self.rel_pos_bias = layer.rel_pos_bias

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """See `Attention.forward`."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        bias = bias.to(q.dtype)
        if q.dtype != torch.bfloat16:
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        else:
            tables = bias.expand(len(q), -1, -1, -1)
            out = torch.stack([_attended(*take) for take in zip(q, k, v, tables, strict=True)])
        return self.proj(out.transpose(1, 2).flatten(2))


def _attended(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """q, k, v `[H, N, 64]`, bias `[H, N, N]`."""
    logits = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5)
    return torch.bmm(logits.softmax(-1), v)
