"""How a filmed scene is recorded: textures of 1/f, whole exposures, rolling shutter, hand-held
cameras, sensor noise and video compression.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .canvas import LUMA, Camera, Surface
from .look import Look
from .strikers import colour

_SIDE = 256  # of a texture
_WALL = 300, 500  # texels of 2.4 x 4 units
_KNOT = 0.04  # seconds


@dataclass(frozen=True)
class Film(Look):
    """The recording of a camera. exposure: share of a frame in which it sees. readout: seconds
    between its first line and its last."""

    exposure: float = 0.5
    readout: float = 0.0
    contrast_of_surface: float = 0.3
    shade: float = 0.3
    blur_of_wall: float = 0.0  # texels
    steadiness: str = "tripod"
    quality: int | None = None  # x264's constant rate factor
    bars: tuple[float, float] = (0.0, 0.0)  # of the width and of the height, black on either side

    @classmethod
    def sample(cls, rng: np.random.Generator, seconds: float, hard: bool = True) -> Film:
        rates = (24, 25, 25, 29.97, 30, 30, 30, 30, 50, 60, 15)
        source_fps = float(rng.choice(rates))
        steadiness = str(rng.choice(["tripod", "hand", "moving"], p=[0.55, 0.35, 0.1]))
        bars = (0.0, 0.0)
        if rng.random() < 0.12:
            bars = (rng.uniform(0.1, 0.33), 0.0) if rng.random() < 0.6 else (0.0, 0.13)
        return cls(
            True,
            aspect=float(rng.choice([9 / 16, 3 / 4, 4 / 3, 4 / 3, 16 / 9, 16 / 9, 16 / 9])),
            source_fps=source_fps,
            phase=rng.uniform(0, 1 / source_fps),
            shake=float(np.exp(rng.uniform(np.log(0.001), np.log(0.02)))),
            zoom=np.exp(rng.uniform(np.log(0.85), np.log(1.2))),
            zoom_rate=rng.choice([0.0, 0.0, 0.0, 0.03]) * rng.standard_normal(),
            pan=tuple(rng.choice([0.0, 0.0, 0.0, 0.03]) * rng.standard_normal(2)),
            roll=rng.choice([0.0, 1.0]) * rng.uniform(-0.15, 0.15),
            jolt=rng.choice([0.0, 0.0, 0.0, 0.006]) * rng.random(),
            cut=rng.uniform(0.3, seconds - 0.3) if rng.random() < 0.1 else None,
            contrast=rng.uniform(0.5, 1.2),
            brightness=rng.uniform(-0.15, 0.15),
            gamma=np.exp(rng.uniform(np.log(0.7), np.log(1.5))),
            flicker=rng.choice([0.0, 0.0, 0.0, 0.02]),
            noise=rng.uniform(0, 5) ** 1.2,
            jpeg=None,
            blur=5,
            distractors=int(rng.choice([0, 0, 1, 2])),
            seed=int(rng.integers(2**31)),
            exposure=float(rng.uniform(0.1, 1.0)),
            readout=float(rng.choice([0.0, 1.0]) * rng.uniform(0.005, 0.025)),
            contrast_of_surface=rng.uniform(0.1, 0.5),
            shade=rng.uniform(0.1, 0.7),
            blur_of_wall=float(rng.choice([0.0, 0.0, 1.0]) * rng.uniform(1, 8)),
            steadiness=steadiness,
            quality=int(rng.integers(18, 36)) if rng.random() < 0.6 else None,
            bars=bars,
        )

    @property
    def off_centre(self) -> float:
        return 0.16

    def sub_times(self, times: np.ndarray) -> np.ndarray:
        """From the first line's start to the last line's end: a frame's time is when it starts."""
        whole = self.exposure / self.source_fps + self.readout
        return times[:, None] + (np.arange(self.blur) + 0.5) / self.blur * whole

    def expose(self, frames: Tensor) -> Tensor:
        """Each line is the mean of what it saw."""
        subs, height = frames.shape[1], frames.shape[3]
        seen = self.exposure / self.source_fps
        whole = seen + self.readout
        moments = (torch.arange(subs) + 0.5) / subs * whole
        first = torch.arange(height) / height * self.readout
        after = moments[:, None] - first
        step = whole / subs
        # How much of each sub-frame lies in the exposure of a line.
        weight = ((after + step / 2).clamp(0, seen) - (after - step / 2).clamp(0, seen)) / seen
        return torch.einsum("tschw,sh->tchw", frames, weight)

    def surface(self) -> Surface:
        texture = spectrum_noise(np.random.default_rng([self.seed, 7]), _SIDE, _SIDE, 1.4)
        texture = torch.from_numpy(np.clip(texture / 2, -1, 1))
        return Surface(texture, self.contrast_of_surface, self.shade)

    def camera(self, t: np.ndarray, hits: np.ndarray) -> Camera:
        """Still on a tripod; in a hand it drifts and trembles."""
        hand = np.zeros((3, len(t)))
        if self.steadiness != "tripod":
            rng = np.random.default_rng([self.seed, 6])
            knots = np.arange(-0.2, t.max() + 0.5, _KNOT)
            hand = np.stack([np.interp(t, knots, wander(rng, len(knots), _KNOT)) for _ in "xyz"])
            hand *= self.shake * (3.0 if self.steadiness == "moving" else 1.0)
        after = np.zeros(len(t)) if self.cut is None else (t >= self.cut).astype(float)
        jump = np.random.default_rng([self.seed, 8]).uniform(-0.12, 0.12, 2)
        zoom = super().camera(t, hits).zoom
        return Camera(
            self.pan[0] * t + hand[0] + after * jump[0],
            self.pan[1] * t + hand[1] + after * jump[1],
            zoom * (1 + 0.3 * hand[2]),
            self.roll + 0.5 * hand[2],
        )

    def wall(self, number: int, channels: int) -> Tensor:
        return _filmed_wall(self.seed, number, channels, self.blur_of_wall)

    def finish(self, frames: Tensor, t: np.ndarray) -> Tensor:
        frames = super().finish(frames, t)
        width, height = frames.shape[-1], frames.shape[-2]
        side, top = round(self.bars[0] * width), round(self.bars[1] * height)
        if side:
            frames[..., :side] = frames[..., width - side :] = 8
        if top:
            frames[..., :top, :] = frames[..., height - top :, :] = 8
        return frames if self.quality is None else _recorded(frames, self.quality, self.source_fps)


def spectrum_noise(
    rng: np.random.Generator, height: int, width: int, exponent: float
) -> np.ndarray:
    """Noise `[height, width]` of unit deviation that repeats, its amplitudes falling as
    1/f^exponent, as those of photographs do (Field 1987: about 1)."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    radius = np.hypot(fy, fx)
    radius[0, 0] = np.inf
    phases = np.exp(2j * np.pi * rng.random((height, width // 2 + 1)))
    field = np.fft.irfft2(phases * radius**-exponent, (height, width))
    return ((field - field.mean()) / (field.std() + 1e-9)).astype(np.float32)


def wander(rng: np.random.Generator, count: int, step: float) -> np.ndarray:
    """Movement of a hand that holds a camera, `count` values `step` seconds apart: slow drift and
    tremor, about -1..1."""
    frequency = np.fft.rfftfreq(count, step)
    frequency[0] = np.inf
    tremor = 0.15 * np.exp(-0.5 * ((frequency - 5) / 2.5) ** 2)
    amplitude = 1 / (1 + (frequency / 0.5) ** 1.5) + tremor
    drawn = amplitude * np.exp(2j * np.pi * rng.random(len(frequency)))
    path = np.fft.irfft(drawn, count)
    return path / (path.std() + 1e-9)


@lru_cache(maxsize=4)
def _filmed_wall(seed: int, number: int, channels: int, blur: float) -> Tensor:
    """Texture `[1, C, H, W]` of a room: fields of 1/f and things that stand about."""
    rng = np.random.default_rng([seed, 2, number])
    height, width = _WALL
    first, second = colour(rng), colour(rng)
    mix = 0.5 + rng.uniform(0.05, 0.3) * spectrum_noise(rng, height, width, rng.uniform(0.9, 1.6))
    picture = first + np.clip(mix, 0, 1)[..., None] * (second - first)
    if rng.random() < 0.6:  # a floor or a table's edge
        level, ink = rng.uniform(0.4, 0.8), colour(rng)
        edge = int(level * height)
        grain = spectrum_noise(rng, height - edge, width, 1.0)[..., None]
        picture[edge:] = ink * (1 + 0.15 * grain)
    for _ in range(int(rng.choice([0, 5, 15, 40]))):
        tall, wide = int(rng.integers(4, 90)), int(rng.integers(4, 110))
        top, left = int(rng.integers(height - 3)), int(rng.integers(width - 3))
        part = picture[top : top + tall, left : left + wide]
        rows, columns = part.shape[:2]
        grain = rng.uniform(0, 0.3) * spectrum_noise(rng, rows, columns, 1.2)[..., None]
        part[:] = colour(rng) * (1 + grain)
    light = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.5, 1), width)
    picture = np.clip(picture * light[None, :, None], 0, 1)
    picture = picture if channels == 3 else picture @ LUMA[:, None]
    wall = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32))
    if blur >= 1:
        wall = _softened(wall, blur)
    return wall


def _softened(picture: Tensor, radius: float) -> Tensor:
    """A lens's blur of what lies off the focus, by three means over squares."""
    size = 2 * round(radius / 2) + 1
    for _ in range(3):
        padded = F.pad(picture, (size // 2,) * 4, mode="replicate")
        picture = F.avg_pool2d(padded, size, 1)
    return picture


def _recorded(frames: Tensor, quality: int, rate: float) -> Tensor:
    """uint8 `[T, C, H, W]` through H.264, as a telephone or a site keeps it."""
    count, channels, height, width = frames.shape
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(quality), "preset": "superfast", "bf": "0", "threads": "1"}
        for frame in frames:
            out.mux(stream.encode(_yuv(frame)))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as source:
        made = [_pixels(frame, channels) for frame in source.decode(video=0)]
    return torch.from_numpy(np.stack(made)).reshape(count, channels, height, width)


def _yuv(frame: Tensor) -> av.VideoFrame:
    """uint8 `[C, H, W]`. Grey is written without a conversion, which costs more than all else."""
    if len(frame) > 1:
        array = np.ascontiguousarray(frame.permute(1, 2, 0).numpy())
        return av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format="yuv420p")
    height, width = frame.shape[1:]
    made = np.full((height * 3 // 2, width), 128, np.uint8)
    made[:height] = frame[0].numpy()
    return av.VideoFrame.from_ndarray(made, format="yuv420p")


def _pixels(frame: av.VideoFrame, channels: int) -> np.ndarray:
    """uint8 `[C, H, W]`."""
    if channels > 1:
        return frame.to_ndarray(format="rgb24").transpose(2, 0, 1)
    plane = frame.planes[0]
    lines = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)
    return lines[None, :, : frame.width].copy()
