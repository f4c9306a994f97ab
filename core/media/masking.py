"""Hidden parts of a picture, and frames that are held."""

from __future__ import annotations

import torch
from torch import Tensor

_GREY = 128.0


def hide(frames: Tensor, mask: Tensor) -> Tensor:
    """Frames uint8 [T, H, W] or [T, H, W, 3] where `mask`, of the same shape, is 255; grey where it
    is 0. A still surface moves as little as it sounds."""
    shown = mask.float() / 255
    return (frames.float() * shown + _GREY * (1 - shown) + 0.5).to(torch.uint8)


def hold_last(frames: Tensor, count: int) -> Tensor:
    """[T, ...] followed by its last frame until there are at least `count`."""
    missing = max(count - len(frames), 0)
    return torch.cat([frames, frames[-1:].expand(missing, *frames.shape[1:])])


def led_by_itself(frames: Tensor, count: int) -> Tensor:
    """[T, ...] behind `count` of its own first frames, over and over where it has fewer."""
    return torch.cat([frames[torch.arange(count) % len(frames)], frames]) if count else frames
