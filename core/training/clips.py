"""Scenes rendered once and kept on disk for training, by several processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from ..encoders.foley_mini import FRAME_RATE, FRAME_SIZE
from ..encoders.local_motion import local_motion
from ..scenes import Event, Scene, sample_scene
from ..scenes.filmed import sample_filmed
from ..scenes.scene import Split

MAP_STEP = 1 / 16  # of what is kept of a map in 8 bits
_SHARE = 64


def map_scenes(
    make: Callable[[int], dict[str, np.ndarray]], count: int, folder: Path, note: dict, workers: int
) -> dict[str, np.ndarray]:
    """`make(seed)` for seeds 0..count-1, as arrays (count, ...) kept in `folder` and memory-mapped.

    `note` says what was rendered; a folder with another note is rendered again.
    """
    done = folder / "note.json"
    note = {"count": count, **note}
    if not (done.exists() and json.loads(done.read_text("utf-8")) == note):
        folder.mkdir(parents=True, exist_ok=True)
        done.unlink(missing_ok=True)  # what it spoke of is written over
        files: dict[str, np.memmap] = {}
        shares = [range(first, min(first + _SHARE, count)) for first in range(0, count, _SHARE)]
        with ProcessPoolExecutor(workers, initializer=_start_worker) as pool:
            for share, rows in zip(shares, pool.map(_Share(make), shares), strict=True):
                for name, values in rows.items():
                    if name not in files:
                        shape = (count, *values.shape[1:])
                        files[name] = np.lib.format.open_memmap(
                            folder / f"{name}.npy", "w+", values.dtype, shape
                        )
                    files[name][share.start : share.stop] = values
        for values in files.values():
            values.flush()
        beside = folder / "note.part"
        beside.write_text(json.dumps(note), "utf-8")
        os.replace(beside, done)
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}


def _start_worker() -> None:
    """Called in a new worker: one thread is enough, and it ends when its parent is killed."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Share:
    """A picklable job: one run of seeds."""

    def __init__(self, make):
        self.make = make

    def __call__(self, seeds: range) -> dict[str, np.ndarray]:
        rows = [self.make(seed) for seed in seeds]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def event_targets(scene: Scene, bin_rate: float) -> np.ndarray:
    """`targets_of` what happens in a scene."""
    return targets_of(scene.events, scene.seconds, bin_rate)


def targets_of(events: Sequence[Event], seconds: float, bin_rate: float) -> np.ndarray:
    """What an encoder must say of events, [bins, 3] float32 in 0..1.

    0: a Gaussian bump of 20 ms standard deviation at each hit; 1: the strength of the nearest hit,
    within 40 ms of it; 2: the level of a continuous sound, strength times sin^2 over its duration;
    of one that lasts all the time its strength.
    """
    moments = (np.arange(int(round(seconds * bin_rate))) + 0.5) / bin_rate
    target = np.zeros((len(moments), 3), np.float32)
    for event in events:
        if event.duration >= seconds:
            target[:, 2] = event.strength  # it was there before, and goes on
            continue
        if event.duration:
            part = np.clip((moments - event.time) / event.duration, 0, 1)
            target[:, 2] = np.maximum(target[:, 2], event.strength * np.sin(np.pi * part) ** 2)
            continue
        bump = np.exp(-0.5 * ((moments - event.time) / 0.02) ** 2)
        target[:, 1] = np.where(bump > np.maximum(target[:, 0], 0.13), event.strength, target[:, 1])
        target[:, 0] = np.maximum(target[:, 0], bump)
    return target


def motion_row(scene: Scene, bin_rate: float) -> dict[str, np.ndarray]:
    """What the mini video encoder sees of a scene, in steps of `MAP_STEP`, and its targets."""
    frames = scene.frames_at(FRAME_RATE, FRAME_SIZE, FRAME_SIZE)
    maps, camera = local_motion(frames[None])
    return {
        "maps": (maps[0] / MAP_STEP).round().clamp(-127, 127).to(torch.int8).numpy(),
        "camera": camera[0].numpy().astype(np.float16),
        "targets": event_targets(scene, bin_rate),
        "kind": np.array(scene.kind, dtype="U12"),
    }


class MotionRow:
    """`motion_row` of a seed, picklable. filmed: how many of ten scenes look filmed; of the others
    one in five is a clean one."""

    def __init__(self, split: Split, seconds: float, filmed: int, bin_rate: float):
        self.split, self.seconds, self.filmed, self.bin_rate = split, seconds, filmed, bin_rate

    def __call__(self, seed: int) -> dict[str, np.ndarray]:
        if seed % 10 < self.filmed:
            scene = sample_filmed(seed, self.split, seconds=self.seconds)
        else:
            scene = sample_scene(seed, self.split, seconds=self.seconds, hard=bool(seed // 10 % 5))
        return motion_row(scene, self.bin_rate)
