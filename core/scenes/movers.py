"""Kinds of events that physics makes: bouncing, colliding, walking, dripping, toppling,
swishing.
"""

from __future__ import annotations

import numpy as np

from .events import Event
from .strikers import Actor, colour
from .timing import ringing, sample_times, since_last, strength_of


def _events(times: np.ndarray, strengths: np.ndarray) -> tuple[Event, ...]:
    return tuple(Event(float(t), float(s)) for t, s in zip(times, strengths, strict=True))


class Bounce(Actor):
    """A ball that is dropped and bounces lower each time, then another one."""

    moving = 1
    focus = (0.0, 0.2)

    def __init__(self, rng, seconds):
        restitution, hits, strengths, arcs = rng.uniform(0.6, 0.92), [], [], []
        gravity, time = np.exp(rng.uniform(np.log(1.5), np.log(8.0))), rng.uniform(-0.3, 0.6)
        while time < seconds and rng.random() > 0.03:
            gap = rng.uniform(0.4, 1.0) * np.sqrt(8 / gravity) * 0.6
            fall = 0.5 * gap
            arcs.append((time, time + fall, fall, True))
            time += fall
            for _ in range(int(rng.integers(2, 12))):
                hits.append(time)
                strengths.append(gap * gravity / 2)
                gap *= restitution
                if gap < 0.16:
                    break
                arcs.append((time, time + gap, gap / 2, False))
                time += gap
            time += rng.uniform(0.2, 1.2)
        hits, strengths = np.array(hits), np.array(strengths)
        inside = (hits > 0.02) & (hits < seconds - 0.04)
        self.events = _events(hits[inside], strength_of(5.0 * strengths[inside]))
        self.arcs, self.gravity = arcs, gravity
        self.radius, self.ground = rng.uniform(0.07, 0.16), rng.uniform(0.15, 0.4)
        self.drift, self.start, self.spin = (
            rng.uniform(-0.12, 0.12),
            rng.uniform(-0.2, 0.2),
            rng.uniform(-6, 6),
        )
        self.ink, self.squash = [colour(rng) for _ in range(3)], rng.choice([0.0, 0.25])
        self.spots = float(rng.choice([0.0, 0.5]))

    def draw(self, canvas):
        t = canvas.times
        height, alive, squash = np.full(len(t), 0.0), np.zeros(len(t)), np.zeros(len(t))
        last_end = -1.0
        for start, end, half, drop in self.arcs:
            inside = (t >= start) & (t < end)
            from_top = t - start if drop else t - start - half
            height[inside] = (0.5 * self.gravity * (half**2 - from_top**2))[inside]
            alive[inside] = 1.0
            resting = (t >= end) & (t < end + 0.15)
            height[resting], alive[resting] = 0.0, 1.0
            last_end = max(last_end, end)
            if not drop:
                squash += np.exp(-np.abs(t - start) / 0.03)
        x = self.start + self.drift * (t % 3.0)
        flat = 1 - self.squash * np.clip(squash, 0, 1)
        canvas.box(0.0, self.ground + 0.3, 1.2, 0.3, self.ink[0])
        canvas.disc(
            x,
            self.ground + 0.01,
            self.radius * 0.8,
            0.5 * self.ink[0],
            flat=0.2,
            opacity=0.6 * alive,
        )
        canvas.disc(
            x,
            self.ground - self.radius * flat - height,
            self.radius,
            self.ink[1],
            flat=flat,
            angle=self.spin * t,
            opacity=alive,
            spots=self.spots,
        )


class Collide(Actor):
    """A ball between two walls, or two balls that meet again and again."""

    moving = 1

    def __init__(self, rng, seconds):
        times = sample_times(rng, seconds)
        gaps = np.diff(times, prepend=times[:1] - 0.6) if len(times) else np.zeros(0)
        self.pair, self.span = rng.random() < 0.5, rng.uniform(0.15, 0.35)
        self.events = _events(
            times, strength_of(np.minimum(3.0 / np.maximum(gaps, 0.1), 14) * self.span / 0.25)
        )
        self.times, self.radius = times, rng.uniform(0.07, 0.14)
        self.ink, self.wave = [colour(rng) for _ in range(4)], rng.uniform(0, 0.15)
        self.shake_size, self.spots = rng.choice([0.0, 0.02]), float(rng.choice([0.0, 0.5]))
        self.knots = np.concatenate([[-1.0], times, [seconds + 1.0]])

    def draw(self, canvas):
        t = canvas.times
        y = self.wave * np.sin(1.7 * t)
        if self.pair:
            index = np.clip(
                np.searchsorted(self.knots, t, side="right") - 1, 0, len(self.knots) - 2
            )
            start, end = self.knots[index], self.knots[index + 1]
            apart = np.minimum(t - start, end - t)
            apart = (
                self.span * np.minimum(apart / np.maximum(0.5 * (end - start), 1e-3), 1.0)
                + self.radius
            )
            for sign, ink in ((-1, self.ink[1]), (1, self.ink[2])):
                canvas.disc(sign * apart, y, self.radius, ink, angle=3 * apart, spots=self.spots)
            return
        sides = self.span * np.where(np.arange(len(self.knots)) % 2, 1.0, -1.0)
        x = np.interp(t, self.knots, sides)
        shake = self.shake_size * ringing(t, self.times, np.ones(len(self.times)), 8, 0.08)
        wall = self.span + self.radius + 0.06
        canvas.box(-wall + shake, 0.0, 0.06, 0.45, self.ink[0])
        canvas.box(wall + shake, 0.0, 0.06, 0.45, self.ink[0])
        canvas.disc(x, y, self.radius, self.ink[1], angle=5 * x, spots=self.spots)


class Footsteps(Actor):
    """A walker seen from the side: each landing of a foot is a step."""

    moving = 1
    focus = (0.0, 0.25)

    def __init__(self, rng, seconds):
        times = sample_times(rng, seconds, 0.25)
        gaps = np.diff(times, prepend=times[:1] - 0.5) if len(times) else np.zeros(0)
        self.lift, self.stride = rng.uniform(0.08, 0.2), rng.uniform(0.12, 0.26)
        swing = np.clip(0.8 * gaps, 0.15, 0.45)
        self.events = _events(times, strength_of(self.lift / 0.1 * 2.2 / np.maximum(swing, 0.1)))
        self.feet = [(times[k::2], swing[k::2]) for k in range(2)]
        self.ink, self.leg = [colour(rng) for _ in range(4)], rng.uniform(0.03, 0.07)
        self.sharp, self.pace, self.body = (
            rng.uniform(0.3, 0.9),
            rng.choice([0.0, 0.0, 0.06, -0.06]),
            rng.random() < 0.6,
        )
        self.times = times

    def _foot(self, t, k):
        times, swing = self.feet[k]
        if not len(times):
            return np.zeros(len(t)), np.zeros(len(t))
        coming = np.searchsorted(times, t, side="left")
        index = np.minimum(coming, len(times) - 1)
        part = np.clip(1 - (times[index] - t) / swing[index], 0, 1) * (coming < len(times))
        bump = np.where(
            part < self.sharp,
            np.sin(0.5 * np.pi * part / self.sharp),
            np.cos(0.5 * np.pi * (part - self.sharp) / (1 - self.sharp)),
        )
        since, _ = since_last(t, times)
        slide = np.where((part > 0) & (part < 1), -1 + 2 * part, 1 - 2 * np.clip(since / 0.7, 0, 1))
        return self.stride * slide, self.lift * bump * ((part > 0) & (part < 1))

    def draw(self, canvas):
        t = canvas.times
        hip_x = self.pace * (t - t.mean()) + 0.0
        canvas.box(0.0, 0.62, 1.4, 0.24, self.ink[0], stripes=6.0)
        positions = [self._foot(t, k) for k in range(2)]
        hip_y = -0.02 - 0.1 * np.abs(positions[0][0] - positions[1][0]) * 0.3
        for k, (slide, lift) in enumerate(positions):
            x, y = hip_x + slide, 0.35 - lift
            knee_x, knee_y = (hip_x + x) / 2 + 0.06, (hip_y + y) / 2
            canvas.line(hip_x, hip_y, knee_x, knee_y, self.leg * 1.2, self.ink[1 + k % 2])
            canvas.line(knee_x, knee_y, x, y, self.leg, self.ink[1 + k % 2])
            canvas.line(x - 0.02, y, x + 0.08, y, 0.028, self.ink[3])
        if self.body:
            canvas.line(hip_x, hip_y, hip_x + 0.02, hip_y - 0.3, 0.08, self.ink[2])
            canvas.disc(hip_x + 0.03, hip_y - 0.45, 0.08, self.ink[1])


class Drops(Actor):
    """Drops that fall on a surface, with ripples and splashes."""

    moving = 1
    focus = (0.0, 0.2)

    def __init__(self, rng, seconds):
        self.times = sample_times(rng, seconds)
        self.gravity, self.surface = (
            np.exp(rng.uniform(np.log(1.5), np.log(7.0))),
            rng.uniform(0.1, 0.35),
        )
        self.size, self.places = (
            rng.uniform(0.03, 0.07),
            rng.choice([0.0, 0.2]) * rng.standard_normal(len(self.times)),
        )
        self.fall = float(np.sqrt(2 * (self.surface + 0.6) / self.gravity))
        sizes = rng.uniform(0.6, 1.4, len(self.times))
        speed = np.sqrt(2 * self.gravity * (self.surface + 0.5))
        self.sizes, self.ripples = sizes * self.size, rng.random() < 0.8
        self.events = _events(self.times, np.clip(0.35 * speed / 2.2 * sizes, 0.15, 1.0))
        self.ink, self.splash = [colour(rng) for _ in range(3)], rng.random() < 0.5

    def draw(self, canvas):
        t = canvas.times
        canvas.box(0.0, self.surface + 0.4, 1.2, 0.4, self.ink[0])
        for time, place, size in zip(self.times, self.places, self.sizes, strict=True):
            to_go = time - t
            y = self.surface - 0.5 * self.gravity * to_go * (2 * self.fall - to_go)
            falling = (to_go > 0) & (to_go < self.fall)
            canvas.disc(place, y, size, self.ink[1], flat=1.3, opacity=falling.astype(float))
            since = np.maximum(-to_go, 0)
            fade = np.clip(1 - since / 0.5, 0, 1) * (to_go <= 0)
            if self.ripples:
                canvas.ring(
                    place,
                    self.surface + 0.02,
                    0.02 + 0.5 * since,
                    0.006,
                    self.ink[2],
                    flat=0.3,
                    opacity=fade,
                )
            if self.splash:
                for angle in (-2.2, -1.8, -1.2, -0.9):
                    far = 0.6 * since
                    canvas.disc(
                        place + far * np.cos(angle),
                        self.surface + far * np.sin(angle) + 2.5 * since**2,
                        0.4 * size,
                        self.ink[1],
                        opacity=fade * (since < 0.3),
                    )


class Topple(Actor):
    """A box that tips over its corner and slams down; then it is set up again."""

    moving = 1
    focus = (0.0, 0.15)

    def __init__(self, rng, seconds):
        self.times = sample_times(rng, seconds, 0.7)
        self.fall = np.clip(rng.uniform(0.25, 0.6) * np.ones(len(self.times)), 0.2, 0.6)
        self.tall, self.wide = rng.uniform(0.15, 0.3), rng.uniform(0.03, 0.12)
        self.events = _events(self.times, strength_of(3.2 / self.fall * (self.tall / 0.22)))
        self.ink, self.stripes = [colour(rng) for _ in range(3)], float(rng.choice([0, 1, 3]))
        self.wobble = rng.choice([0.0, 0.06])

    def draw(self, canvas):
        t = canvas.times
        angle, alive = np.zeros(len(t)), np.ones(len(t))
        if len(self.times):
            coming = np.searchsorted(self.times, t, side="left")
            index = np.minimum(coming, len(self.times) - 1)
            part = np.clip(1 - (self.times[index] - t) / self.fall[index], 0, 1) * (
                coming < len(self.times)
            )
            since, _ = since_last(t, self.times)
            down = since < 0.3
            after = self.wobble * np.exp(-since / 0.08) * np.abs(np.sin(25 * since))
            angle = 0.5 * np.pi * np.where(down, 1 - after, part**2)
            alive = np.where(down, 1.0, np.clip((since - 0.3) / 0.06, 0, 1))
        canvas.box(0.0, 0.25 + 0.3, 1.2, 0.3, self.ink[0])
        cos, sin = np.cos(angle), np.sin(angle)
        x = -0.1 + self.wide + cos * -self.wide + sin * self.tall
        y = 0.25 - (cos * self.tall + sin * self.wide)
        canvas.box(
            x,
            y,
            self.wide,
            self.tall,
            self.ink[1],
            angle=angle,
            opacity=alive,
            stripes=self.stripes,
        )


class Burst(Actor):
    """A flash with sparks: a shot, a firework, a spark; the thing that fires jumps back."""

    def __init__(self, rng, seconds):
        self.times = sample_times(rng, seconds, 0.25)
        strengths = rng.uniform(0.3, 1.0, len(self.times))
        self.events, self.strengths = _events(self.times, strengths), strengths
        self.ink, self.size = [colour(rng) for _ in range(3)], rng.uniform(0.05, 0.2)
        self.life, self.recoil = rng.uniform(0.08, 0.4), rng.choice([0.0, 0.08, 0.15])
        self.angles, self.has_body = rng.uniform(-np.pi, np.pi, 10), rng.random() < 0.7
        self.bright = np.clip(rng.uniform(0.7, 1.1, 3), 0, 1)
        self.places = rng.choice([0.0, 0.25]) * rng.standard_normal((len(self.times), 2))

    def draw(self, canvas):
        since, index = since_last(canvas.times, self.times)
        power = self.strengths[index] if len(self.times) else np.zeros(len(since))
        kick = self.recoil * power * np.exp(-since / 0.12)
        if self.has_body:
            canvas.box(-0.25 - kick, 0.08 - 0.3 * kick, 0.2, 0.05, self.ink[0], angle=-kick)
        place = self.places[index] if len(self.times) else np.zeros((len(since), 2))
        fade = np.clip(1 - since / self.life, 0, 1)
        far = self.size * power * (1 - np.exp(-since / (0.3 * self.life))) * 2
        canvas.disc(
            place[:, 0], place[:, 1], self.size * power * (0.4 + fade), self.bright, opacity=fade**2
        )
        for angle in self.angles:
            canvas.disc(
                place[:, 0] + far * np.cos(angle),
                place[:, 1] + far * np.sin(angle),
                0.014,
                self.bright,
                opacity=fade,
            )


class Swish(Actor):
    """A stick swept through the air: the sound lasts as long as the sweep."""

    moving = 0

    def __init__(self, rng, seconds):
        times = sample_times(rng, seconds, 0.7)
        durations = rng.uniform(0.18, 0.5, len(times))
        swing = rng.uniform(0.7, 1.6)
        strengths = np.clip(swing * 0.3 / durations, 0.2, 1.0) ** 0.7
        self.events = tuple(
            Event(float(t), float(s), float(d))
            for t, s, d in zip(times, strengths, durations, strict=True)
        )
        self.times, self.durations, self.swing = times, durations, swing
        self.length, self.width = rng.uniform(0.35, 0.65), rng.uniform(0.02, 0.05)
        self.ink, self.has_arm = [colour(rng) for _ in range(2)], rng.random() < 0.5

    def draw(self, canvas):
        t, side = canvas.times, -np.ones(len(canvas.times))
        for k, (time, duration) in enumerate(zip(self.times, self.durations, strict=True)):
            part = np.clip((t - time) / duration, 0, 1)
            smooth = part - np.sin(2 * np.pi * part) / (
                2 * np.pi
            )  # speed sin^2, as the sound has it
            side = np.where(t >= time, (1 if k % 2 else -1) * (1 - 2 * smooth), side)
        angle = -0.5 * np.pi + self.swing * side
        tip_x, tip_y = self.length * np.cos(angle), 0.3 + self.length * np.sin(angle)
        canvas.line(0.0, 0.3, tip_x, tip_y, self.width, self.ink[0])
        if self.has_arm:
            canvas.line(0.0, 0.3, 0.1, 0.7, 0.06, self.ink[1])
