"""Hidden parts of a picture, and frames that are held."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

# Left, top, right and bottom of a part of a picture, as shares of its width and height.
View: TypeAlias = tuple[float, float, float, float]

_GREY = 128.0
_MARGIN = 0.1  # of the size of what is seen, on either side
_LEAST = 0.25  # of the picture's shorter side: what is smaller is seen with what surrounds it


def hide(frames: Tensor, mask: Tensor) -> Tensor:
    """Frames uint8 [T, H, W] or [T, H, W, 3] where `mask`, of the same shape, is 255; grey where it
    is 0. A still surface moves as little as it sounds."""
    shown = mask.float() / 255
    return (frames.float() * shown + _GREY * (1 - shown) + 0.5).to(torch.uint8)


def view_of(mask: Tensor) -> View:
    """The part of the picture in which what is white in a mask `[T, H, W]`, 0 to 1, is ever seen,
    with a margin, as square as the picture allows; the whole picture where nothing is white."""
    ever = mask.amax(0) > 0.5
    height, width = ever.shape
    if not ever.any():
        return 0.0, 0.0, 1.0, 1.0
    spans = [torch.nonzero(ever.any(axis))[:, 0] for axis in (0, 1)]
    sides = [float(span[-1] - span[0] + 1) * (1 + 2 * _MARGIN) for span in spans]
    side = max(*sides, _LEAST * min(height, width))
    edges = []
    for span, full in zip(spans, (width, height), strict=True):
        size = min(side, full)
        first = min(max(float(span[0] + span[-1] + 1 - size) / 2, 0.0), full - size)
        edges.append((first / full, (first + size) / full))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


def part_of(image: Tensor, view: View) -> Tensor:
    """What `view_of` says of a picture [H, W, ...], one pixel at least."""
    height, width = image.shape[:2]
    left, top = int(view[0] * width), int(view[1] * height)
    right, bottom = max(round(view[2] * width), left + 1), max(round(view[3] * height), top + 1)
    return image[top:bottom, left:right]


def hold_last(frames: Tensor, count: int) -> Tensor:
    """[T, ...] followed by its last frame until there are at least `count`."""
    missing = max(count - len(frames), 0)
    return torch.cat([frames, frames[-1:].expand(missing, *frames.shape[1:])])


def led_by_itself(frames: Tensor, count: int) -> Tensor:
    """[T, ...] behind `count` of its own first frames, over and over where it has fewer."""
    return torch.cat([frames[torch.arange(count) % len(frames)], frames]) if count else frames
