"""Synthetic scenes as files that a person can play."""

from __future__ import annotations

from pathlib import Path

import torch

from ..errors import FoleyError
from ..media import encode_frames
from ..media.files import check_place, check_suffix, check_writable
from ..media.formats import ENCODED_FILES
from . import KINDS, Scene, sample_scene
from .pairs import scene_sound

SOUND_RATE = 32000


def write_scene(
    seed: int,
    path: Path,
    *,
    kind: str = "",
    seconds: float = 8.0,
    height: int = 360,
    hard: bool = True,
    silent: bool = False,
) -> str:
    """Render the test scene of a seed to a video file with its true sound; returns what happens
    in it.
    """
    if kind and kind not in KINDS:
        raise FoleyError(f"There is no kind of scene '{kind}'; choose one of: {', '.join(KINDS)}.")
    if not 0.5 <= seconds <= 120 or not 32 <= height <= 2160 or seed < 0:
        raise FoleyError(
            "A scene has 0.5 to 120 seconds, 32 to 2160 lines and a seed of 0 or more."
        )
    check_suffix(path, ENCODED_FILES)
    check_place(path)
    check_writable(path)
    kinds = (kind,) if kind else tuple(KINDS)
    scene = sample_scene(seed, "test", seconds=seconds, hard=hard, kinds=kinds)
    write_picture(scene, path, height, silent=silent)
    material = scene_sound(scene, SOUND_RATE)[0]
    times = " ".join(f"{event.time:.3f}" for event in scene.events)
    return f"{path}: {scene.kind}, {material}, {len(scene.events)} events at {times}"


def write_picture(scene: Scene, path: Path, height: int, *, silent: bool = False) -> None:
    """Encode the frames of a scene at its own rate, with its true sound unless `silent`."""
    width = 2 * round(height * scene.look.aspect / 2)
    times = scene.source_times()
    chunks = (
        scene.frames(times[first : first + 32], height, width) for first in range(0, len(times), 32)
    )
    frames = (frame for chunk in chunks for frame in chunk)
    sound = None if silent else torch.from_numpy(scene_sound(scene, SOUND_RATE)[1])[None]
    encode_frames(frames, scene.look.source_fps, path, waveform=sound, sample_rate=SOUND_RATE)
