"""Weights in 8 bits, computed in a wider type: half the memory of bfloat16."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FP8 = torch.float8_e4m3fn
_LARGEST = torch.finfo(FP8).max


class _Fp8(nn.Module):
    """A layer whose weight is stored as 8-bit numbers and a factor for each output."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        weight = layer.weight.detach()
        axes = tuple(range(1, weight.ndim))
        factor = weight.float().abs().amax(axes, keepdim=True).clamp_min(1e-12) / _LARGEST
        self.register_buffer("weight", (weight.float() / factor).to(FP8))
        self.register_buffer("factor", factor.to(weight.dtype))
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    def dequantized(self, dtype: torch.dtype) -> Tensor:
        """The weight as it is computed with."""
        return self.weight.to(dtype) * self.factor.to(dtype)


class Fp8Linear(_Fp8):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.dequantized(x.dtype), self.bias)


class Fp8Conv1d(_Fp8):
    """A convolution over time, of stride 1, on [B, N, C]."""

    def __init__(self, layer: nn.Conv1d) -> None:
        super().__init__(layer)
        self.padding = layer.padding

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, C], as the blocks of `generators.mmdit` hold their streams."""
        weight = self.dequantized(x.dtype)
        x = F.conv1d(x.transpose(1, 2), weight, self.bias, padding=self.padding)
        return x.transpose(1, 2)


def quantize_fp8(module: nn.Module) -> nn.Module:
    """Every linear layer and convolution of a network of `generators.mmdit` in 8 bits, one after
    another, in place; all else (norms, nulls, biases) stays. Returns it, for inference only.
    """
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, Fp8Linear(child))
        elif isinstance(child, nn.Conv1d):
            setattr(module, name, Fp8Conv1d(child))
        else:
            quantize_fp8(child)
    return module
