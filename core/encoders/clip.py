"""DFN5B CLIP ViT-H/14: one vector a frame, and the last hidden states of a text.

Source: Data Filtering Networks (arXiv 2309.17425); used as in MMAudio (arXiv 2412.15322, section
3.3). Attribute names are open_clip's key names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import FoleyError
from ..media import FrameRequest
from ..weights.families import Shapes, count_blocks, sized
from .base import VideoEncoder, pixels, single_frames
from .blocks import StackedAttention, mlp
from .clip_keys import Half, may_be_of, open_clip_names
from .clip_tokens import tokenize

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
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


class _QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.ln_1 = operations.LayerNorm(dim, **factory)
        self.attn = StackedAttention(dim, heads, operations=operations, **factory)
        self.ln_2 = operations.LayerNorm(dim, **factory)
        self.mlp = mlp(dim, "c_fc", _QuickGELU(), "c_proj", operations=operations, **factory)

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
    """Pictures [B, 3, H, W], normalised, to unnormalised embeddings [B, embed_dim].

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
        x = self.conv1(images).flatten(2).transpose(1, 2)  # [B, patches, width]
        first = self.class_embedding.to(x).expand(len(x), 1, -1)
        x = torch.cat([first, x], 1) + self.positional_embedding.to(x)
        x = self.transformer(self.ln_pre(x))
        return self.ln_post(x[:, 0]) @ self.proj.to(x)


class DFN5BClip(VideoEncoder):
    """8 features of 1024 a second from frames squeezed to 384 x 384, and the states of a text.

    half: the only tower that is built, and read of an open_clip or transformers file; None for
    both. A half raises FoleyError where the other one is needed.
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
        **factory: Any,
    ) -> None:
        super().__init__()
        config = config or ClipConfig()
        width = config.text_width
        self.config = config
        self.half = half
        self.width = config.embed_dim
        if half != "text":
            self.visual = _Vision(config, operations=operations, **factory)
        if half == "visual":
            return
        self.positional_embedding = nn.Parameter(torch.zeros(config.context, width, **factory))
        # Two weights of the public file that no feature here depends on.
        self.text_projection = nn.Parameter(torch.zeros(width, config.embed_dim, **factory))
        self.logit_scale = nn.Parameter(torch.zeros((), **factory))
        self.transformer = _Transformer(
            width, config.text_layers, config.text_heads, operations=operations, **factory
        )
        self.token_embedding = operations.Embedding(config.vocabulary, width, **factory)
        self.ln_final = operations.LayerNorm(width, **factory)

    @classmethod
    def own_name(cls, key: str, *, half: Half | None = None, **made: Any) -> str | None:
        # What is of neither half is read as well, so that another model's file is refused.
        return key if half is None or may_be_of(half, key) else None

    @classmethod
    def built(
        cls, tensors: dict[str, Tensor], *, half: Half | None = None, **made: Any
    ) -> tuple[Any, dict[str, Tensor]]:
        tensors = open_clip_names(tensors, half)
        return cls(_config_of(tensors), half=half, device="meta", **made), tensors

    @staticmethod
    def windows(count: int) -> Tensor:
        return single_frames(count)

    def window_bytes(self, frames: int) -> int:
        # At the widest: the hidden layer twice, the residual stream and the heads beside it.
        return (self.config.patches + 1) * self.config.vision_width * 16 * self.dtype.itemsize

    def encode_batch(self, frames: Tensor) -> Tensor:
        return self.encode_images(pixels(frames[:, 0], self.dtype, MEAN, STD))[:, None]

    def encode_images(self, images: Tensor) -> Tensor:
        """[B, 3, H, W], normalised by MEAN and STD -> unit vectors [B, embed_dim]."""
        self._needs("visual")
        return F.normalize(self.visual(images), dim=-1)

    def encode_ids(self, ids: Tensor) -> Tensor:
        """Token ids [B, 77] -> last hidden states [B, 77, text_width], each of unit length.

        After the final norm; neither pooled nor projected, padding included.
        """
        self._needs("text")
        x = self.token_embedding(ids).to(self.dtype)
        x = x + self.positional_embedding.to(x)[: ids.shape[1]]
        return F.normalize(self.ln_final(self.transformer(x, causal=True)), dim=-1)

    @torch.no_grad()
    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """B prompts -> float32 [B, 77, text_width] on the CPU."""
        ids = tokenize(prompts, self.config.context).to(self.device)
        return self.encode_ids(ids).float().cpu()

    def _needs(self, half: Half) -> None:
        if self.half not in (None, half):
            raise FoleyError(
                f"Only the {self.half} half of CLIP is loaded; load its {half} half for this."
            )


def _config_of(tensors: Mapping[str, Tensor]) -> ClipConfig:
    """Sizes from shapes; what is not CLIP keeps the published sizes and fails on its keys."""
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    sizes: dict[str, int] = {}
    picture = ("visual.conv1.weight", "visual.positional_embedding", "visual.proj")
    match [shapes.get(key) for key in picture]:
        case [(width, _, patch, _), (places, _), (_, embed)]:
            layers = count_blocks(shapes, "visual.transformer.resblocks.")
            sizes |= {
                "embed_dim": embed,
                "image_size": round((places - 1) ** 0.5) * patch,
                "patch_size": patch,
                "vision_width": width,
                "vision_layers": layers or ClipConfig.vision_layers,
            }
    text = ("token_embedding.weight", "positional_embedding", "text_projection")
    match [shapes.get(key) for key in text]:
        case [(vocabulary, width), (context, _), (_, embed)]:
            layers = count_blocks(shapes, "transformer.resblocks.")
            sizes |= {
                "embed_dim": embed,
                "context": context,
                "vocabulary": vocabulary,
                "text_width": width,
                "text_layers": layers or ClipConfig.text_layers,
                "text_heads": max(1, width // 64),
            }
    return ClipConfig(**sizes)


def recognise(shapes: Shapes) -> str | None:
    """The size and layout of a whole CLIP, such as "vit-h-14, open_clip"; None if it is none."""
    bare = {key.removeprefix("model.").removeprefix("clip."): v for key, v in shapes.items()}
    for layout, (first, text) in _LAYOUTS.items():
        found = sized(bare, {first: 4})
        if found is not None and any(key.startswith(text) for key in bare):
            width, patch = found[first][0], found[first][-1]
            size = "vit-h-14" if (width, patch) == (1280, 14) else f"width {width}"
            return f"{size}, {layout}"
    return None
