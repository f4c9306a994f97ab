"""How hands move when somebody plays, chops or hammers: strokes, ways between targets, gestures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .timing import strength_of

UP = -0.5 * np.pi  # angle: y points down


@dataclass
class Stroke:
    """Heights 0..1 of a hand over what it hits: a lift, a fall that is fastest at the hit, and the
    way back. Unlike `timing.Strike` it never stops at its top all of a sudden.
    """

    times: np.ndarray
    heights: np.ndarray
    falls: np.ndarray
    rises: np.ndarray
    whip: float  # exponent of the fall: 1 is even, 3 falls late and fast
    dwell: float  # seconds at the target
    rest: float  # share of the height at which it waits

    @classmethod
    def sample(cls, rng: np.random.Generator, times: np.ndarray) -> Stroke:
        count = len(times)
        gaps = np.diff(times, prepend=times[:1] - 1.0) if count else np.zeros(0)
        after = np.diff(times, append=times[-1:] + 1.0) if count else np.zeros(0)
        base = np.exp(rng.uniform(np.log(0.07), np.log(0.4)))
        falls = np.minimum(base * np.exp(0.2 * rng.standard_normal(count)), 0.7 * gaps)
        slow = np.exp(rng.uniform(np.log(0.08), np.log(0.5)))
        rises = np.minimum(slow * np.exp(0.2 * rng.standard_normal(count)), 0.7 * after)
        heights = rng.uniform(0.4, 1.0) * np.exp(0.35 * rng.standard_normal(count))
        # Who plays fast lifts less.
        heights = np.clip(heights * np.clip(gaps / 0.35, 0.3, 1.0), 0.1, 1.2)
        dwell = rng.uniform(0.02, 0.2) if rng.random() < 0.35 else 0.0
        return cls(
            times,
            heights,
            np.maximum(falls, 0.05),
            np.maximum(rises, 0.05),
            rng.uniform(1.2, 3.0),
            dwell,
            rng.uniform(0.15, 1.0),
        )

    @property
    def strengths(self) -> np.ndarray:
        return strength_of(self.whip * self.heights / self.falls)

    def height(self, t: np.ndarray) -> np.ndarray:
        """At times `t`; 0 exactly at each hit."""
        count = len(self.times)
        if not count:
            return np.full(len(t), self.rest)
        coming = np.searchsorted(self.times, t, side="left")
        there, gone = coming < count, coming > 0
        following, last = np.minimum(coming, count - 1), np.maximum(coming - 1, 0)
        to_go = np.where(there, self.times[following] - t, 10.0)
        since = np.where(gone, t - self.times[last], 10.0)
        gap = np.where(there & gone, self.times[following] - self.times[last], 10.0)
        dwell = np.minimum(self.dwell, 0.3 * gap)
        fall = 1 - (1 - np.clip(to_go / self.falls[following], 0, 1)) ** self.whip
        rise = np.clip((since - dwell) / self.rises[last], 0, 1)
        rise = 1 - (1 - rise) ** 2
        stroke = np.where(there, self.heights[following], self.heights[last])
        # Far from any hit the hand waits lower; it is lifted before it falls.
        lift = np.exp(-0.5 * (np.maximum(to_go - 1.3 * self.falls[following], 0) / 0.12) ** 2)
        early = np.exp(-0.5 * (np.maximum(since - dwell - self.rises[last], 0) / 0.2) ** 2)
        level = self.rest + (1 - self.rest) * np.maximum(lift, early * (gap < 1.0))
        return stroke * fall * rise * level


def smooth(part: np.ndarray) -> np.ndarray:
    """0..1 to 0..1 without a jerk."""
    part = np.clip(part, 0, 1)
    return part**3 * (10 - 15 * part + 6 * part**2)


@dataclass
class Hand:
    """A hand that goes from target to target. targets: places `[n, 2]`; aims: which one is hit at
    each time of the stroke. lift, tilt: how far and in which direction it is raised."""

    stroke: Stroke
    targets: np.ndarray
    aims: np.ndarray
    lift: float
    tilt: float
    gestures: list[tuple[float, float, float, float]] = field(default_factory=list)

    @classmethod
    def sample(
        cls,
        rng: np.random.Generator,
        times: np.ndarray,
        targets: np.ndarray,
        seconds: float,
        lift: float,
        tilt: float,
    ) -> Hand:
        stay = rng.uniform(0.2, 0.9)
        aims, aim = [], int(rng.integers(len(targets)))
        for _ in times:
            if rng.random() > stay:
                aim = int(rng.integers(len(targets)))
            aims.append(aim)
        hand = cls(Stroke.sample(rng, times), targets, np.array(aims, int), lift, tilt)
        hand.gestures = _gestures(rng, times, seconds)
        return hand

    def place(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Over which point it is, `[T]` each."""
        times = self.stroke.times
        if not len(times):
            x, y = (np.full(len(t), self.targets[0, axis]) for axis in (0, 1))
        else:
            at = self.targets[self.aims]
            coming = np.searchsorted(times, t, side="left")
            following = np.minimum(coming, len(times) - 1)
            last = np.maximum(coming - 1, 0)
            gap = np.maximum(times[following] - times[last], 1e-3)
            span = np.minimum(0.8 * gap, 0.5)
            part = smooth((t - (times[following] - 0.06 * gap - span)) / span)
            x, y = (at[last, k] + part * (at[following, k] - at[last, k]) for k in (0, 1))
        for start, length, dx, dy in self.gestures:
            bump = np.sin(np.pi * np.clip((t - start) / length, 0, 1)) ** 2
            x, y = x + dx * bump, y + dy * bump
        return x, y

    def point(self, t: np.ndarray, lead: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Where it is: over its place by its height. lead: seconds by which it is ahead."""
        x, y = self.place(t)
        height = self.lift * self.stroke.height(t + lead)
        return x + height * np.cos(self.tilt), y + height * np.sin(self.tilt)


def _gestures(
    rng: np.random.Generator, times: np.ndarray, seconds: float
) -> list[tuple[float, float, float, float]]:
    """Movements between hits that make no sound: a start, a length, and how far they go."""
    edges = np.concatenate([[-0.3], times, [seconds + 0.3]])
    found = []
    for before, after in zip(edges[:-1], edges[1:], strict=True):
        room = after - before - 0.3
        if room > 0.35 and rng.random() < 0.6:
            length = rng.uniform(0.3, min(room, 1.2))
            start = before + 0.12 + rng.uniform(0, room - length)
            reach, angle = rng.uniform(0.05, 0.35), rng.uniform(-np.pi, 0.3)
            found.append((start, length, reach * np.cos(angle), reach * np.sin(angle)))
    return found
