"""8-bit pictures to the sizes that encoders ask for."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional

Resample = Literal["bicubic", "bilinear", "area"]
Crop = Literal["stretch", "center", "fit"]

# Output rows of one matrix product: enough to keep the processor busy, few enough to skip zeros.
_AREA_ROWS = 8


def resize(image: torch.Tensor, height: int, width: int, resample: Resample) -> torch.Tensor:
    """image: uint8 [H, W, 3]. Returns uint8 [height, width, 3].

    bicubic, bilinear: antialiased, rounded and clamped to 8 bits after each axis, as image
    libraries do it. area: the exact mean of the source area under each output pixel.
    """
    if image.shape[:2] == (height, width):
        return image
    if resample == "area":
        return _resize_area(image, height, width)
    planes = image.permute(2, 0, 1).unsqueeze(0)  # [1, 3, H, W], channels last in memory
    out = functional.interpolate(
        planes, (height, width), mode=resample, align_corners=False, antialias=True
    )
    return out[0].permute(1, 2, 0).contiguous()


def box_weights(source: int, target: int) -> torch.Tensor:
    """float32 [target, source]: row i averages the source pixels under output pixel i."""
    edges = torch.arange(target + 1, dtype=torch.float64) * (source / target)
    pixel = torch.arange(source, dtype=torch.float64)
    upper = torch.minimum(edges[1:, None], pixel + 1)
    lower = torch.maximum(edges[:-1, None], pixel)
    return ((upper - lower).clamp_min(0) * (target / source)).float()


def _resize_area(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    source_height, source_width, channels = image.shape
    rows = box_weights(source_height, height)
    flat = image.reshape(source_height, source_width * channels)
    bands = []
    for top in range(0, height, _AREA_ROWS):
        band = rows[top : top + _AREA_ROWS]
        used = band.any(dim=0).nonzero()
        first, last = int(used[0]), int(used[-1]) + 1
        bands.append(band[:, first:last] @ flat[first:last].float())
    tall = torch.cat(bands).reshape(height, source_width, channels)  # [height, W, 3]
    columns = box_weights(source_width, width)
    out = torch.einsum("wv,hvc->hwc", columns, tall)
    return (out + 0.5).clamp(0, 255).to(torch.uint8)


def frame_geometry(
    height: int,
    width: int,
    target: tuple[int, int],
    crop: Crop,
    shorter_side: int | None = None,
) -> tuple[int, int, int, int, int, int]:
    """Where a picture shown at `height` x `width` goes in `target` (height, width).

    stretch: to the target, whatever the aspect ratio. center: scaled to cover the target (or so
    that its shorter side is `shorter_side`), then its middle. fit: scaled to lie inside the target.
    Returns (resized height, resized width, top, left, height, width).
    """
    out_height, out_width = target
    if crop == "stretch":
        return *target, 0, 0, *target
    if crop == "fit":
        if out_height * width >= out_width * height:
            out_height = max(1, round(height * out_width / width))
        else:
            out_width = max(1, round(width * out_height / height))
        return out_height, out_width, 0, 0, out_height, out_width
    tall, wide = target if shorter_side is None else (shorter_side, shorter_side)
    if tall * width >= wide * height:
        wide = int(tall * width / height)
    else:
        tall = int(wide * height / width)
    tall, wide = max(tall, out_height), max(wide, out_width)
    top, left = round((tall - out_height) / 2), round((wide - out_width) / 2)
    return tall, wide, top, left, out_height, out_width
