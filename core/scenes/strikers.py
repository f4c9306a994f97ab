"""Kinds of events in which a tool or a hand falls on a target."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .events import Event
from .timing import MIN_GAP, Strike, ringing, sample_times, since_last


def colour(rng: np.random.Generator) -> np.ndarray:
    """A random RGB colour, from dark to bright, from grey to saturated."""
    value, saturation = rng.uniform(0.08, 1.0), rng.uniform(0, 0.8)
    tint = rng.random(3)
    return np.clip(value * (1 - saturation + saturation * tint / max(tint.max(), 0.2)), 0, 1)


class Actor:
    """Something that happens: `events` with their truth and `draw` for the picture.

    Local coordinates: about -0.5..0.5 both ways, y down. `focus` is where it happens,
    `moving` which of its colours must stand out from the wall (None: it shines).
    """

    events: tuple[Event, ...] = ()
    focus: tuple[float, float] = (0.0, 0.0)
    moving: int | None = None
    ink: list[np.ndarray]

    def draw(self, canvas: Canvas) -> None:
        raise NotImplementedError


class Striker(Actor):
    """An actor driven by one `Strike`; `lift` is the height at each frame."""

    def __init__(self, rng: np.random.Generator, seconds: float, min_gap: float = MIN_GAP):
        self.strike = Strike.sample(rng, sample_times(rng, seconds, min_gap))
        self.events = self.strike.events()
        self.ink = [colour(rng) for _ in range(5)]
        self.reach = rng.uniform(0.4, 1.0)
        self.shake_rate, self.shake_decay = rng.uniform(4, 11), rng.uniform(0.04, 0.25)
        self.shake_size = rng.choice([0.0, 0.01, 0.03]) * rng.uniform(0.5, 1.5)
        self.stripes = float(rng.choice([0, 0, 2, 4]))
        self.has_arm, self.has_sparks = rng.random() < 0.5, rng.random() < 0.15
        self.spark_angles = rng.uniform(-np.pi, 0, 6)

    def shake(self, t: np.ndarray) -> np.ndarray:
        strike = self.strike
        return self.shake_size * ringing(
            t, strike.times, strike.strengths, self.shake_rate, self.shake_decay
        )

    def sparks(self, canvas: Canvas, x: float, y: float) -> None:
        """Bits that fly off for 0.2 s after a hit."""
        if not self.has_sparks or not len(self.strike.times):
            return
        since, index = since_last(canvas.times, self.strike.times)
        alive = np.clip(1 - since / 0.2, 0, 1) * (since < 0.2)
        far = 1.5 * np.minimum(since, 0.2) * self.strike.strengths[index]
        for angle in self.spark_angles:
            canvas.disc(
                x + far * np.cos(angle),
                y + far * np.sin(angle) + far**2,
                0.012,
                self.ink[4],
                opacity=alive,
            )


def draw_arm(
    canvas: Canvas, hand_x, hand_y, shoulder: tuple[float, float], ink, width: float, bend: float
) -> None:
    """Two-bone arm from a shoulder to the hand, the elbow on the side that `bend` says."""
    to_x, to_y = hand_x - shoulder[0], hand_y - shoulder[1]
    reach = np.maximum(np.hypot(to_x, to_y), 1e-3)
    bone = 0.56 * max(float(np.max(reach)), 0.3)
    out = bend * np.sqrt(np.maximum(bone**2 - (reach / 2) ** 2, 0))
    elbow_x = shoulder[0] + to_x / 2 - out * to_y / reach
    elbow_y = shoulder[1] + to_y / 2 + out * to_x / reach
    canvas.line(shoulder[0], shoulder[1], elbow_x, elbow_y, width * 1.2, ink)
    canvas.line(elbow_x, elbow_y, hand_x, hand_y, width, ink)


class Hammer(Striker):
    """A hammer or stick that turns around its handle and hits an object."""

    moving = 2
    focus = (0.2, 0.15)

    def __init__(self, rng, seconds):
        super().__init__(rng, seconds)
        self.length, self.swing = rng.uniform(0.35, 0.7), self.reach * rng.uniform(0.5, 1.6)
        self.head, self.width = rng.uniform(0.05, 0.13), rng.uniform(0.02, 0.05)
        self.has_head, self.table = rng.random() < 0.7, rng.uniform(0.05, 0.2)
        self.object_size = rng.uniform(0.04, 0.18)

    def draw(self, canvas):
        t = canvas.times
        angle = -self.swing * self.strike.height(t)
        shake = self.shake(t)
        pivot_x, pivot_y = -0.3, 0.15
        tip_x, tip_y = pivot_x + self.length * np.cos(angle), pivot_y + self.length * np.sin(angle)
        canvas.box(
            0.0, 0.15 + self.head + self.object_size * 2 + self.table, 0.6, self.table, self.ink[0]
        )
        canvas.box(
            self.length - 0.3,
            0.15 + self.head + self.object_size + shake,
            1.4 * self.object_size,
            self.object_size,
            self.ink[1],
            stripes=self.stripes,
            angle=shake,
        )
        canvas.line(pivot_x, pivot_y, tip_x, tip_y, self.width, self.ink[2], stripes=self.stripes)
        if self.has_head:
            canvas.box(tip_x, tip_y, self.head * 0.7, self.head, self.ink[3], angle=angle)
        if self.has_arm:
            draw_arm(
                canvas,
                pivot_x + 0.02 * np.cos(angle),
                pivot_y + 0.1 * angle,
                (-0.8, 0.3),
                self.ink[4],
                0.05,
                -1.0,
            )
        self.sparks(canvas, self.length - 0.3, 0.15 + self.head)


class DrumSticks(Striker):
    """Two sticks in turn on a drum or two."""

    moving = 2
    focus = (0.0, 0.15)

    def __init__(self, rng, seconds):
        super().__init__(rng, seconds)
        times = self.strike.times
        side = np.cumsum(rng.random(len(times)) < 0.75) % 2
        self.sides = [
            Strike(
                times[side == k],
                self.strike.heights[side == k],
                self.strike.falls[side == k],
                self.strike.rises[side == k],
                self.strike.rebound,
                0.0,
                self.strike.rest,
            )
            for k in range(2)
        ]
        self.two_drums, self.swing = rng.random() < 0.5, self.reach * rng.uniform(0.4, 1.2)
        self.drum, self.width = rng.uniform(0.12, 0.3), rng.uniform(0.015, 0.035)

    def draw(self, canvas):
        shake = self.shake(canvas.times)
        places = (-0.22, 0.22) if self.two_drums else (0.0, 0.0)
        for place in sorted(set(places)):
            wide = self.drum * (0.7 if self.two_drums else 1.2)
            canvas.box(place, 0.32, wide, 0.15, self.ink[0], stripes=self.stripes)
            canvas.disc(place, 0.18 + shake, wide, self.ink[1], flat=0.25)
        for k, (strike, place) in enumerate(zip(self.sides, places, strict=True)):
            sign = 1 if k else -1
            angle = self.swing * strike.height(canvas.times)
            hand_x, hand_y = place + sign * 0.4, 0.1 - 0.05 * angle
            tip_x = hand_x - sign * 0.36 * np.cos(angle - 0.2)
            tip_y = hand_y - 0.36 * np.sin(angle - 0.2)
            canvas.line(hand_x, hand_y, tip_x, tip_y, self.width, self.ink[2 + k])
            if self.has_arm:
                draw_arm(canvas, hand_x, hand_y, (sign * 0.75, 0.45), self.ink[4], 0.045, -sign)
        self.sparks(canvas, 0.0, 0.15)


class Knife(Striker):
    """A knife that chops along a board."""

    moving = 2
    focus = (0.0, 0.2)

    def __init__(self, rng, seconds):
        super().__init__(rng, seconds)
        self.blade, self.tilt = rng.uniform(0.15, 0.35), rng.uniform(0, 0.5)
        self.travel, self.pieces = rng.uniform(-0.03, 0.03), rng.uniform(-0.3, 0.3, 6)
        self.lift, self.food = 0.4 * self.reach, rng.uniform(0.02, 0.08)
        self.depth = rng.uniform(0.03, 0.09)

    def draw(self, canvas):
        t, height = canvas.times, self.strike.height(canvas.times)
        move = self.travel * t
        canvas.box(0.0, 0.27 + self.shake(t), 0.5, 0.05, self.ink[0], stripes=self.stripes)
        for place in self.pieces:
            canvas.disc(place, 0.22 - self.food, self.food, self.ink[1], flat=0.8)
        angle = -self.tilt * height
        y = 0.22 - self.depth - self.lift * height
        canvas.box(move, y, self.blade, self.depth, self.ink[2], angle=angle)
        handle_x, handle_y = move - self.blade * np.cos(angle), y - self.blade * np.sin(angle)
        canvas.line(handle_x - 0.16, handle_y, handle_x, handle_y, 0.03, self.ink[3])
        if self.has_arm:
            draw_arm(canvas, handle_x - 0.1, handle_y, (-0.9, 0.2), self.ink[4], 0.06, 1.0)


class Clap(Striker):
    """Two hands that meet."""

    moving = 1

    def __init__(self, rng, seconds):
        super().__init__(rng, seconds)
        self.palm, self.share = rng.uniform(0.05, 0.14), rng.uniform(0.3, 0.7)
        self.spread, self.tilt = 0.5 * self.reach, rng.uniform(-0.6, 0.6)

    def draw(self, canvas):
        height = self.strike.height(canvas.times)
        lift = 0.06 * np.sin(canvas.times * 1.3)
        for sign, share, shoulder in (
            (-1, self.share, (-0.35, 0.6)),
            (1, 1 - self.share, (0.35, 0.6)),
        ):
            x = sign * (0.45 * self.palm + self.spread * share * height)
            draw_arm(canvas, x, lift + 0.05, shoulder, self.ink[0], 0.05, sign * 1.0)
            canvas.disc(
                x, lift, 0.45 * self.palm, self.ink[1], flat=2.2, angle=self.tilt * height * sign
            )
            for finger in (-0.6, 0.0, 0.6):
                canvas.line(
                    x,
                    lift,
                    x + sign * 0.3 * self.palm * height,
                    lift - self.palm * (1.5 - finger**2),
                    0.2 * self.palm,
                    self.ink[1],
                )


class Knock(Striker):
    """A fist that knocks on a door."""

    moving = 3
    focus = (0.2, 0.0)

    def __init__(self, rng, seconds):
        super().__init__(rng, seconds)
        self.fist, self.lift = rng.uniform(0.05, 0.11), 0.3 * self.reach
        self.panels = rng.uniform(-0.4, 0.4, 3)

    def draw(self, canvas):
        height, shake = self.strike.height(canvas.times), self.shake(canvas.times)
        canvas.box(0.42 + 0.3 * shake, 0.0, 0.2, 0.6, self.ink[0])
        for y in self.panels:
            canvas.box(0.44 + 0.3 * shake, y, 0.09, 0.08, self.ink[1])
        x, y = 0.22 - self.fist - self.lift * height, 0.02 + 0.1 * height
        draw_arm(canvas, x, y, (-0.6, 0.35), self.ink[2], 0.055, -1.0)
        canvas.disc(x, y, self.fist, self.ink[3], flat=0.85)
        self.sparks(canvas, 0.22, 0.02)


class Tap(Striker):
    """Fingers that press keys, one at a time."""

    moving = 3
    focus = (0.0, 0.15)

    def __init__(self, rng, seconds):
        super().__init__(rng, seconds)
        times = self.strike.times
        self.count = int(rng.integers(2, 6))
        finger = rng.integers(0, self.count, len(times))
        self.fingers = [
            Strike(
                times[finger == k],
                self.strike.heights[finger == k],
                self.strike.falls[finger == k],
                self.strike.rises[finger == k],
                False,
                0.05,
                self.strike.rest,
            )
            for k in range(self.count)
        ]
        self.lift, self.sink = 0.25 * self.reach, rng.uniform(0, 0.04)

    def draw(self, canvas):
        t = canvas.times
        canvas.box(0.0, 0.38, 0.6, 0.1, self.ink[0])
        wide = 0.7 / self.count
        for k, strike in enumerate(self.fingers):
            x, height = (k - (self.count - 1) / 2) * wide, strike.height(t)
            since, _ = since_last(t, strike.times)
            pressed = self.sink * np.exp(-since / 0.08)
            canvas.box(x, 0.25 + pressed, 0.45 * wide, 0.04, self.ink[1 + k % 2])
            tip_y = 0.18 + pressed - self.lift * height
            canvas.line(x * 0.5, -0.15, x, tip_y - 0.18, 0.04, self.ink[3])
            canvas.line(x, tip_y - 0.18, x, tip_y, 0.03, self.ink[3])
        canvas.disc(0.0, -0.25, 0.2, self.ink[3], flat=0.6)
