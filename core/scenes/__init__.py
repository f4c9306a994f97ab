"""Synthetic scenes: pairs of picture and sound whose truth is known."""

from .events import Event
from .scene import CONTINUOUS, IMPACTS, KINDS, Scene, sample_scene

__all__ = ["CONTINUOUS", "IMPACTS", "KINDS", "Event", "Scene", "sample_scene"]
