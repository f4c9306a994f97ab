"""Scenes as a system is given them: their pictures, and their sounds as references."""

from __future__ import annotations

import math

from torch import Tensor

from ..catalog import SystemSpec
from ..media import ImageFrames, fit_length
from ..scenes import Scene


def picture_of(scene: Scene, fps: float, height: int, width: int) -> ImageFrames:
    """A scene's frames as an image batch."""
    frames = scene.frames_at(fps, height, width)
    colours = frames if frames.ndim == 4 else frames[..., None].expand(-1, -1, -1, 3)
    return ImageFrames(colours.float() / 255, fps)


def whole_reference(sound: Tensor, rate: int, row: SystemSpec) -> tuple[Tensor, int]:
    """A sound [1, T] and its rate, filled up with silence to one window of a system's reference, so
    that this is not warned of at every clip."""
    size = math.ceil(row.reference_seconds * rate)
    return fit_length(sound, max(size, sound.shape[-1])), rate
