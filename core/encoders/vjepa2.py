"""V-JEPA 2: 8 tokens a second of what moves and what happens, one for every two frames.

Source: V-JEPA 2 (arXiv 2506.09985); pooled over the picture as Foley Control does. The network is
transformers' own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import FoleyError
from ..media import FrameRequest
from ..weights.families import Shapes, count_blocks, sized
from .base import VideoEncoder, pixels, stepped_windows
from .names import renamed, split_qkv

MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]
CROP = 256
SEGMENT = 64
TUBELET = 2
GRID = 8
_HEADS = {1024: 16, 1280: 16, 1408: 22}
_SIZES = {1024: "l", 1280: "h", 1408: "g"}
# Of each naming, the patch convolution and a norm.
_LAYOUTS = (
    ("encoder.embeddings.patch_embeddings.proj.weight", "encoder.layer.0.norm1.weight"),
    ("patch_embed.proj.weight", "blocks.0.norm1.weight"),
)
# The original files' names and transformers'.
_RENAMES = (
    (r"^(backbone\.)?", "encoder."),
    (r"patch_embed\.proj\.", "embeddings.patch_embeddings.proj."),
    (r"blocks\.", "layer."),
    (r"\.attn\.", ".attention."),
    (r"^encoder\.norm\.", "encoder.layernorm."),
)


def _request(crop: int) -> FrameRequest:
    """The frames of 16 a second that a network of this picture side takes."""
    return FrameRequest(
        16.0, crop, crop="center", shorter_side=crop * 256 // 224, resample="bilinear"
    )


class VJepa2(VideoEncoder):
    """Tokens of L, H or g (1024, 1280 or 1408 wide), from 16 frames a second of `crop` pixels.

    Segments of 4 s are encoded alone; the last one is filled up with its last frame, and of its
    tokens those are kept that stand for frames of the clip: ceil(T / 2) for T frames.

    `load` reads transformers' files and the original ones. Two arguments stand for what no weight
    shows: `crop`, the picture side it was trained on (384 for g-384), and `heads`, by default the
    published number.
    """

    stream = "vjepa"
    rate = 8.0
    width = 1024
    frame_request = _request(CROP)

    def __init__(self, config: Mapping[str, Any] | None = None, *, device: Any = None) -> None:
        """config: fields of transformers' VJEPA2Config; those of L by default."""
        super().__init__()
        try:
            from transformers import VJEPA2Config, VJEPA2Model
        except ImportError as error:
            raise FoleyError(
                "V-JEPA 2 needs transformers 4.53 or newer: pip install --upgrade transformers."
            ) from error
        self.config = VJEPA2Config(**{"attn_implementation": "sdpa", **(config or {})})
        # The predictor is half of pre-training, not of the features.
        with torch.device(device or "cpu"):
            self.encoder = VJEPA2Model(self.config).encoder
        self.width = self.config.hidden_size
        self.frame_request = _request(self.config.crop_size)

    @classmethod
    def built(
        cls, tensors: dict[str, Tensor], *, crop: int = CROP, heads: int | None = None, **made: Any
    ) -> tuple[Any, dict[str, Tensor]]:
        tensors = _transformers_names(tensors)
        return cls(_config_of(tensors, crop, heads), device="meta", **made), tensors

    @staticmethod
    def windows(count: int) -> Tensor:
        return stepped_windows(count, SEGMENT, SEGMENT, whole_only=False)

    def window_bytes(self, frames: int) -> int:
        tokens = frames // TUBELET * (self.config.crop_size // self.config.patch_size) ** 2
        return tokens * self.width * 16 * self.dtype.itemsize

    def encode_batch(self, frames: Tensor) -> Tensor:
        return self.encode_segments(pixels(frames, self.dtype, MEAN, STD))

    @classmethod
    def join(cls, encoded: Tensor, count: int) -> Tensor:
        return super().join(encoded, count)[: -(-count // TUBELET)]

    def encode_segments(self, frames: Tensor) -> Tensor:
        """[B, T, 3, H, W], normalised, T even -> [B, T / 2, width], the mean over the picture."""
        return self.pieces(frames).mean(2)

    def pieces(self, frames: Tensor) -> Tensor:
        """As `encode_segments`, before the mean: [B, T / 2, pieces, width], rows of the picture one
        after another."""
        hidden = self.encoder(frames)[0]  # [B, T / 2 * places, D], time slowest
        return hidden.unflatten(1, (frames.shape[1] // TUBELET, -1))


class VJepa2Grid(VJepa2):
    """The same, with 8 x 8 places of the picture at each of 8 moments a second: means of 2 x 2
    (Foley Control's Grid8)."""

    places = GRID**2
    rate = VJepa2.rate * places

    @classmethod
    def join(cls, encoded: Tensor, count: int) -> Tensor:
        return encoded.flatten(0, 1)[: -(-count // TUBELET) * cls.places]

    def encode_segments(self, frames: Tensor) -> Tensor:
        """[B, T, 3, H, W], normalised, T even -> [B, T / 2 * 64, width]."""
        pieces = self.pieces(frames)
        side = round(pieces.shape[2] ** 0.5)
        rows = pieces.unflatten(2, (GRID, side // GRID, GRID, side // GRID))
        return rows.mean((3, 5)).flatten(1, 3)


def _config_of(tensors: Mapping[str, Tensor], crop: int, heads: int | None) -> dict[str, Any]:
    """Fields from shapes; what is not V-JEPA 2 keeps those of L and fails on its keys."""
    first = tensors.get("encoder.layer.0.mlp.fc1.weight")
    if first is None or first.ndim != 2:
        return {"crop_size": crop}
    inner, width = first.shape
    return {
        "crop_size": crop,
        "frames_per_clip": SEGMENT,
        "hidden_size": width,
        "num_attention_heads": heads or _HEADS.get(width, max(1, width // 64)),
        "num_hidden_layers": count_blocks(tensors, "encoder.layer."),
        "mlp_ratio": inner / width,
    }


def _transformers_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The picture half of a file under transformers' names."""
    plain = {key.removeprefix("vjepa2."): value for key, value in tensors.items()}
    if any(key.startswith("encoder.layer.") for key in plain):
        return {key: value for key, value in plain.items() if key.startswith("encoder.")}
    return split_qkv({renamed(key, _RENAMES): value for key, value in tensors.items()})


def recognise(shapes: Shapes) -> str | None:
    """The size of a V-JEPA 2 (l, h, g; empty for another), of either naming; None if it is none."""
    for patches, norm in _LAYOUTS:
        if found := sized(shapes, {patches: 5, norm: 1}):
            return _SIZES.get(found[norm][0], "")
    return None
