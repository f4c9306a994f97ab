"""Blocks of the MMAudio family: gated MLPs, rotary attention, adaptive-norm transformer blocks.

Tensors are channels-last, `[B, N, C]`. Source: MMAudio (arXiv 2412.15322, section 3 and its
appendix). Attribute names are the key names of the public checkpoints.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import Layers

LAYER_NORM_EPS = 1e-5
ROPE_THETA = 10000.0
TIME_PERIOD = 10000.0


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm without weights, then x (1 + scale) + shift, in the type of the modulation."""
    x = F.layer_norm(x, x.shape[-1:], eps=LAYER_NORM_EPS)
    return (x * (1 + scale) + shift).to(shift.dtype)


def to_float32(x: Tensor) -> Tensor:
    """x in float32 or wider: residual streams keep it, or 16-bit errors grow with guidance."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@functools.lru_cache(maxsize=64)
def rotary_table(length: int, dim: int, scale: float = 1.0) -> Tensor:
    """Cosines and sines `[2, length, dim / 2]`, float32, of position * scale * theta^(-2i/dim)."""
    # A table born in inference mode could not be used in training later.
    with torch.inference_mode(False):
        frequencies = ROPE_THETA ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
        angles = torch.arange(length, dtype=torch.float64)[:, None] * (frequencies * scale)
        return torch.stack((angles.cos(), angles.sin())).float()


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Rotary position on the pairs (2i, 2i+1) of x `[B, H, N, D]`; the result is float32."""
    cos, sin = table
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2)


def along_time(layer: nn.Module, x: Tensor) -> Tensor:
    """A linear layer, or a convolution over the length, of x `[B, N, C]`."""
    if isinstance(layer, nn.Conv1d):
        return layer(x.transpose(1, 2)).transpose(1, 2)
    return layer(x)


def linear_or_conv(
    inputs: int, outputs: int, kernel: int, layers: Layers, *, bias: bool = True
) -> nn.Module:
    """A linear layer for kernel 1, else a length-preserving convolution."""
    if kernel == 1:
        return layers.Linear(inputs, outputs, bias=bias)
    return layers.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)


class GatedMLP(nn.Module):
    """w2(silu(w1 x) * w3 x), of linear layers (kernel 1) or convolutions; no biases."""

    def __init__(self, inputs: int, outputs: int, inner: int, kernel: int, layers: Layers) -> None:
        super().__init__()
        self.w1 = linear_or_conv(inputs, inner, kernel, layers, bias=False)
        self.w2 = linear_or_conv(inner, outputs, kernel, layers, bias=False)
        self.w3 = linear_or_conv(inputs, inner, kernel, layers, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        convolves = isinstance(self.w1, nn.Conv1d)
        x = x.transpose(1, 2) if convolves else x
        x = self.w2(F.silu(self.w1(x)) * self.w3(x))
        return x.transpose(1, 2) if convolves else x


class Projection(nn.Sequential):
    """Layers applied one after another to `[B, N, C]`, convolutions over the length."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = along_time(layer, x)
        return x


class TimeEmbedding(nn.Module):
    """Flow time in [0, 1] to a vector: sinusoids (cosines first), linear, SiLU, linear.

    `scale` multiplies the frequencies 10000^(-2k/F): 1 in MMAudio, 10000 in its v2.
    """

    def __init__(self, dim: int, frequencies: int, scale: float, layers: Layers) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.scale = scale
        self.mlp = nn.Sequential(
            layers.Linear(frequencies, dim), nn.SiLU(), layers.Linear(dim, dim)
        )

    def forward(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        """[B] -> [B, dim]. The sinusoids are float32, under autocast the layers as well."""
        k = torch.arange(0, self.frequencies, 2, dtype=torch.float32, device=t.device)
        frequencies = self.scale * TIME_PERIOD ** (-k / self.frequencies)
        angles = t.float()[:, None] * frequencies
        waves = torch.cat((angles.cos(), angles.sin()), dim=-1)
        kind = t.device.type
        compute = torch.float32 if torch.is_autocast_enabled(kind) else dtype
        with torch.autocast(kind, enabled=False):
            return self.mlp(waves.to(compute)).to(dtype)


class Attention(nn.Module):
    """Projections to normalised, rotated heads. Attention itself is joint over the streams."""

    def __init__(self, dim: int, heads: int, layers: Layers) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = layers.Linear(dim, 3 * dim)
        self.q_norm = layers.RMSNorm(dim // heads)
        self.k_norm = layers.RMSNorm(dim // heads)

    def forward(
        self, x: Tensor, table: Tensor | None, *, query: bool = True
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        """[B, N, C] -> q, k, v, each [B, H, N, D]; q is None when no query is asked for."""
        q, k, v = (part.transpose(1, 2) for part in self.split(self.qkv(x)))
        k = self._place(self.k_norm, k, table)
        return (self._place(self.q_norm, q, table) if query else None), k, v

    def split(self, qkv: Tensor) -> tuple[Tensor, ...]:
        """q, k and v, each [B, N, H, D]; channels are ordered head, dim, (q, k, v)."""
        return qkv.unflatten(-1, (self.heads, -1, 3)).unbind(-1)

    def _place(self, norm: nn.Module, x: Tensor, table: Tensor | None) -> Tensor:
        """Normalised and, with a table, rotated heads."""
        x = norm(x.float() if torch.is_autocast_enabled(x.device.type) else x)
        return x if table is None else self.rotate(x, table)

    rotate = staticmethod(rotate)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention with scale 1 / sqrt(D): [B, H, N, D] -> [B, N, H D] in v's dtype."""
    kind = v.device.type
    if kind == "cpu" and v.dtype == torch.bfloat16 and not torch.is_grad_enabled():
        return _attend_in_bfloat16(q, k, v)
    # On a CPU the fused kernel is faster in float32 than in bfloat16, in training twice.
    compute = torch.float32 if kind == "cpu" else v.dtype
    q, k, v_ = q.to(compute), k.to(compute), v.to(compute).contiguous()
    with torch.autocast(kind, enabled=False):
        out = F.scaled_dot_product_attention(q, k, v_)
    return out.to(v.dtype).transpose(1, 2).flatten(2)


def _attend_in_bfloat16(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`attend` in plain products, which a CPU does twice as fast as the fused kernel."""
    q, k = q.to(v.dtype) * q.shape[-1] ** -0.5, k.to(v.dtype)
    # A take at a time: the scores are as large as the length squared.
    taken = [(a @ b.transpose(-1, -2)).softmax(-1) @ c for a, b, c in zip(q, k, v, strict=True)]
    return torch.stack(taken).transpose(1, 2).flatten(2)


class StreamBlock(nn.Module):
    """One stream's half of a transformer block: adaptive norms, heads, output and MLP.

    `kernel` 1 gives linear layers, 3 convolutions. `pre_only` keeps what the other streams
    attend to (keys and values) and has no output of its own.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        inner: int,
        kernel: int,
        layers: Layers,
        *,
        pre_only: bool = False,
    ) -> None:
        super().__init__()
        self.pre_only = pre_only
        self.chunks = 2 if pre_only else 6
        self.attn = Attention(dim, heads, layers)
        if not pre_only:
            self.linear1 = linear_or_conv(dim, dim, kernel, layers)
            self.ffn = GatedMLP(dim, dim, inner, kernel, layers)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), layers.Linear(dim, self.chunks * dim))

    def heads(
        self, x: Tensor, activated: Tensor, table: Tensor | None, spread: Tensor | None = None
    ) -> tuple[tuple[Tensor | None, Tensor, Tensor], tuple[Tensor, ...]]:
        """Heads of x, and the modulation left for `finish`. `activated` is silu(condition):
        [B, N or 1, C], or with `spread` [B, N] the rows [R, C] that it counts."""
        # The SiLU is the same for every block of a step: done once by the caller.
        chunks = self.adaLN_modulation[1](activated)
        if spread is not None:
            chunks = chunks.index_select(0, spread.flatten()).unflatten(0, spread.shape)
        shift, scale, *rest = chunks.chunk(self.chunks, dim=-1)
        x = modulate(x, shift, scale)
        return self.attn(x, table, query=not self.pre_only), tuple(rest)

    def finish(self, x: Tensor, attended: Tensor, modulation: tuple[Tensor, ...]) -> Tensor:
        """x with the gated attention output and the gated MLP added."""
        gate, mlp_shift, mlp_scale, mlp_gate = modulation
        x = x + gate * along_time(self.linear1, attended)
        return x + mlp_gate * self.ffn(modulate(x, mlp_shift, mlp_scale))

    def forward(
        self, x: Tensor, activated: Tensor, table: Tensor, spread: Tensor | None = None
    ) -> Tensor:
        """The block on its own: a stream that attends to itself."""
        (q, k, v), modulation = self.heads(x, activated, table, spread)
        return self.finish(x, attend(q, k, v), modulation)


class JointBlock(nn.Module):
    """Latent, clip and text streams with own weights and one common attention."""

    def __init__(self, dim: int, heads: int, inner: int, layers: Layers, *, last: bool) -> None:
        super().__init__()
        self.last = last
        self.latent_block = StreamBlock(dim, heads, inner, 3, layers)
        self.clip_block = StreamBlock(dim, heads, inner, 3, layers, pre_only=last)
        self.text_block = StreamBlock(dim, heads, inner, 1, layers, pre_only=last)

    def forward(
        self,
        latent: Tensor,
        clip: Tensor,
        text: Tensor,
        frame_condition: Tensor,
        global_condition: Tensor,
        latent_table: Tensor,
        clip_table: Tensor,
        spread: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Streams [B, N, C] in, streams out; the last block returns clip and text untouched."""
        heads, rest = self.latent_block.heads(latent, frame_condition, latent_table, spread)
        clip_heads, clip_rest = self.clip_block.heads(clip, global_condition, clip_table)
        text_heads, text_rest = self.text_block.heads(text, global_condition, None)
        # A stream without queries attends to nothing.
        kinds = zip(heads, clip_heads, text_heads, strict=True)
        attended = attend(*(torch.cat([h for h in kind if h is not None], 2) for kind in kinds))
        if self.last:
            return self.latent_block.finish(latent, attended, rest), clip, text
        own, of_clip, of_text = attended.split([s.shape[1] for s in (latent, clip, text)], dim=1)
        return (
            self.latent_block.finish(latent, own, rest),
            self.clip_block.finish(clip, of_clip, clip_rest),
            self.text_block.finish(text, of_text, text_rest),
        )


class FinalLayer(nn.Module):
    """Adaptive norm and a convolution to the latent's channels."""

    def __init__(self, dim: int, outputs: int, layers: Layers) -> None:
        super().__init__()
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), layers.Linear(dim, 2 * dim))
        self.conv = layers.Conv1d(dim, outputs, 7, padding=3)

    def forward(self, x: Tensor, activated: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation[1](activated).chunk(2, dim=-1)
        return along_time(self.conv, modulate(x, shift, scale))
