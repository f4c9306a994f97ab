"""When things happen: event times, and the motion that leads to and from a hit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .events import Event

MIN_GAP = 0.16


def sample_times(rng: np.random.Generator, seconds: float, min_gap: float = MIN_GAP) -> np.ndarray:
    """Event times in seconds, sorted: a jittered beat, free gaps, a single event, or none.

    6 % of scenes are silent and 10 % have one or two events.
    """
    choice = rng.random()
    if choice < 0.06:
        return np.zeros(0)
    if choice < 0.16:
        count = int(rng.integers(1, 3))
        times = np.sort(rng.uniform(0.3, max(seconds - 0.2, 0.35), count))
        return times[np.diff(times, prepend=-1.0) >= min_gap]
    if choice < 0.58:
        period = np.exp(rng.uniform(np.log(max(0.22, min_gap)), np.log(1.1)))
        gaps = period * (1 + rng.uniform(0, 0.12) * rng.standard_normal(200))
        gaps *= 1 + (rng.random(200) < 0.08)
    else:
        gaps = np.exp(rng.uniform(np.log(min_gap), np.log(1.6), 200))
    times = rng.uniform(0.1, 0.6) + np.cumsum(np.maximum(gaps, min_gap))
    return times[times < seconds - 0.04]


def strength_of(speed: np.ndarray | float) -> np.ndarray:
    """Strength 0.15..1 of an impact from its closing speed in strokes a second (1/s)."""
    return np.clip(np.asarray(speed, dtype=np.float64) / 14.0, 0.15, 1.0) ** 0.5


@dataclass(frozen=True)
class Strike:
    """A tool that falls on its target at each time: fastest at the hit, then rebound or rest."""

    times: np.ndarray
    heights: np.ndarray  # of the stroke before each hit, 0..1
    falls: np.ndarray  # seconds of the fall before each hit
    rises: np.ndarray  # seconds of the way back up
    rebound: bool
    dwell: float
    rest: float  # height when nothing comes for long

    @classmethod
    def sample(cls, rng: np.random.Generator, times: np.ndarray) -> Strike:
        count = len(times)
        gaps = np.diff(times, prepend=times[:1] - 1.0) if count else np.zeros(0)
        after = np.diff(times, append=times[-1:] + 1.0) if count else np.zeros(0)
        dwell = rng.uniform(0.02, 0.25) if rng.random() < 0.3 else 0.0
        base = np.exp(rng.uniform(np.log(0.06), np.log(0.35)))
        falls = np.minimum(base * np.exp(0.25 * rng.standard_normal(count)), 0.55 * gaps)
        heights = np.clip(
            rng.uniform(0.45, 1.0) * np.exp(0.3 * rng.standard_normal(count)), 0.2, 1.2
        )
        rises = np.minimum(rng.uniform(0.08, 0.4) * np.ones(count), 0.4 * after)
        return cls(
            times,
            heights,
            np.maximum(falls, 0.05),
            np.maximum(rises, 0.05),
            bool(rng.random() < 0.6),
            dwell,
            rng.uniform(0.3, 1.0),
        )

    @property
    def strengths(self) -> np.ndarray:
        return strength_of(2 * self.heights / self.falls)

    def events(self) -> tuple[Event, ...]:
        return tuple(
            Event(float(t), float(s)) for t, s in zip(self.times, self.strengths, strict=True)
        )

    def height(self, t: np.ndarray) -> np.ndarray:
        """Height above the target at times `t`: 0 exactly at each hit, else up to about 1."""
        count = len(self.times)
        if count == 0:
            return np.full(len(t), self.rest)
        coming = np.searchsorted(self.times, t, side="left")
        next_hit, last_hit = np.minimum(coming, count - 1), np.maximum(coming - 1, 0)
        stroke = np.where(coming < count, self.heights[next_hit], self.rest)
        to_go = np.clip((self.times[next_hit] - t) / self.falls[next_hit], 0, 1)
        fall = np.where(coming < count, 2 * to_go - to_go**2, 1.0)
        dwell = np.minimum(
            self.dwell,
            0.3 * np.where(coming < count, self.times[next_hit] - self.times[last_hit], 1),
        )
        gone = np.clip((t - self.times[last_hit] - dwell) / self.rises[last_hit], 0, 1)
        rise = 1 - (1 - gone) ** 2 if self.rebound else gone**2 * (3 - 2 * gone)
        return stroke * np.minimum(np.where(coming > 0, rise, 1.0), fall)


def ringing(
    t: np.ndarray, times: np.ndarray, strengths: np.ndarray, rate: float, decay: float
) -> np.ndarray:
    """Damped shaking of a struck thing at times `t`, sum over hits, about -1..1."""
    since = t[:, None] - times[None, :]  # [T, events]
    swing = np.exp(-np.maximum(since, 0) / decay) * np.sin(2 * np.pi * rate * since)
    return (swing * (since > 0) * strengths).sum(1)


def since_last(t: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since the last hit and its index; a large number and 0 before the first."""
    index = np.searchsorted(times, t, side="right") - 1
    if len(times) == 0:
        return np.full(len(t), 1e3), np.zeros(len(t), int)
    return np.where(index >= 0, t - times[np.maximum(index, 0)], 1e3), np.maximum(index, 0)
