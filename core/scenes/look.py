"""How a scene is filmed: background, camera, light, silent things that move, and a poor
recording.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .canvas import LUMA, Camera, Canvas, Surface
from .strikers import colour


@dataclass(frozen=True)
class Look:
    """Everything about the recording that makes no sound.

    `hard` randomises, `clean` keeps it plain.
    """

    hard: bool
    aspect: float
    source_fps: float
    phase: float  # seconds from the start to the first frame, below one frame
    shake: float  # standard deviation in picture heights
    zoom: float
    zoom_rate: float
    pan: tuple[float, float]
    roll: float
    jolt: float
    cut: float | None  # seconds of a silent scene cut
    contrast: float
    brightness: float
    gamma: float
    flicker: float
    noise: float  # standard deviation, of 255
    jpeg: int | None
    blur: int  # sub-frames
    distractors: int
    seed: int = field(default=0)

    @property
    def off_centre(self) -> float:
        """How far from the middle the actor may stand, in picture heights."""
        return 0.3 if self.hard else 0.12

    def sub_times(self, times: np.ndarray) -> np.ndarray:
        """Moments [T, sub-frames] of which frames at `times` are the mean: half a frame before."""
        return times[:, None] - np.arange(self.blur) * 0.5 / (self.source_fps * self.blur)

    def expose(self, frames: Tensor) -> Tensor:
        """Sub-frames [T, sub-frames, C, H, W] to frames."""
        return frames.mean(1)

    def surface(self) -> Surface | None:
        """What lies on things: nothing."""
        return None

    @classmethod
    def sample(cls, rng: np.random.Generator, seconds: float, hard: bool) -> Look:
        rates = (
            (12.5, 15, 20, 23.976, 24, 25, 29.97, 30, 48, 50, 60) if hard else (24, 25, 30, 50, 60)
        )
        source_fps = float(rng.choice(rates))
        if not hard:
            return cls(
                False,
                float(rng.choice([1.0, 4 / 3, 16 / 9])),
                source_fps,
                0.0,
                float(rng.choice([0, 0.002])),
                rng.uniform(0.9, 1.2),
                0.0,
                (0.0, 0.0),
                0.0,
                0.0,
                None,
                rng.uniform(0.8, 1.0),
                0.0,
                1.0,
                0.0,
                rng.uniform(0, 2),
                None,
                1,
                int(rng.integers(0, 2)),
                int(rng.integers(2**31)),
            )
        return cls(
            True,
            aspect=float(rng.choice([9 / 16, 3 / 4, 1.0, 4 / 3, 16 / 9, 16 / 9, 2.35])),
            source_fps=source_fps,
            phase=rng.uniform(0, 1 / source_fps),
            shake=float(rng.choice([0.0, 0.002, 0.008, 0.02])),
            zoom=np.exp(rng.uniform(np.log(0.8), np.log(1.25))),
            zoom_rate=rng.choice([0.0, 0.0, 0.03]) * rng.standard_normal(),
            pan=tuple(rng.choice([0.0, 0.0, 0.02]) * rng.standard_normal(2)),
            roll=rng.uniform(-0.25, 0.25),
            jolt=rng.choice([0.0, 0.0, 0.01]) * rng.random(),
            cut=rng.uniform(0.3, seconds - 0.3) if rng.random() < 0.12 else None,
            contrast=rng.uniform(0.35, 1.1),
            brightness=rng.uniform(-0.15, 0.15),
            gamma=np.exp(rng.uniform(np.log(0.7), np.log(1.5))),
            flicker=rng.choice([0.0, 0.0, 0.02, 0.05]),
            noise=rng.choice([0.0, 1.0]) * rng.uniform(0, 9),
            jpeg=int(rng.integers(20, 86)) if rng.random() < 0.35 else None,
            blur=int(rng.integers(2, 4)) if rng.random() < 0.35 else 1,
            distractors=int(rng.integers(0, 4)),
            seed=int(rng.integers(2**31)),
        )

    def clear_of(self, ink: np.ndarray) -> Look:
        """The same look with a wall whose brightness differs from a colour, where one is soon
        found.
        """
        for attempt in range(12):
            look = replace(self, seed=(self.seed + attempt) % 2**31)
            wall = np.random.default_rng([look.seed, 2, 0])
            if min(abs((colour(wall) - ink) @ LUMA) for _ in range(2)) > 0.12:
                break
        return look

    def camera(self, t: np.ndarray, hits: np.ndarray) -> Camera:
        """Camera at times `t`; `hits` are the event times, which may jolt it."""
        rng = np.random.default_rng([self.seed, 1])
        knots = np.arange(0, t.max() + 0.3, 0.06)
        hand = [np.interp(t, knots, self.shake * rng.standard_normal(len(knots))) for _ in range(3)]
        since = t[:, None] - hits[None, :]
        kick = (
            self.jolt * np.exp(-np.maximum(since, 0) / 0.08) * (since > 0) * np.cos(50 * since)
        ).sum(1)
        after = np.zeros(len(t)) if self.cut is None else (t >= self.cut).astype(float)
        jump = rng.uniform(-0.12, 0.12, 2)
        zoom = self.zoom * np.exp(self.zoom_rate * t) * (1 + after * rng.uniform(-0.25, 0.4))
        return Camera(
            self.pan[0] * t + hand[0] + after * jump[0],
            self.pan[1] * t + hand[1] + kick + after * jump[1],
            zoom,
            self.roll + 0.5 * hand[2],
        )

    def background(self, frames: Tensor, camera: Camera, t: np.ndarray) -> None:
        """Fill `frames` [T, C, H, W] with a wall that moves with the camera; another one after
        a cut.
        """
        walls = [self.wall(number, frames.shape[1]) for number in range(2)]
        after = np.zeros(len(t), bool) if self.cut is None else t >= self.cut
        height, width = frames.shape[-2:]
        grid_y, grid_x = np.meshgrid(
            (np.arange(height) + 0.5) / height - 0.5,
            ((np.arange(width) + 0.5) / width - 0.5) * self.aspect,
            indexing="ij",
        )
        for wall, chosen in zip(walls, (~after, after), strict=True):
            where = np.flatnonzero(chosen)
            if not len(where):
                continue
            still = all(np.ptp(axis[where]) == 0 for axis in vars(camera).values())
            shown = where[:1] if still else where
            for part in np.array_split(shown, max(1, len(shown) // 64)):
                cos, sin = (
                    np.cos(camera.roll[part]) / camera.zoom[part],
                    np.sin(camera.roll[part]) / camera.zoom[part],
                )
                x = (
                    cos[:, None, None] * grid_x
                    + sin[:, None, None] * grid_y
                    + camera.x[part, None, None]
                )
                y = (
                    cos[:, None, None] * grid_y
                    - sin[:, None, None] * grid_x
                    + camera.y[part, None, None]
                )
                at = torch.from_numpy(np.stack([x / 2.0, y / 1.2], -1).astype(np.float32))
                seen = torch.nn.functional.grid_sample(
                    wall.expand(len(part), -1, -1, -1),
                    at,
                    padding_mode="reflection",
                    align_corners=False,
                )
                frames[torch.from_numpy(where if still else part)] = seen

    def wall(self, number: int, channels: int) -> Tensor:
        """Texture [1, C, H, W] of what is behind, before the cut and after it; 4 wide and 2.4 high
        in world units."""
        return _wall(np.random.default_rng([self.seed, 2, number]), channels, self.hard)

    def things(self) -> list[tuple[bool, dict]]:
        """Silent distractors, each with whether it passes in front."""
        rng = np.random.default_rng([self.seed, 3])
        return [
            (bool(rng.random() < 0.4), _distractor(rng, self.aspect))
            for _ in range(self.distractors)
        ]

    def finish(self, frames: Tensor, t: np.ndarray) -> Tensor:
        """Light, sensor and compression: float [T, C, H, W] to uint8."""
        rng = np.random.default_rng([self.seed, 4])
        knots = np.arange(0, t.max() + 0.3, 0.05)
        light = 1 + self.flicker * np.interp(t, knots, rng.standard_normal(len(knots)))
        gain = torch.from_numpy((self.contrast * light).astype(np.float32))[:, None, None, None]
        frames = ((frames - 0.5) * gain + 0.5 + self.brightness).clamp_(0, 1)
        if self.gamma != 1.0:
            frames = frames.pow_(self.gamma)
        if self.noise:
            generator = torch.Generator().manual_seed(self.seed)
            frames = frames.add_(
                torch.randn(frames.shape, generator=generator), alpha=self.noise / 255
            )
        frames = frames.mul_(255).round_().clamp_(0, 255).to(torch.uint8)
        return frames if self.jpeg is None else _jpeg(frames, self.jpeg)


def _wall(rng: np.random.Generator, channels: int, hard: bool) -> Tensor:
    """Texture [1, C, 192, 320] of a wall, 4 wide and 2.4 high in world units."""
    height, width = 192, 320
    first, second = colour(rng), colour(rng)
    kind = (
        rng.choice(["plain", "gradient", "noise", "stripes", "checker", "clutter"])
        if hard
        else "gradient"
    )
    y, x = np.meshgrid(np.linspace(-1.2, 1.2, height), np.linspace(-2, 2, width), indexing="ij")
    if kind == "plain":
        mix = np.zeros((height, width))
    elif kind == "gradient":
        angle = rng.uniform(0, 2 * np.pi)
        mix = 0.5 + 0.25 * (x * np.cos(angle) + y * np.sin(angle))
    elif kind == "noise":
        mix = _soft_noise(rng, height, width)
    else:
        angle, size = rng.uniform(0, np.pi), rng.uniform(0.06, 0.5)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        mix = (np.floor(along / size) + (np.floor(across / size) if kind != "stripes" else 0)) % 2
    picture = first + np.clip(mix, 0, 1)[..., None] * (second - first)
    if kind == "clutter":
        for _ in range(40):
            left, top = int(rng.integers(width)), int(rng.integers(height))
            picture[
                top : top + int(rng.integers(4, 50)), left : left + int(rng.integers(4, 50))
            ] = colour(rng)
    picture = picture + 0.04 * hard * (_soft_noise(rng, height, width) - 0.5)[..., None]
    picture = picture if channels == 3 else picture @ LUMA[:, None]
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32))


def _soft_noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    total = torch.zeros(1, 1, height, width)
    for cells in (4, 12, 40):
        grid = torch.from_numpy(rng.random((1, 1, cells, 2 * cells), dtype=np.float32))
        total += torch.nn.functional.interpolate(grid, (height, width), mode="bilinear") / 3
    return total[0, 0].numpy()


def _distractor(rng: np.random.Generator, aspect: float) -> dict:
    return {
        "shape": rng.choice(["disc", "box", "line"]),
        "ink": colour(rng),
        "size": rng.uniform(0.03, 0.16),
        "x": rng.uniform(-0.5, 0.5) * aspect,
        "y": rng.uniform(-0.5, 0.5),
        "flat": rng.uniform(0.4, 1.6),
        "speed": rng.uniform(-0.4, 0.4, 2) * rng.choice([0.0, 1.0]),
        "sway": rng.uniform(0, 0.25, 2),
        "rate": rng.uniform(0.3, 4.0, 2),
        "phase": rng.uniform(0, 6.28, 3),
        "turn": rng.uniform(-2, 2),
    }


def draw_distractor(canvas: Canvas, thing: dict) -> None:
    """Something that moves smoothly and makes no sound."""
    t = canvas.times
    wide = canvas.aspect + 0.6
    x = (
        thing["x"]
        + thing["speed"][0] * t
        + thing["sway"][0] * np.sin(thing["rate"][0] * t + thing["phase"][0])
    )
    x = (x + wide / 2) % wide - wide / 2
    y = (
        thing["y"]
        + 0.3 * thing["speed"][1] * t
        + thing["sway"][1] * np.sin(thing["rate"][1] * t + thing["phase"][1])
    )
    y = (y + 0.8) % 1.6 - 0.8
    angle = thing["phase"][2] + thing["turn"] * t
    if thing["shape"] == "disc":
        canvas.disc(x, y, thing["size"], thing["ink"], flat=thing["flat"], angle=angle)
    elif thing["shape"] == "box":
        canvas.box(x, y, thing["size"], thing["size"] * thing["flat"], thing["ink"], angle=angle)
    else:
        reach = 2 * thing["size"]
        canvas.line(
            x,
            y,
            x + reach * np.cos(angle),
            y + reach * np.sin(angle),
            0.15 * thing["size"],
            thing["ink"],
        )


def _jpeg(frames: Tensor, quality: int) -> Tensor:
    out = torch.empty_like(frames)
    for index, frame in enumerate(frames.permute(0, 2, 3, 1).numpy()):
        file = io.BytesIO()
        Image.fromarray(frame if frame.shape[-1] == 3 else frame[..., 0]).save(
            file, "JPEG", quality=quality
        )
        decoded = np.asarray(Image.open(file))
        out[index] = torch.from_numpy(decoded.reshape(frame.shape).copy()).permute(2, 0, 1)
    return out
