"""DFN5B CLIP ViT-H/14: one vector a frame, and the last hidden states of a text.

Source: Data Filtering Networks (arXiv 2309.17425); used as in MMAudio (arXiv 2412.15322, section
3.3). Attribute names are open_clip's key names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import FoleyError
from ..media import FrameRequest
from ..weights.families import Shapes
from ..weights.fill import fill
from ..weights.load import read_weights
from .base import VideoEncoder, pixels, single_frames
from .clip_keys import Half, may_be_of, open_clip_names
from .clip_tokens import tokenize

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
# Weights whose shapes give the sizes of a tower, and how many axes each has.
_VISUAL_TABLES = {"visual.conv1.weight": 4, "visual.positional_embedding": 2, "visual.proj": 2}
_TEXT_TABLES = {"token_embedding.weight": 2, "positional_embedding": 2, "text_projection": 2}
# For each layout of a file, its patch convolution, and how keys of its text tower start.
_LAYOUTS = {
    "open_clip": ("visual.conv1.weight", ("transformer.resblocks.", "text.")),
    "transformers": ("vision_model.embeddings.patch_embedding.weight", ("text_model.",)),
}


@dataclass(frozen=True)
class ClipConfig:
    """Sizes of both towers. image_size: pixels the position table was made for."""

    embed_dim: int = 1024
    image_size: int = 378
    patch_size: int = 14
    vision_width: int = 1280
    vision_layers: int = 32
    vision_head: int = 80
    context: int = 77
    vocabulary: int = 49408
    text_width: int = 1024
    text_layers: int = 24
    text_heads: int = 16

    @property
    def patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2


class _Attention(nn.Module):
    """Self-attention with one stacked projection, as stored."""

    def __init__(self, dim: int, heads: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim, **factory))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * dim, **factory))
        self.out_proj = operations.Linear(dim, dim, **factory)
        if not self.in_proj_weight.is_meta:
            nn.init.xavier_uniform_(self.in_proj_weight)
            nn.init.zeros_(self.in_proj_bias)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        qkv = F.linear(x, self.in_proj_weight.to(x), self.in_proj_bias.to(x))
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, N, D)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out_proj(out.transpose(1, 2).flatten(2))


class _MLP(nn.Module):
    def __init__(self, dim: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.c_fc = operations.Linear(dim, 4 * dim, **factory)
        self.c_proj = operations.Linear(4 * dim, dim, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c_fc(x)
        return self.c_proj(x * torch.sigmoid(1.702 * x))


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.ln_1 = operations.LayerNorm(dim, **factory)
        self.attn = _Attention(dim, heads, operations=operations, **factory)
        self.ln_2 = operations.LayerNorm(dim, **factory)
        self.mlp = _MLP(dim, operations=operations, **factory)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        x = x + self.attn(self.ln_1(x), causal)
        return x + self.mlp(self.ln_2(x))


class _Transformer(nn.Module):
    def __init__(self, dim: int, layers: int, heads: int, **factory) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(dim, heads, **factory) for _ in range(layers))

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        for block in self.resblocks:
            x = block(x, causal)
        return x


class _Vision(nn.Module):
    """Pictures (B, 3, H, W), normalised, to unnormalised embeddings (B, embed_dim).

    The patch convolution drops the rows and columns that do not fill a patch, so 384 pixels go
    through the 27 x 27 table of 378 unchanged.
    """

    def __init__(self, config: ClipConfig, *, operations: Any, **factory) -> None:
        super().__init__()
        width = config.vision_width
        self.class_embedding = nn.Parameter(torch.zeros(width, **factory))
        self.positional_embedding = nn.Parameter(torch.zeros(config.patches + 1, width, **factory))
        self.proj = nn.Parameter(torch.zeros(width, config.embed_dim, **factory))
        patch = config.patch_size
        self.conv1 = operations.Conv2d(3, width, patch, stride=patch, bias=False, **factory)
        self.ln_pre = operations.LayerNorm(width, **factory)
        heads = width // config.vision_head
        self.transformer = _Transformer(
            width, config.vision_layers, heads, operations=operations, **factory
        )
        self.ln_post = operations.LayerNorm(width, **factory)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv1(images).flatten(2).transpose(1, 2)  # (B, patches, W)
        first = self.class_embedding.to(x).expand(len(x), 1, -1)
        x = torch.cat([first, x], 1) + self.positional_embedding.to(x)
        x = self.transformer(self.ln_pre(x))
        return self.ln_post(x[:, 0]) @ self.proj.to(x)


class DFN5BClip(VideoEncoder):
    """8 features of 1024 a second from frames squeezed to 384 x 384, and the states of a text.

    half: the only tower that is built, None for both. A half raises FoleyError where the other one
    is needed.
    """

    stream = "clip"
    rate = 8.0
    frame_request = FrameRequest(fps=8.0, size=384, crop="stretch", resample="bicubic")

    def __init__(
        self,
        config: ClipConfig | None = None,
        *,
        half: Half | None = None,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        config = config or ClipConfig()
        factory: dict[str, Any] = {"dtype": dtype, "device": device}
        width = config.text_width
        self.config = config
        self.half = half
        self.width = config.embed_dim
        if half != "text":
            self.visual = _Vision(config, operations=operations, **factory)
        if half == "visual":
            return
        self.positional_embedding = nn.Parameter(torch.zeros(config.context, width, **factory))
        # Two figures of the public file that no feature here depends on.
        self.text_projection = nn.Parameter(torch.zeros(width, config.embed_dim, **factory))
        self.logit_scale = nn.Parameter(torch.zeros((), **factory))
        self.transformer = _Transformer(
            width, config.text_layers, config.text_heads, operations=operations, **factory
        )
        self.token_embedding = operations.Embedding(config.vocabulary, width, **factory)
        self.ln_final = operations.LayerNorm(width, **factory)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        half: Half | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
        **factory: Any,
    ) -> DFN5BClip:
        """From an open_clip or transformers file; dtype None keeps the file's own.

        half: the only tower that is read, None for both.
        Raises FoleyError for a file of another model.
        """
        # What is of neither half is read as well, so that another model's file is refused.
        keep = None if half is None else partial(may_be_of, half)
        tensors = read_weights(path, dtype=dtype, device=device, keep=keep)
        tensors = open_clip_names(tensors, half)
        model = cls(_config_of(tensors), half=half, device="meta", **factory)
        return fill(model, tensors, path)

    @staticmethod
    def windows(count: int) -> Tensor:
        return single_frames(count)

    def window_bytes(self, frames: int) -> int:
        # Widest moment: the hidden layer twice, the residual stream and the heads beside it.
        return (self.config.patches + 1) * self.config.vision_width * 16 * self.dtype.itemsize

    def encode_batch(self, frames: Tensor) -> Tensor:
        return self.encode_images(pixels(frames[:, 0], self.dtype, MEAN, STD))[:, None]

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), normalised by MEAN and STD -> unit vectors (B, embed_dim)."""
        self._needs("visual")
        return F.normalize(self.visual(images), dim=-1)

    def encode_ids(self, ids: Tensor) -> Tensor:
        """Token ids (B, 77) -> last hidden states (B, 77, text_width), each of unit length.

        After the final norm; neither pooled nor projected, padding included.
        """
        self._needs("text")
        x = self.token_embedding(ids).to(self.dtype)
        x = x + self.positional_embedding.to(x)[: ids.shape[1]]
        return F.normalize(self.ln_final(self.transformer(x, causal=True)), dim=-1)

    @torch.no_grad()
    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """B prompts -> float32 (B, 77, text_width) on the CPU."""
        ids = tokenize(prompts, self.config.context).to(self.device)
        return self.encode_ids(ids).float().cpu()

    def _needs(self, half: Half) -> None:
        if self.half not in (None, half):
            raise FoleyError(
                f"Only the {self.half} half of CLIP is loaded; load its {half} half for this."
            )


def _config_of(tensors: Mapping[str, Tensor]) -> ClipConfig:
    """Sizes from shapes; what is not CLIP keeps the published sizes and fails on its keys."""
    return ClipConfig(**{**_visual_sizes(tensors), **_text_sizes(tensors)})


def _visual_sizes(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    shapes = _shapes(tensors, _VISUAL_TABLES)
    if shapes is None:
        return {}
    (width, _, patch, _), (places, _), (_, embed) = shapes
    return {
        "embed_dim": embed,
        "image_size": round((places - 1) ** 0.5) * patch,
        "patch_size": patch,
        "vision_width": width,
        "vision_layers": _layers(tensors, "visual.transformer.resblocks.")
        or ClipConfig.vision_layers,
    }


def _text_sizes(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    shapes = _shapes(tensors, _TEXT_TABLES)
    if shapes is None:
        return {}
    (vocabulary, width), (context, _), (_, embed) = shapes
    return {
        "embed_dim": embed,
        "context": context,
        "vocabulary": vocabulary,
        "text_width": width,
        "text_layers": _layers(tensors, "transformer.resblocks.") or ClipConfig.text_layers,
        "text_heads": max(1, width // 64),
    }


def _shapes(tensors: Mapping[str, Tensor], axes: Mapping[str, int]) -> list[tuple[int, ...]] | None:
    """Shapes in order of the keys; None unless each is there and has so many axes."""
    found = [tuple(tensors[key].shape) for key in axes if key in tensors]
    return found if [len(shape) for shape in found] == list(axes.values()) else None


def _layers(tensors: Mapping[str, Tensor], prefix: str) -> int:
    numbers = {int(k[len(prefix) :].split(".")[0]) for k in tensors if k.startswith(prefix)}
    return len(numbers)


def recognise(shapes: Shapes) -> str | None:
    """The size and layout of a whole CLIP, such as "vit-h-14, open_clip"; None if it is none."""
    bare = {key.removeprefix("model.").removeprefix("clip."): v for key, v in shapes.items()}
    for layout, (first, text) in _LAYOUTS.items():
        if len(bare.get(first, ())) == 4 and any(key.startswith(text) for key in bare):
            width, patch = bare[first][0], bare[first][-1]
            size = "vit-h-14" if (width, patch) == (1280, 14) else f"width {width}"
            return f"{size}, {layout}"
    return None
