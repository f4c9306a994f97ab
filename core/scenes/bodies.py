"""Sheets that rustle, people who walk towards the camera, crowds and water: what moves all over."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas
from .events import Event
from .limbs import smooth
from .performers import rhythm
from .strikers import Actor, colour, draw_arm
from .timing import since_last


class Rustle(Actor):
    """Two hands that shake, fold and tear a sheet or a bag: each jerk is heard as it begins."""

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        times = rhythm(rng, seconds)
        self.times = times[np.diff(times, prepend=-1.0) > 0.16]
        count = len(self.times)
        self.events = tuple(Event(float(t), float(rng.uniform(0.2, 0.8))) for t in self.times)
        self.ink = [colour(rng) for _ in range(5)]
        self.size = rng.uniform(0.15, 0.35)
        self.moves = rng.normal(0, 0.35, (count, 2, 2)) * self.size
        self.fast = rng.uniform(0.04, 0.15)
        self.bend = rng.normal(0, 0.4, count)
        self.drift = rng.uniform(0, 0.06), rng.uniform(0.5, 3.0), rng.uniform(0, 6.3, 4)
        self.face = rng.random() < 0.6
        self.strips = int(rng.integers(3, 7))

    def draw(self, canvas: Canvas) -> None:
        t, size = canvas.times, self.size
        amount, speed, phases = self.drift
        hands, bend = [], np.zeros(len(t))
        for side in (0, 1):
            x = (2 * side - 1) * size + amount * np.sin(speed * t + phases[side])
            y = 0.1 + amount * np.sin(1.4 * speed * t + phases[2 + side])
            for k, time in enumerate(self.times):
                part = smooth((t - time + 0.02) / self.fast)
                back = smooth((t - time - self.fast) / 0.6)
                x = x + self.moves[k, side, 0] * (part - back)
                y = y + self.moves[k, side, 1] * (part - back)
                bend = bend + self.bend[k] * size * (part - back) / 2
            hands.append((x, y))
        if self.face:
            canvas.line(0.0, 0.6, 0.0, 0.0, 0.25, self.ink[0])
            canvas.disc(0.0, -0.28, 0.14, self.ink[1], flat=1.25)
        (x0, y0), (x1, y1) = hands
        edges = np.linspace(0, 1, self.strips + 1)
        for a, b in zip(edges[:-1], edges[1:], strict=True):
            hang = [bend * np.sin(np.pi * part) for part in (a, b)]
            canvas.line(
                x0 + a * (x1 - x0),
                y0 + a * (y1 - y0) + hang[0],
                x0 + b * (x1 - x0),
                y0 + b * (y1 - y0) + hang[1],
                0.35 * size,
                self.ink[2] * (0.8 + 0.4 * a),
            )
        for side, (x, y) in enumerate(hands):
            shoulder = (0.5 * (2 * side - 1), 0.6)
            draw_arm(canvas, x, y, shoulder, self.ink[3], 0.05, 1.0 - 2 * side)
            canvas.disc(x, y, 0.055, self.ink[1])


class Walker(Actor):
    """Somebody who walks or runs towards the camera or away: the body dips as a foot lands."""

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        gap = np.exp(rng.uniform(np.log(0.28), np.log(0.75)))
        start = rng.uniform(0.1, 0.6)
        steps = np.arange(start, seconds - 0.05, gap)
        steps = steps + rng.normal(0, 0.02, len(steps))
        stop = rng.uniform(0.4, 1.5) * seconds
        self.times = np.sort(steps[(steps < stop) & (steps > 0.05)])
        strength = float(np.clip(0.45 / gap * rng.uniform(0.5, 1.0), 0.15, 1.0))
        self.events = tuple(Event(float(t), strength) for t in self.times)
        self.gap = gap
        self.ink = [colour(rng) for _ in range(6)]
        self.size = rng.uniform(0.5, 1.0)
        self.grow = rng.choice([-1.0, 0.0, 1.0]) * rng.uniform(0, 0.15)
        self.bounce, self.sway = rng.uniform(0.01, 0.04), rng.uniform(0, 0.03)
        self.lift = rng.uniform(0.04, 0.14)
        self.legs_only = rng.random() < 0.35

    def draw(self, canvas: Canvas) -> None:
        t = canvas.times
        size = self.size * np.exp(self.grow * (t - t.mean()))
        since, index = since_last(t, self.times)
        going = (since < 1.2 * self.gap).astype(float) if len(self.times) else 0.0 * t
        part = np.clip(since / self.gap, 0, 1)
        rise = self.bounce * np.sin(np.pi * part) * going
        side = np.where(index % 2 == 0, 1.0, -1.0)
        x = self.sway * side * np.sin(np.pi * part) * going
        hip = 0.0 - rise * size if not self.legs_only else -0.35 * size - rise * size
        ground = hip + 0.45 * size + rise * size
        for foot in (-1.0, 1.0):
            swings = (foot != side) * going
            lift = self.lift * size * np.sin(np.pi * np.clip(part / 0.95, 0, 1)) ** 0.7 * swings
            foot_x = x + foot * 0.09 * size
            knee_y = 0.5 * (hip + ground) - 0.7 * lift
            canvas.line(x + foot * 0.06 * size, hip, foot_x, knee_y, 0.05 * self.size, self.ink[0])
            canvas.line(foot_x, knee_y, foot_x, ground - lift, 0.04 * self.size, self.ink[0])
            canvas.disc(foot_x, ground - lift, 0.05 * self.size, self.ink[1], flat=0.6)
        if self.legs_only:
            return
        canvas.line(x, hip, x, hip - 0.35 * size, 0.11 * self.size, self.ink[2])
        canvas.disc(x, hip - 0.55 * size, 0.09 * self.size, self.ink[3], flat=1.25)
        for arm in (-1.0, 1.0):
            swing = 0.12 * size * arm * side * np.cos(np.pi * part) * going
            canvas.line(
                x + arm * 0.15 * size,
                hip - 0.32 * size,
                x + arm * 0.19 * size,
                hip - 0.02 * size - np.abs(swing),
                0.035 * self.size,
                self.ink[4],
            )


class Ambience(Actor):
    """What sounds all the time: water, leaves in the wind, a crowd, a machine. No hits; the level
    of the sound is that of the motion."""

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        self.kind = str(rng.choice(["water", "leaves", "crowd", "machine"]))
        self.strength = float(rng.uniform(0.3, 0.9))
        self.events = (Event(0.0, self.strength, seconds),)
        self.ink = [colour(rng) for _ in range(6)]
        self.count = int(rng.integers(20, 60))
        self.places = rng.uniform(-0.6, 0.6, (self.count, 2))
        self.speeds = rng.uniform(0.5, 1.5, self.count)
        self.phases = rng.uniform(0, 6.3, (self.count, 2))
        self.angle = rng.uniform(0.2, np.pi - 0.2)
        self.size = rng.uniform(0.01, 0.05)

    def draw(self, canvas: Canvas) -> None:
        t, power = canvas.times, self.strength
        if self.kind == "machine":
            shake = 0.006 * power * np.sin(self.speeds[0] * 60 * t)
            canvas.box(0.0, 0.1 + shake, 0.35, 0.25, self.ink[0])
            for k in range(6):
                x, y = self.places[k] * 0.5
                canvas.box(x, 0.1 + y + shake, 0.06, 0.05, self.ink[1 + k % 5])
            turn = 25 * power * t * self.speeds[1]
            canvas.disc(0.2, 0.1 + shake, 0.09, self.ink[3], spots=0.6, angle=turn)
            return
        for k in range(self.count):
            x, y = self.places[k]
            speed, (one, other) = self.speeds[k], self.phases[k]
            ink = self.ink[k % 6]
            if self.kind == "water":
                far = (0.8 * power * speed * t + one / 6.3 * 1.4) % 1.4 - 0.7
                along_x, along_y = np.cos(self.angle), np.sin(self.angle)
                px, py = x - far * along_x * 0.3, 0.4 * y + far * along_y
                tail = 0.06 * speed
                canvas.line(px, py, px + tail * along_x, py - tail * along_y, self.size, ink)
            elif self.kind == "leaves":
                bend = 0.06 * power * np.sin(3 * speed * t + one) + 0.02 * np.sin(9 * t + other)
                canvas.line(x, y + 0.25, x + bend, y, 0.01, ink)
                canvas.disc(x + bend, y, 1.3 * self.size, ink, flat=0.6)
            else:
                lift = 0.03 * power * np.abs(np.sin(4 * speed * t + one))
                turn = 0.01 * np.sin(2 * speed * t + other)
                canvas.line(x, y + 0.3, x + turn, y - lift, 1.5 * self.size, ink)
                canvas.disc(x + turn, y - lift - 2.2 * self.size, 1.4 * self.size, self.ink[3])
