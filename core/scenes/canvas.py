"""Anti-aliased drawing of moving shapes from signed distances, all frames at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_FRAMES_PER_PASS = 32
_TEXELS = 220.0  # of a texture, a unit of length of what it lies on


@dataclass(frozen=True)
class Surface:
    """What is drawn looks like on a film: a texture that lies on each shape and turns with it, and
    shade towards its edge."""

    texture: Tensor  # [N, N], about -1..1
    contrast: float
    shade: float


@dataclass(frozen=True)
class Camera:
    """Where the camera looks, one number a frame: centre in world units, zoom, roll in radians."""

    x: np.ndarray
    y: np.ndarray
    zoom: np.ndarray
    roll: np.ndarray

    def project(self, point: np.ndarray) -> np.ndarray:
        """World points [T, 2] -> screen points [T, 2]; the screen is 1 high, centred on 0."""
        offset_x, offset_y = point[:, 0] - self.x, point[:, 1] - self.y
        cos, sin = np.cos(self.roll) * self.zoom, np.sin(self.roll) * self.zoom
        return np.stack([cos * offset_x - sin * offset_y, sin * offset_x + cos * offset_y], 1)

    def placed(self, x: float, y: float, scale: float, roll: float = 0.0) -> Camera:
        """The camera as seen from an actor that stands at (x, y), scaled and turned."""
        cos, sin = np.cos(roll) / scale, np.sin(roll) / scale
        offset_x, offset_y = self.x - x, self.y - y
        return Camera(
            cos * offset_x + sin * offset_y,
            cos * offset_y - sin * offset_x,
            self.zoom * scale,
            self.roll + roll,
        )


class Canvas:
    """T frames of C channels (3: RGB, 1: luma), float 0..1, drawn from back to front.

    World units: the picture is 1 high and `aspect` wide, the origin is its centre, y points down.
    """

    def __init__(
        self,
        frames: Tensor,
        times: np.ndarray,
        camera: Camera,
        aspect: float,
        surface: Surface | None = None,
    ):
        self.frames = frames  # [T, C, H, W]
        self.surface = surface
        self._drawn = 0
        self.times = times
        self.camera = camera
        self.aspect = aspect
        height, width = frames.shape[-2:]
        self._x = (torch.arange(width) + 0.5) / width * aspect - 0.5 * aspect
        self._y = (torch.arange(height) + 0.5) / height - 0.5
        self._pixel = 0.5 * (aspect / width + 1.0 / height)

    def placed(self, x: float, y: float, scale: float, roll: float = 0.0) -> Canvas:
        """The same frames in the coordinates of an actor at (x, y)."""
        camera = self.camera.placed(x, y, scale, roll)
        return Canvas(self.frames, self.times, camera, self.aspect, self.surface)

    def points(self, x, y) -> np.ndarray:
        """Broadcast coordinates (numbers or arrays [T]) to screen points [T, 2]."""
        count = len(self.times)
        world = np.stack([np.broadcast_to(x, count), np.broadcast_to(y, count)], 1)
        return self.camera.project(world.astype(np.float64))

    def disc(self, x, y, radius, colour, *, flat=1.0, angle=0.0, opacity=1.0, spots=0.0) -> None:
        """Disc or ellipse: `flat` is height over width, `spots` draws a texture that turns."""
        centre = self.points(x, y)
        size = self._per_frame(radius) * self.camera.zoom
        squeeze = self._per_frame(flat)

        def distance(px, py, at):
            turned_x, turned_y = _turn(px - at(centre[:, 0]), py - at(centre[:, 1]), at(turn))
            radial = (turned_x**2 + (turned_y / at(squeeze)) ** 2).sqrt()
            pattern = (turned_x * turned_y / at(size) ** 2) if spots else None
            gap = (radial - at(size)) * at(np.minimum(squeeze, 1.0))
            return gap, pattern, (turned_x, turned_y)

        turn = self._per_frame(angle) + self.camera.roll
        self._paint(centre, size * np.maximum(squeeze, 1.0), distance, colour, opacity, spots)

    def line(self, x0, y0, x1, y1, radius, colour, *, opacity=1.0, stripes=0.0) -> None:
        """Capsule from one point to the other."""
        start, end = self.points(x0, y0), self.points(x1, y1)
        size = self._per_frame(radius) * self.camera.zoom
        length = np.maximum(np.hypot(*(end - start).T), 1e-6)

        def distance(px, py, at):
            along_x, along_y = at((end - start)[:, 0]), at((end - start)[:, 1])
            from_x, from_y = px - at(start[:, 0]), py - at(start[:, 1])
            part = ((from_x * along_x + from_y * along_y) / at(length) ** 2).clamp(0, 1)
            gap = ((from_x - along_x * part) ** 2 + (from_y - along_y * part) ** 2).sqrt()
            pattern = torch.sin(part * (12.0 * stripes)) if stripes else None
            across = (from_x * along_y - from_y * along_x) / at(length)
            return gap - at(size), pattern, (part * at(length), across)

        reach = 0.5 * length + size
        self._paint(0.5 * (start + end), reach, distance, colour, opacity, 0.3 if stripes else 0.0)

    def box(self, x, y, half_width, half_height, colour, *, angle=0.0, opacity=1.0, stripes=0.0):
        """Rotated rectangle around its centre."""
        centre = self.points(x, y)
        half_x = self._per_frame(half_width) * self.camera.zoom
        half_y = self._per_frame(half_height) * self.camera.zoom
        turn = self._per_frame(angle) + self.camera.roll

        def distance(px, py, at):
            turned_x, turned_y = _turn(px - at(centre[:, 0]), py - at(centre[:, 1]), at(turn))
            gap_x, gap_y = turned_x.abs() - at(half_x), turned_y.abs() - at(half_y)
            outside = (gap_x.clamp_min(0) ** 2 + gap_y.clamp_min(0) ** 2).sqrt()
            pattern = torch.sin(turned_x / at(half_x) * (3.0 * stripes)) if stripes else None
            gap = outside + torch.maximum(gap_x, gap_y).clamp_max(0)
            return gap, pattern, (turned_x, turned_y)

        reach = np.hypot(half_x, half_y)
        self._paint(centre, reach, distance, colour, opacity, 0.3 if stripes else 0.0)

    def ring(self, x, y, radius, width, colour, *, flat=1.0, opacity=1.0) -> None:
        """Circle line of the given width; `flat` below 1 lays it on a surface."""
        centre = self.points(x, y)
        size = self._per_frame(radius) * self.camera.zoom
        line = self._per_frame(width) * self.camera.zoom

        def distance(px, py, at):
            radial = ((px - at(centre[:, 0])) ** 2 + ((py - at(centre[:, 1])) / flat) ** 2).sqrt()
            return ((radial - at(size)).abs() - at(line)) * flat, None, None

        self._paint(centre, size + line, distance, colour, opacity, 0.0)

    def _per_frame(self, value) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), len(self.times))

    def _paint(self, centre, reach, distance, colour, opacity, contrast) -> None:
        """Blend a shape into the frames, a few frames at a time inside the box it reaches."""
        channels, height, width = self.frames.shape[1:]
        ink = torch.as_tensor(np.asarray(colour, dtype=np.float32))
        ink = (ink if channels == 3 else ink @ torch.from_numpy(LUMA)).view(1, channels, 1, 1)
        strength = self._per_frame(opacity)
        self._drawn += 1
        for first in range(0, len(self.times), _FRAMES_PER_PASS):
            part = slice(first, first + _FRAMES_PER_PASS)
            if not np.any(strength[part] > 0.004):
                continue
            margin = reach[part] + 2 * self._pixel
            left = _index((centre[part, 0] - margin).min() / self.aspect, width, 0)
            right = _index((centre[part, 0] + margin).max() / self.aspect, width, 1)
            top = _index((centre[part, 1] - margin).min(), height, 0)
            bottom = _index((centre[part, 1] + margin).max(), height, 1)
            if left >= right or top >= bottom:
                continue

            def at(values, part=part):
                return torch.from_numpy(np.ascontiguousarray(values[part], np.float32))[
                    :, None, None
                ]

            gap, pattern, place = distance(
                self._x[None, None, left:right], self._y[None, top:bottom, None], at
            )
            cover = (0.5 - gap / self._pixel).clamp_(0, 1) * at(strength)
            area = self.frames[part, :, top:bottom, left:right]
            paint = ink if pattern is None else ink * (1 + contrast * pattern.clamp(-1, 1))[:, None]
            if self.surface is not None and place is not None:
                zoom = at(self.camera.zoom)
                light = self._light(self.surface, place, gap, zoom, at(reach))
                paint = paint * light[:, None]
            area += (paint - area) * cover[:, None]

    def _light(
        self,
        surface: Surface,
        place: tuple[Tensor, Tensor],
        gap: Tensor,
        zoom: Tensor,
        reach: Tensor,
    ) -> Tensor:
        """Of the texture at places on a shape, darker towards its edge."""
        size = len(surface.texture)
        u, v = (
            (axis * (_TEXELS / zoom)).int() + offset * self._drawn
            for axis, offset in zip(place, (37, 91), strict=True)
        )
        texel = torch.take(surface.texture, ((v % size) * size + u % size).long())
        inside = (gap * (-2 / reach)).clamp_(0, 1)
        return (1 + surface.contrast * texel) * (1 - surface.shade * (1 - inside) ** 2)


def _turn(x: Tensor, y: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    cos, sin = torch.cos(angle), torch.sin(angle)
    return cos * x + sin * y, cos * y - sin * x


def _index(position: float, count: int, extra: int) -> int:
    return int(np.clip(np.floor((position + 0.5) * count) + extra, 0, count))
