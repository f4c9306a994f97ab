"""Networks repacked for prediction on a CPU: the same numbers, sooner.

oneDNN takes weights in blocks of its own; brought into them once, a matrix product in bfloat16 is
near the machine's peak. A convolution over time becomes one product over windows of frames side by
side, the gate or the GELU of an MLP part of its product. Weights are repacked one after another, so
that no second copy of the network is ever in memory. A packed network has no weights to train,
patch or save.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heap import trim_heap
from .mdsgen_blocks import MLP, BiasedAttention
from .mmdit import Attention, GatedMLP, TimeEmbedding
from .stable_audio import GLU

log = logging.getLogger(__name__)

# Rows that the blocks are chosen for; any number works.
_ROWS = 512
# Activations inside a product, and which form of them.
SWISH, GELU, EXACT_GELU = ("swish", ""), ("gelu", "tanh"), ("gelu", "none")


def can_pack(dtype: torch.dtype, device: torch.device | str) -> bool:
    """Whether this machine gains by packing, and torch's own operators for it do what they did."""
    mkldnn = torch.ops.mkldnn
    return (
        torch.device(device).type == "cpu"
        and dtype in (torch.float32, torch.bfloat16)
        and torch.backends.mkldnn.is_available()
        and hasattr(mkldnn, "_reorder_linear_weight")
        and (dtype == torch.float32 or mkldnn._is_mkldnn_bf16_supported())
        and operators_agree(dtype)
    )


@functools.cache
def operators_agree(dtype: torch.dtype) -> bool:
    """Whether packed layers give what plain ones give: their operators are private to torch, and
    another version may lack them or mean something else. Asked once a process."""
    rng = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng).to(dtype)

    with torch.inference_mode():
        x, factor, weight, bias = draw(2, 8, 48), draw(2, 8, 32), draw(32, 48) / 7, draw(32)
        plain = F.linear(x, weight, bias).float()
        layer = nn.Linear(48, 32, dtype=dtype)
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
        try:
            packed = Packed(layer)
            activated = (packed.apply_to(x, *kind) for kind in (SWISH, GELU, EXACT_GELU))
            made = (packed(x), packed.times(x, factor), *activated)
        except (AttributeError, RuntimeError, TypeError) as error:
            log.warning("torch %s cannot pack weights: %s", torch.__version__, error)
            return False
    curves = (F.silu(plain), F.gelu(plain, approximate="tanh"), F.gelu(plain))
    expected = (plain, plain * factor.float(), *curves)
    close = 1e-4 if dtype == torch.float32 else 3e-2
    agrees = all(
        float((a.float() - b).norm() / b.norm()) < close
        for a, b in zip(made, expected, strict=True)
    )
    if not agrees:
        log.warning("Packed weights mean something else in torch %s: none are.", torch.__version__)
    return agrees


class Packed(nn.Module):
    """A linear layer, or a convolution that keeps the length, on [B, N, C]."""

    def __init__(self, layer: nn.Linear | nn.Conv1d, order: Tensor | None = None) -> None:
        super().__init__()
        weight = layer.weight.detach()
        self.kernel = weight.shape[2] if weight.ndim == 3 else 1
        if weight.ndim == 3:
            weight = weight.transpose(1, 2).flatten(1)  # [out, kernel * in]
        if order is not None:
            weight = weight[order]
        self.bias = None if layer.bias is None else layer.bias.detach()
        if order is not None and self.bias is not None:
            self.bias = self.bias[order]
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
        # Let go at once: the whole network would else be there twice.
        layer.weight = layer.bias = None

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_to(windows_of(x, self.kernel))

    def apply_to(self, windows: Tensor, activation: str = "none", form: str = "") -> Tensor:
        """As `forward`, of what `windows_of` made; with an activation inside the product."""
        pointwise = torch.ops.mkldnn._linear_pointwise
        return pointwise(windows, self.weight, self.bias, activation, [], form)

    def times(self, windows: Tensor, factor: Tensor) -> Tensor:
        """`apply_to` times a factor of the same shape."""
        pointwise = torch.ops.mkldnn._linear_pointwise
        return pointwise(windows, factor, self.weight, self.bias, "mul")


def windows_of(x: Tensor, kernel: int) -> Tensor:
    """[B, N, C] to [B, N, kernel * C]: each frame with its neighbours, zeros beyond the ends."""
    if kernel == 1:
        return x
    length, side = x.shape[1], kernel // 2
    padded = F.pad(x, (0, 0, side, side))
    return torch.cat([padded[:, i : i + length] for i in range(kernel)], dim=2)


class PackedGatedMLP(nn.Module):
    """GatedMLP with its activation and gate inside the products."""

    def __init__(self, layer: GatedMLP) -> None:
        super().__init__()
        self.w1, self.w2, self.w3 = (Packed(w) for w in (layer.w1, layer.w2, layer.w3))

    def forward(self, x: Tensor) -> Tensor:
        windows = windows_of(x, self.w1.kernel)
        return self.w2(self.w3.times(windows, self.w1.apply_to(windows, *SWISH)))


class PackedAttention(Attention):
    """Attention whose q, k and v each lie together."""

    def __init__(self, layer: Attention) -> None:
        nn.Module.__init__(self)
        self.heads = layer.heads
        rows = torch.arange(layer.qkv.weight.shape[0]).view(-1, 3).T.flatten()
        self.qkv = Packed(layer.qkv, rows)
        self.q_norm, self.k_norm = layer.q_norm, layer.k_norm

    def split(self, qkv: Tensor) -> tuple[Tensor, ...]:
        return qkv.unflatten(-1, (3, self.heads, -1)).unbind(2)

    @staticmethod
    def rotate(x: Tensor, table: Tensor) -> Tensor:
        """In fewer passes: pairs are complex numbers, and turned by one product."""
        pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * torch.complex(*table)).flatten(-2)


class PackedMLP(nn.Module):
    """`mdsgen_blocks.MLP` with its GELU inside the product."""

    def __init__(self, layer: MLP) -> None:
        super().__init__()
        self.activation = "gelu", layer.approximate
        self.fc1, self.fc2 = Packed(layer.fc1), Packed(layer.fc2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1.apply_to(x, *self.activation))


class PackedBiasedAttention(BiasedAttention):
    """BiasedAttention; in bfloat16 with the logits of one take at a time written out.

    torch's fused attention is no faster in bfloat16 than in float32 on a CPU, plain products are.
    """

    def __init__(self, layer: BiasedAttention) -> None:
        nn.Module.__init__(self)
        self.heads = layer.heads
        self.qkv, self.proj = Packed(layer.qkv), Packed(layer.proj)
        self.rel_pos_bias = layer.rel_pos_bias

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
        if q.dtype != torch.bfloat16:
            return super().attend(q, k, v, bias)
        tables = bias.expand(len(q), -1, -1, -1)
        return torch.stack([_attended(*take) for take in zip(q, k, v, tables, strict=True)])


def _attended(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """q, k, v `[H, N, 64]`, bias `[H, N, N]`."""
    logits = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5)
    return torch.bmm(logits.softmax(-1), v)


Kinds = Mapping[type[nn.Module], Callable[[Any], nn.Module]]
MMAUDIO_KINDS: Kinds = {
    # The time embedding stays: it is one row, and under autocast float32.
    TimeEmbedding: lambda layer: layer,
    GatedMLP: PackedGatedMLP,
    Attention: PackedAttention,
    nn.Linear: Packed,
    nn.Conv1d: Packed,
}
# The products of the blocks are all but a hundredth of the work.
MDSGEN_KINDS: Kinds = {MLP: PackedMLP, BiasedAttention: PackedBiasedAttention}
SPECMASKGIT_KINDS: Kinds = {
    MLP: PackedMLP,
    GatedMLP: PackedGatedMLP,
    nn.Linear: Packed,
    nn.Conv1d: Packed,
}


class PackedGLU(nn.Module):
    """`stable_audio.GLU` with its activation and gate inside the products."""

    def __init__(self, layer: GLU) -> None:
        super().__init__()
        weights, biases = layer.proj.weight.chunk(2), layer.proj.bias.chunk(2)
        self.a, self.g = (Packed(_linear(*pair)) for pair in zip(weights, biases, strict=True))
        layer.proj.weight = layer.proj.bias = None

    def forward(self, x: Tensor) -> Tensor:
        return self.a.times(x, self.g.apply_to(x, *SWISH))


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = (nn.Parameter(x, requires_grad=False) for x in (weight, bias))
    return layer


STABLE_AUDIO_KINDS: Kinds = {GLU: PackedGLU, nn.Linear: Packed, nn.Conv1d: Packed}


def pack(module: nn.Module, kinds: Kinds) -> nn.Module:
    """The layers of `module` that are of these kinds packed, in place; returns it. Ask `can_pack`
    first."""
    for name, child in list(module.named_children()):
        packs = [kinds[kind] for kind in kinds if isinstance(child, kind)]
        if packs:
            setattr(module, name, packs[0](child))
            trim_heap()
        else:
            pack(child, kinds)
    return module
