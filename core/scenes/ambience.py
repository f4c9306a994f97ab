"""Sounds that go on: wind, running water, a machine, a crowd."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .film import wander
from .synthesis import band_noise

WORDS: dict[str, tuple[str, ...]] = {
    "wind": ("breeze", "gale", "howling", "storm", "trees"),
    "stream": ("stream", "waterfall", "river", "brook", "sea", "waves", "fountain"),
    "engine": ("engine", "motor", "machine", "hum", "fan", "traffic"),
    "crowd": ("crowd", "people", "murmur", "audience", "street", "restaurant"),
}
AMBIENCES: tuple[str, ...] = tuple(WORDS)
_LOUDEST, _RANGE_DB = -20.0, 24.0  # RMS of strength 1, dB under full scale, and how far 0 is below
_PEAK = 0.97
_FRAME = 0.02  # seconds of what changes slowly


def render_ambience(
    kind: str, strength: float, seconds: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """A sound without a beginning: float32 `[round(seconds * sample_rate)]`, |x| <= 1. strength: 0
    to 1, its level."""
    sound = _KINDS[kind](round(seconds * sample_rate), sample_rate, rng)
    level = 10 ** ((_LOUDEST - _RANGE_DB * (1 - strength)) / 20)
    sound = sound * (level / (np.sqrt(np.mean(sound**2)) + 1e-9))
    return (sound * min(1.0, _PEAK / (np.abs(sound).max() + 1e-9))).astype(np.float32)


def _wind(n: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Low noise and a whistling band, both louder in gusts."""
    low = band_noise(n, (40.0, rng.uniform(150, 500)), rate, rng)
    centre = rng.uniform(300, 1200)
    whistle = band_noise(n, (0.85 * centre, 1.15 * centre), rate, rng)
    gusts = _slow(n, rate, rng, 0.5)
    return low * np.exp(0.4 * gusts) + rng.uniform(0.05, 0.5) * whistle * np.exp(0.9 * gusts)


def _stream(n: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Rushing noise, and bubbles: tones that rise while they die away."""
    rush = band_noise(n, (rng.uniform(150, 700), rng.uniform(2500, 9000)), rate, rng)
    sound = rush * np.exp(0.1 * _slow(n, rate, rng, 1.0))
    time = np.arange(int(0.08 * rate)) / rate
    for start in rng.integers(0, n, int(rng.uniform(5, 60) * n / rate)):
        pitch = np.exp(rng.uniform(np.log(350), np.log(2500)))
        tone = np.sin(2 * np.pi * pitch * (time + 2.0 * time**2)) * np.exp(-time * pitch / 20)
        part = tone[: n - start]
        sound[start : start + len(part)] += rng.uniform(0.2, 1.5) * part
    return sound


def _engine(n: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Harmonics of a rotation that is never quite even, and noise in its rhythm."""
    base = np.exp(rng.uniform(np.log(22), np.log(110)))
    phase = 2 * np.pi * np.cumsum(base * (1 + 0.01 * _slow(n, rate, rng, 2.0))) / rate
    sound = np.zeros(n)
    for harmonic in range(1, min(40, int(0.4 * rate / base))):
        gain = rng.lognormal(0.0, 0.6) * harmonic ** -rng.uniform(0.8, 1.2)
        sound += gain * np.sin(harmonic * phase + rng.uniform(0, 6.3))
    noise = band_noise(n, (200.0, rng.uniform(1500, 5000)), rate, rng)
    return sound + rng.uniform(0.2, 1.0) * noise * (1 + 0.7 * np.sin(phase))


def _crowd(n: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Many voices: bands of vowels that come and go some times a second."""
    sound = np.zeros(n)
    for _ in range(int(rng.integers(10, 24))):
        first, second = rng.uniform(300, 800), rng.uniform(900, 2600)
        voice = band_noise(n, (0.9 * first, 1.1 * first), rate, rng)
        voice += 0.5 * band_noise(n, (0.93 * second, 1.07 * second), rate, rng)
        syllables = np.sin(np.pi * rng.uniform(2.5, 6) * np.arange(n) / rate + rng.uniform(0, 6.3))
        talks = np.clip(_slow(n, rate, rng, 0.6) + 0.5, 0, None)
        sound += rng.lognormal(0, 0.5) * voice * syllables**2 * talks
    return sound + 0.3 * np.std(sound) * band_noise(n, (200.0, 3000.0), rate, rng)


def _slow(n: int, rate: int, rng: np.random.Generator, spread: float) -> np.ndarray:
    """Something that drifts about 0, with a deviation of `spread`, at each of `n` samples."""
    step = max(round(_FRAME * rate), 1)
    knots = wander(rng, n // step + 4, _FRAME)
    return spread * np.interp(np.arange(n) / step, np.arange(len(knots)), knots)


_KINDS: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "wind": _wind,
    "stream": _stream,
    "engine": _engine,
    "crowd": _crowd,
}
