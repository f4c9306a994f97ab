"""Networks of the MMAudio family repacked for prediction on a CPU: the same numbers, sooner.

oneDNN takes weights in blocks of its own; brought into them once, a matrix product in bfloat16 is
near the machine's peak. A convolution over time becomes one product over windows of frames side by
side, the gate of an MLP part of its product. Weights are repacked one after another, so that no
second copy of the network is ever in memory. A packed network has no weights to train, patch or
save.
"""

from __future__ import annotations

import functools
import logging

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..heap import trim_heap
from .mmdit import Attention, GatedMLP

log = logging.getLogger(__name__)

# Rows that the blocks are chosen for; any number works.
_ROWS = 512


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
            gelu = torch.ops.mkldnn._linear_pointwise(
                x, packed.weight, packed.bias, "gelu", [], "tanh"
            )
            made = (packed(x), packed(x, "swish"), packed.times(x, factor), gelu)
        except (AttributeError, RuntimeError, TypeError) as error:
            log.warning("torch %s cannot pack weights: %s", torch.__version__, error)
            return False
    expected = (plain, F.silu(plain), plain * factor.float(), F.gelu(plain, approximate="tanh"))
    close = 1e-4 if dtype == torch.float32 else 3e-2
    agrees = all(
        float((a.float() - b).norm() / b.norm()) < close
        for a, b in zip(made, expected, strict=True)
    )
    if not agrees:
        log.warning("Packed weights mean something else in torch %s: none are.", torch.__version__)
    return agrees


def pack(module: nn.Module) -> nn.Module:
    """Every layer of `module` packed, in place; returns it."""
    for name, child in list(module.named_children()):
        # The time embedding stays: it is one row, and under autocast float32.
        if name == "t_embed":
            continue
        packed = _packed(child)
        if packed is None:
            pack(child)
        else:
            setattr(module, name, packed)
            trim_heap()
    return module


def _packed(layer: nn.Module) -> nn.Module | None:
    if isinstance(layer, GatedMLP):
        return PackedMLP(layer)
    if isinstance(layer, Attention):
        return PackedAttention(layer)
    if isinstance(layer, (nn.Linear, nn.Conv1d)):
        return Packed(layer)
    return None


class Packed(nn.Module):
    """A linear layer, or a convolution that keeps the length, on [B, N, C]."""

    def __init__(self, layer: nn.Linear | nn.Conv1d, order: Tensor | None = None) -> None:
        super().__init__()
        weight = layer.weight.detach()
        self.kernel = weight.shape[2] if weight.ndim == 3 else 1
        if weight.ndim == 3:
            weight = weight.transpose(1, 2).flatten(1)  # (out, kernel * in)
        if order is not None:
            weight = weight[order]
        self.bias = None if layer.bias is None else layer.bias.detach()
        if order is not None and self.bias is not None:
            self.bias = self.bias[order]
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
        # Let go at once: the whole network would else be there twice.
        layer.weight = layer.bias = None

    def forward(self, x: Tensor, activation: str = "none") -> Tensor:
        return self.apply_to(windows_of(x, self.kernel), activation)

    def apply_to(self, windows: Tensor, activation: str = "none") -> Tensor:
        """As `forward`, of what `windows_of` made."""
        return torch.ops.mkldnn._linear_pointwise(
            windows, self.weight, self.bias, activation, [], ""
        )

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


class PackedMLP(nn.Module):
    """GatedMLP with its activation and gate inside the products."""

    def __init__(self, layer: GatedMLP) -> None:
        super().__init__()
        self.w1, self.w2, self.w3 = (Packed(w) for w in (layer.w1, layer.w2, layer.w3))

    def forward(self, x: Tensor) -> Tensor:
        windows = windows_of(x, self.w1.kernel)
        return self.w2(self.w3.times(windows, self.w1.apply_to(windows, "swish")))


class PackedAttention(nn.Module):
    """Attention whose q, k and v each lie together."""

    def __init__(self, layer: Attention) -> None:
        super().__init__()
        self.heads = layer.heads
        rows = torch.arange(layer.qkv.weight.shape[0]).view(-1, 3).T.flatten()
        self.qkv = Packed(layer.qkv, rows)
        self.q_norm, self.k_norm = layer.q_norm, layer.k_norm

    def forward(
        self, x: Tensor, table: Tensor | None, *, query: bool = True
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        """See `Attention.forward`."""
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        k = self._placed(self.k_norm, k, table)
        return (self._placed(self.q_norm, q, table) if query else None), k, v

    @staticmethod
    def _placed(norm: nn.Module, x: Tensor, table: Tensor | None) -> Tensor:
        x = norm(x)
        if table is None:
            return x
        # As `rotate`, in fewer passes: pairs are complex numbers, and turned by one product.
        pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * torch.complex(*table)).flatten(-2)
