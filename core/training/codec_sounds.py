"""Sounds to train and judge the mini codec on: scenes, and what scenes lack.

Scenes have blows and swishes only. A codec also meets voices, engines, birds and beds of noise, so
a share of the training sounds is made of those.
"""

from __future__ import annotations

import numpy as np

from ..scenes.materials import MATERIALS, sample_instrument
from ..scenes.pairs import random_events
from ..scenes.sound import render_sound
from ..scenes.synthesis import band_noise

SCENE_SHARE = 0.6


def scene_sound(seconds: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """One object of a random material, struck (or swung) at random times: float32 `[T]`."""
    instrument = sample_instrument(MATERIALS[rng.integers(len(MATERIALS))], rng)
    return render_sound(
        random_events(instrument, seconds, rng), instrument, seconds, sample_rate, rng
    )


def training_sound(seconds: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A scene or another everyday sound, sometimes two, at a random level and bandwidth."""
    sound = _one(seconds, sample_rate, rng)
    if rng.random() < 0.3:
        sound = sound + _one(seconds, sample_rate, rng) * 10 ** (-rng.uniform(0, 18) / 20)
    if rng.random() < 0.35:
        sound = _dull(sound, float(rng.uniform(3500, 14500)), sample_rate)
    gain = 10 ** (-rng.uniform(0, 18) / 20) * rng.choice((-1.0, 1.0))
    return (sound * gain / max(1.0, np.abs(sound).max())).astype(np.float32)


def _one(seconds: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < SCENE_SHARE:
        return scene_sound(seconds, sample_rate, rng)
    kinds = (_bed, _voice, _engine, _birds)
    sound = kinds[rng.integers(len(kinds))](round(seconds * sample_rate), sample_rate, rng)
    floor = band_noise(len(sound), (50.0, 4000.0), sample_rate, rng)
    level = 10 ** (rng.uniform(-30, -12) / 20)
    return level * sound / (np.sqrt(np.mean(sound**2)) + 1e-9) + 10 ** rng.uniform(-4, -2) * floor


def _bed(n: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Coloured noises that swell and fade on their own: traffic, wind, rain, a crowd."""
    bed = np.zeros(n)
    for _ in range(rng.integers(1, 4)):
        low = float(np.exp(rng.uniform(np.log(30), np.log(3000))))
        band = (low, low * float(rng.uniform(1.5, 12.0)))
        bed += band_noise(n, band, sample_rate, rng) * np.exp(_drift(n, sample_rate, 6.0, 0.8, rng))
    return bed


def _voice(n: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A harmonic source that glides, through moving formants, in syllables."""
    pitch = np.exp(rng.uniform(np.log(80), np.log(500)) + _drift(n, sample_rate, 4.0, 0.15, rng))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    formants = [
        np.exp(np.log(centre) + _drift(n, sample_rate, 5.0, 0.2, rng))
        for centre in (rng.uniform(400, 900), rng.uniform(1100, 2200), rng.uniform(2500, 3500))
    ]
    voice = 0.02 * band_noise(n, (1500.0, 7000.0), sample_rate, rng)
    for harmonic in range(1, 1 + int(min(24, 5000 / pitch.max()))):
        frequency = harmonic * pitch
        level = sum(1.0 / (1.0 + ((frequency - f) / 150.0) ** 2) for f in formants) + 0.03
        voice += level * np.sin(harmonic * phase) / harmonic**0.5
    return voice * _syllables(n, sample_rate, rng)


def _engine(n: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Irregular pulses through a few resonances, with noise that beats along."""
    rate = np.exp(rng.uniform(np.log(12), np.log(140)) + _drift(n, sample_rate, 1.0, 0.2, rng))
    phase = np.cumsum(rate) / sample_rate
    pulses = np.diff(np.floor(phase), prepend=0.0) * rng.lognormal(0.0, 0.3, n)
    beat = 0.6 + 0.4 * np.cos(2 * np.pi * phase)
    noise = band_noise(n, (100.0, 5000.0), sample_rate, rng) * beat * 0.03
    time = np.arange(sample_rate // 20) / sample_rate
    body = sum(
        rng.uniform(0.2, 1.0) * np.cos(2 * np.pi * f * time) * np.exp(-time * rng.uniform(80, 400))
        for f in np.exp(rng.uniform(np.log(60), np.log(4000), 6))
    )
    from scipy.signal import oaconvolve

    return oaconvolve(pulses, body)[:n] * rng.uniform(0.3, 1.0) + noise


def _birds(n: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Whistles that sweep, and held tones."""
    sound = np.zeros(n)
    for _ in range(rng.integers(1, 4)):
        centre = rng.uniform(np.log(250), np.log(7000))
        pitch = np.exp(centre + _drift(n, sample_rate, rng.uniform(0.5, 14.0), 0.2, rng))
        phase = 2 * np.pi * np.cumsum(np.minimum(pitch, 0.45 * sample_rate)) / sample_rate
        sound += np.sin(phase) * _syllables(n, sample_rate, rng)
    return sound


def _drift(
    n: int, sample_rate: int, rate: float, spread: float, rng: np.random.Generator
) -> np.ndarray:
    """A slow random curve, `rate` knots a second, standard deviation `spread`."""
    knots = rng.normal(0.0, spread, int(n / sample_rate * rate) + 3)
    return np.interp(np.arange(n) * (rate / sample_rate), np.arange(len(knots)), knots)


def _syllables(n: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """A level, 0 to 1, that opens and closes a few times a second, at its own abruptness."""
    curve = _drift(n, sample_rate, rng.uniform(2.0, 9.0), 1.0, rng) + rng.uniform(-0.3, 1.0)
    return 1.0 / (1.0 + np.exp(-curve * rng.uniform(2.0, 20.0)))


def _dull(sound: np.ndarray, cutoff: float, sample_rate: int) -> np.ndarray:
    """A steep low-pass, as old recordings and lossy files have."""
    from scipy.fft import irfft, rfft

    frequency = np.arange(len(sound) // 2 + 1) * (sample_rate / len(sound))
    gain = 1.0 / (1.0 + (frequency / cutoff) ** 40)
    return irfft(rfft(sound.astype(np.float32)) * gain, len(sound))
