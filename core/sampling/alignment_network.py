"""Diff-Foley's alignment classifier: do a noisy mel latent and a video belong together?

Source: Diff-Foley (arXiv 2306.17203, section 3.3): the first half of a latent-diffusion U-Net whose
transformers look at the video. Attribute names are the public file's key names under `model.`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..weights.fill import fill
from ..weights.load import read_weights

CHANNELS = 4
VIDEO_WIDTH = 512
_WIDTH = 128
_LEVELS = (1, 2, 2)
_HEADS = 8
_GROUPS = 32
_TIME_PERIOD = 10000.0
_PREFIX = "model."
_OTHERS = ("cond_model.", "model_ema.")


class _Residual(nn.Module):
    """Two convolutions, told the time between them."""

    def __init__(self, inputs: int, outputs: int, *, operations: Any, **factory) -> None:
        super().__init__()
        ops = operations
        self.in_layers = nn.Sequential(
            ops.GroupNorm(_GROUPS, inputs, **factory),
            nn.SiLU(),
            ops.Conv2d(inputs, outputs, 3, padding=1, **factory),
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), ops.Linear(4 * _WIDTH, outputs, **factory))
        self.out_layers = nn.Sequential(
            ops.GroupNorm(_GROUPS, outputs, **factory),
            nn.SiLU(),
            nn.Identity(),
            ops.Conv2d(outputs, outputs, 3, padding=1, **factory),
        )
        if inputs != outputs:
            self.skip_connection = ops.Conv2d(inputs, outputs, 1, **factory)
        else:
            self.skip_connection = nn.Identity()

    def forward(self, x: Tensor, time: Tensor, video: Tensor) -> Tensor:
        inner = self.in_layers(x) + self.emb_layers(time)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(inner)


class _Attention(nn.Module):
    """Tokens attend to themselves, or to the video."""

    def __init__(self, dim: int, heard: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.to_q = operations.Linear(dim, dim, bias=False, **factory)
        self.to_k = operations.Linear(heard, dim, bias=False, **factory)
        self.to_v = operations.Linear(heard, dim, bias=False, **factory)
        self.to_out = nn.Sequential(operations.Linear(dim, dim, **factory))

    def forward(self, x: Tensor, heard: Tensor) -> Tensor:
        q, k, v = (
            layer(value).unflatten(-1, (_HEADS, -1)).transpose(1, 2)
            for layer, value in ((self.to_q, x), (self.to_k, heard), (self.to_v, heard))
        )
        out = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(out.transpose(1, 2).flatten(2))


class _GatedGELU(nn.Module):
    def __init__(self, dim: int, inner: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.proj = operations.Linear(dim, 2 * inner, **factory)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class _FeedForward(nn.Module):
    def __init__(self, dim: int, *, operations: Any, **factory) -> None:
        super().__init__()
        first = _GatedGELU(dim, 4 * dim, operations=operations, **factory)
        self.net = nn.Sequential(first, nn.Identity(), operations.Linear(4 * dim, dim, **factory))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class _TransformerBlock(nn.Module):
    def __init__(self, dim: int, *, operations: Any, **factory) -> None:
        super().__init__()
        layers = {"operations": operations, **factory}
        self.attn1 = _Attention(dim, dim, **layers)
        self.ff = _FeedForward(dim, **layers)
        self.attn2 = _Attention(dim, VIDEO_WIDTH, **layers)
        for name in ("norm1", "norm2", "norm3"):
            setattr(self, name, operations.LayerNorm(dim, **factory))

    def forward(self, x: Tensor, video: Tensor) -> Tensor:
        own = self.norm1(x)
        x = x + self.attn1(own, own)
        x = x + self.attn2(self.norm2(x), video)
        return x + self.ff(self.norm3(x))


class _Transformer(nn.Module):
    """One transformer block over the places of a picture."""

    def __init__(self, dim: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.norm = operations.GroupNorm(_GROUPS, dim, eps=1e-6, **factory)
        self.proj_in = operations.Conv2d(dim, dim, 1, **factory)
        block = _TransformerBlock(dim, operations=operations, **factory)
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = operations.Conv2d(dim, dim, 1, **factory)

    def forward(self, x: Tensor, time: Tensor, video: Tensor) -> Tensor:
        inner = self.proj_in(self.norm(x))
        tokens = self.transformer_blocks[0](inner.flatten(2).transpose(1, 2), video)
        return x + self.proj_out(tokens.transpose(1, 2).unflatten(2, x.shape[2:]))


class _Halve(nn.Module):
    def __init__(self, width: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.op = operations.Conv2d(width, width, 3, stride=2, padding=1, **factory)

    def forward(self, x: Tensor, time: Tensor, video: Tensor) -> Tensor:
        return self.op(x)


class _Enter(nn.Conv2d):
    def forward(self, x: Tensor, time: Tensor, video: Tensor) -> Tensor:
        return super().forward(x)


class AlignmentClassifier(nn.Module):
    """The logit that a noisy latent picture and CAVP features are of one clip.

    forward: latents (B, 4, 16, N) times 0.18215, with the noise of Diff-Foley's schedule at step t
    (B,), 0 to 999; features (B, n, 512). The raw features, as its guidance gives them.
    """

    def __init__(
        self,
        *,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        factory: dict[str, Any] = {"dtype": dtype, "device": device}
        layers = {"operations": operations, **factory}
        self.time_embed = nn.Sequential(
            operations.Linear(_WIDTH, 4 * _WIDTH, **factory),
            nn.SiLU(),
            operations.Linear(4 * _WIDTH, 4 * _WIDTH, **factory),
        )
        steps = [nn.ModuleList([_Enter(CHANNELS, _WIDTH, 3, padding=1, **factory)])]
        width = _WIDTH
        for level, times in enumerate(_LEVELS):
            parts: list[nn.Module] = [_Residual(width, times * _WIDTH, **layers)]
            width = times * _WIDTH
            # The finest level is too large to attend.
            parts += [_Transformer(width, **layers)] if level else []
            steps.append(nn.ModuleList(parts))
            if level < len(_LEVELS) - 1:
                steps.append(nn.ModuleList([_Halve(width, **layers)]))
        self.input_blocks = nn.ModuleList(steps)
        self.middle_block = nn.ModuleList(
            [
                _Residual(width, width, **layers),
                _Transformer(width, **layers),
                _Residual(width, width, **layers),
            ]
        )
        self.out = nn.Sequential(
            operations.GroupNorm(_GROUPS, width, **factory),
            nn.SiLU(),
            operations.Conv2d(width, _WIDTH, 3, padding=1, **factory),
        )
        self.classifier = operations.Linear(_WIDTH, 1, **factory)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        dtype: torch.dtype | None = torch.float32,
        device: torch.device | str = "cpu",
    ) -> AlignmentClassifier:
        """The network of Diff-Foley's classifier file; FoleyError for another."""
        tensors = read_weights(path, dtype=dtype, device=device)
        tensors = {
            k.removeprefix(_PREFIX): v
            for k, v in tensors.items()
            if not k.startswith(_OTHERS) and (k.startswith(_PREFIX) or "." in k)
        }
        return fill(cls(device="meta"), tensors, path)

    def forward(self, latent: Tensor, t: Tensor, video: Tensor) -> Tensor:
        """(B,) logits; a sigmoid makes them probabilities."""
        k = torch.arange(_WIDTH // 2, dtype=torch.float32, device=t.device)
        angles = t.float()[:, None] * torch.exp(-math.log(_TIME_PERIOD) / (_WIDTH // 2) * k)
        time = self.time_embed(torch.cat((angles.cos(), angles.sin()), dim=-1).to(latent.dtype))
        x = latent
        for block in (*self.input_blocks, self.middle_block):
            for layer in block:
                x = layer(x, time, video)
        return self.classifier(self.out(x).mean((2, 3)))[:, 0]
