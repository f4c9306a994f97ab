"""A synthetic scene: a picture and a sound whose truth is known, made from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from . import movers, strikers
from .canvas import Canvas
from .events import Event
from .look import Look, draw_distractor

KINDS: dict[str, Callable[[np.random.Generator, float], strikers.Actor]] = {
    "bounce": movers.Bounce,
    "collide": movers.Collide,
    "hammer": strikers.Hammer,
    "drum": strikers.DrumSticks,
    "chop": strikers.Knife,
    "footsteps": movers.Footsteps,
    "clap": strikers.Clap,
    "drops": movers.Drops,
    "swish": movers.Swish,
    "knock": strikers.Knock,
    "tap": strikers.Tap,
    "topple": movers.Topple,
    "burst": movers.Burst,
}
CONTINUOUS = ("swish",)
IMPACTS = tuple(kind for kind in KINDS if kind not in CONTINUOUS)
Split = Literal["train", "validation", "test"]
# The split is a word of the seed itself, so that no two splits ever share a scene.
SPLIT_WORD = {"train": 11, "validation": 22, "test": 33}


@dataclass(frozen=True)
class Scene:
    """What happens and how it is filmed. `sound_seed` is for the object that sounds."""

    split: Split
    seed: int
    kind: str
    seconds: float
    events: tuple[Event, ...]
    look: Look
    actor: strikers.Actor
    place: tuple[float, float, float, float]
    sound_seed: int

    def frames(self, times: np.ndarray, height: int, width: int, *, gray: bool = False) -> Tensor:
        """The picture at `times` [T], seconds: uint8 [T, height, width, 3], or [T, height, width]
        if gray.

        The picture fills the frame whatever its shape, as the scene's own aspect ratio stretched
        to it.
        """
        look = self.look
        moments = look.sub_times(times)
        shown = moments.reshape(-1)
        canvas_frames = torch.zeros(len(shown), 1 if gray else 3, height, width)
        camera = look.camera(np.maximum(shown, 0), np.array([e.time for e in self.events]))
        look.background(canvas_frames, camera, shown)
        canvas = Canvas(canvas_frames, shown, camera, look.aspect, look.surface())
        things = look.things()
        for in_front, thing in things:
            if not in_front:
                draw_distractor(canvas, thing)
        self.actor.draw(canvas.placed(*self.place))
        for in_front, thing in things:
            if in_front:
                draw_distractor(canvas, thing)
        exposed = look.expose(canvas_frames.view(*moments.shape, *canvas_frames.shape[1:]))
        finished = look.finish(exposed, np.maximum(times, 0))
        return finished[:, 0] if gray else finished.permute(0, 2, 3, 1)

    def source_times(self) -> np.ndarray:
        """Presentation times of the frames of a file of this scene, at its own frame rate."""
        count = int(np.ceil((self.seconds - self.look.phase) * self.look.source_fps - 1e-9))
        return self.look.phase + np.arange(count) / self.look.source_fps

    def frames_at(self, fps: float, height: int, width: int, *, gray: bool = True) -> Tensor:
        """What a reader at `fps` gets from a file of this scene: each source frame nearest to n
        / fps.
        """
        source = self.source_times()
        wanted = np.arange(int(round(self.seconds * fps))) / fps
        nearest = np.abs(source[None] - wanted[:, None]).argmin(1)
        unique, back = np.unique(nearest, return_inverse=True)
        return self.frames(source[unique], height, width, gray=gray)[torch.from_numpy(back)]


def sample_scene(
    seed: int,
    split: Split = "train",
    *,
    seconds: float = 4.0,
    hard: bool = True,
    kinds: tuple[str, ...] = tuple(KINDS),
) -> Scene:
    """The scene of a seed. The same seed of another split is another scene."""
    rng = np.random.default_rng([SPLIT_WORD[split], seed, int(hard)])
    kind = str(rng.choice(kinds))
    look = Look.sample(rng, seconds, hard)
    actor = KINDS[kind](rng, seconds)
    if actor.moving is not None:
        look = look.clear_of(actor.ink[actor.moving])
    place = place_in(rng, actor.focus, look)
    return Scene(
        split,
        seed,
        kind,
        seconds,
        tuple(sorted(actor.events, key=lambda e: e.time)),
        look,
        actor,
        place,
        int(rng.integers(2**31)),
    )


def place_in(
    rng: np.random.Generator, focus: tuple[float, float], look: Look
) -> tuple[float, float, float, float]:
    """Where the actor stands (x, y, scale, roll), so that its hits are inside the picture."""
    narrow = min(1.0, look.aspect / 0.9)
    scale = (
        np.exp(rng.uniform(np.log(0.75), np.log(1.15))) if look.hard else rng.uniform(0.8, 1.0)
    ) * narrow
    reach = look.off_centre
    x = rng.uniform(-reach, reach) * look.aspect / look.zoom
    y = rng.uniform(-reach, reach) / look.zoom if look.hard else 0.6 * focus[1] * scale
    roll = rng.uniform(-0.2, 0.2) if look.hard else 0.0
    return x - scale * focus[0], y - scale * focus[1], scale, roll
