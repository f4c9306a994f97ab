"""Scenes as a system is given them: a picture, the true sound, a reference of the same object."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..catalog import SystemSpec
from ..media import ImageFrames, fit_length
from ..parts import VideoEncoderPart
from ..scenes import Scene
from ..scenes.pairs import level_reference, scene_sound


@dataclass(frozen=True)
class Clip:
    """A scene, the material that sounds in it, its sound `[1, T]`, and a reference `[1, R]` of the
    object that makes it, at AC-Foley's level."""

    scene: Scene
    material: str
    sound: Tensor
    reference: Tensor

    @property
    def times(self) -> np.ndarray:
        """Seconds at which something is hit."""
        return np.array([event.time for event in self.scene.events if not event.duration])

    def seen_by(self, part: VideoEncoderPart) -> ImageFrames:
        """The scene's frames as a video encoder wants them, so that nothing is resized."""
        request = next(iter(part.requests.values()))
        return self.picture(request.fps, *request.target)

    def picture(self, fps: float, height: int, width: int) -> ImageFrames:
        """The scene's frames as an image batch."""
        frames = self.scene.frames_at(fps, height, width)
        colours = frames if frames.ndim == 4 else frames[..., None].expand(-1, -1, -1, 3)
        return ImageFrames(colours.float() / 255, fps)


def clip_of(scene: Scene, sample_rate: int) -> Clip:
    """A scene with its sounds at a sample rate."""
    material, sound, reference = scene_sound(scene, sample_rate)
    sounds = (torch.from_numpy(samples)[None] for samples in (sound, level_reference(reference)))
    return Clip(scene, material, *sounds)


def whole_reference(sound: Tensor, rate: int, row: SystemSpec) -> tuple[Tensor, int]:
    """A sound `[1, T]` and its rate, filled up with silence to one window of a system's reference,
    so that this is not warned of at every clip."""
    size = math.ceil(row.config.reference_samples / row.sample_rate * rate)
    return fit_length(sound, max(size, sound.shape[-1])), rate
