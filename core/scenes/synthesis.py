"""The physics of a struck object: contact, modes, noise, grains, bubbles, rushing air.

Everything is vectorised numpy, mono; lengths in samples, times in seconds.
"""

from __future__ import annotations

import numpy as np

from .materials import Instrument

_BLOCK = 256  # a decaying mode is an outer product of coarse and fine steps: one matrix product


def modal_response(
    instrument: Instrument, *, n_samples: int, sample_rate: int, skip: int = 0
) -> np.ndarray:
    """Impulse responses of the object's modes at its two places: `[N_POSITIONS, n_samples]`.

    `skip`: how many of the lowest modes to leave out (those that glide are rendered per blow).
    """
    frequencies = instrument.frequencies[skip:]
    audible = frequencies < 0.45 * sample_rate
    poles = 2j * np.pi * frequencies[audible] - np.log(1000.0) / instrument.rings[skip:][audible]
    gains = instrument.gains[:, skip:][:, audible]
    n_blocks = -(-n_samples // _BLOCK)
    coarse = np.exp(np.outer(np.arange(n_blocks) * (_BLOCK / sample_rate), poles))
    fine = np.exp(np.outer(poles, np.arange(_BLOCK) / sample_rate))
    coarse, fine = coarse.astype(np.complex64), fine.astype(np.complex64)
    responses = [((coarse * g.astype(np.float32)) @ fine).real.ravel() for g in gains]
    return np.stack(responses)[:, :n_samples]


def contact_pulse(width: float, sample_rate: int) -> np.ndarray:
    """The force of a contact of `width` seconds: a Hann bump of unit sum."""
    n = max(round(width * sample_rate), 2)
    bump = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
    return bump / bump.sum()


def noise_burst(
    instrument: Instrument, strength: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Band-passed noise of about unit level that dies away; a weak blow is duller."""
    n = max(int(instrument.noise_ring * 1.3 * sample_rate), 32)
    low, high = instrument.noise_band
    noise = band_noise(n, (low, high * strength**instrument.softness), sample_rate, rng)
    time = np.arange(n) / sample_rate
    return noise * np.exp(-np.log(1000.0) * time / instrument.noise_ring) * ramp(n, 8)


def band_noise(
    n: int, band: tuple[float, float], sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """`n` samples of noise between two frequencies with gentle (12 dB per octave) skirts, RMS 1."""
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(n, real=True)
    spectrum = rfft(rng.standard_normal(size, dtype=np.float32))
    frequency = np.arange(size // 2 + 1, dtype=np.float32) * (sample_rate / size) + 1e-3
    gain = 1.0 / ((1.0 + (band[0] / frequency) ** 2) * (1.0 + (frequency / band[1]) ** 2))
    noise = irfft(spectrum * gain, size)[:n]
    return noise / (np.sqrt(np.mean(noise**2)) + 1e-9)


def grain_cloud(
    instrument: Instrument, strength: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Many tiny contacts crowding after the blow, the first at once; louder blows move more."""
    count = max(int(instrument.grains * (0.5 + 0.5 * strength)), 4)
    span = instrument.grain_span * (0.7 + 0.3 * strength)
    starts = np.sort(span * rng.beta(1.0, 2.2, count))
    starts[0] = 0.0
    levels = rng.lognormal(0.0, 0.7, count) * np.exp(-1.5 * starts / span)
    levels[0] = 1.5 * levels.max()
    low, high = np.log(instrument.grain_band)
    pitch = np.exp(rng.uniform(low, high, count))
    rings = instrument.grain_ring * rng.lognormal(0.0, 0.3, count)
    return _chirps(starts, levels, pitch, np.zeros(count), rings, sample_rate, rng)


def bubble_cloud(
    instrument: Instrument, strength: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Bubbles after the splash: each a short tone that rises while it dies away."""
    count = max(int(instrument.bubbles * (0.5 + 0.5 * strength)), 2)
    starts = 0.012 + 0.25 * rng.beta(1.0, 1.8, count)
    low, high = np.log(instrument.bubble_pitch)
    pitch = np.exp(rng.uniform(low, high, count))
    rings = np.clip(90.0 / pitch, 0.03, 0.14) * rng.lognormal(0.0, 0.2, count)
    rise = rng.uniform(3.0, 12.0, count)
    return _chirps(starts, rng.lognormal(0.0, 0.4, count), pitch, rise, rings, sample_rate, rng)


def _chirps(
    starts: np.ndarray,
    levels: np.ndarray,
    pitch: np.ndarray,
    rise: np.ndarray,
    rings: np.ndarray,
    sample_rate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Sum of decaying tones; all arguments `[G]`, `rise` = relative pitch change per second."""
    time = np.arange(int(rings.max() * 0.8 * sample_rate) + 16)[None, :] / sample_rate
    phase = 2 * np.pi * pitch[:, None] * (time + 0.5 * rise[:, None] * time**2)
    phase += rng.uniform(0, 2 * np.pi, len(pitch))[:, None]
    tones = np.sin(phase) * np.exp(-np.log(1000.0) * time / rings[:, None]) * levels[:, None]
    tones *= ramp(tones.shape[1], 4)
    at = np.round(starts * sample_rate).astype(int)
    index = (at[:, None] + np.arange(tones.shape[1])[None, :]).ravel()
    return np.bincount(index, weights=tones.ravel())


def gliding_modes(
    instrument: Instrument, strength: float, n_modes: int, sample_rate: int
) -> np.ndarray:
    """The lowest modes of a skin or a soft ball, whose pitch falls after a strong blow."""
    frequencies, rings = instrument.frequencies[:n_modes], instrument.rings[:n_modes]
    time = np.arange(int(rings.max() * 0.8 * sample_rate))[None, :] / sample_rate
    settle = 0.035
    warp = time + instrument.glide * strength * settle * (1.0 - np.exp(-time / settle))
    tones = np.cos(2 * np.pi * frequencies[:, None] * warp)
    tones *= np.exp(-np.log(1000.0) * time / rings[:, None])
    return (tones * np.abs(instrument.gains[0, :n_modes, None])).sum(0) * ramp(time.shape[1], 24)


def swish(
    instrument: Instrument,
    strength: float,
    duration: float,
    sample_rate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Noise through a resonance that rises and falls with the speed of the thing swung.

    The speed is `swish_speed`; level goes with its power 1.5, the centre frequency linearly.
    """
    n = max(int(duration * sample_rate), 512)
    size, hop = 512, 128
    n_frames = n // hop + 5
    low, high, width = instrument.whoosh
    speed = swish_speed((np.arange(n_frames) * hop - size / 2) / n)
    centre = low + (high * (0.5 + 0.5 * strength) - low) * speed
    noise = rng.standard_normal((n_frames, size // 2 + 1, 2)) @ np.array((1.0, 1.0j))
    frequency = np.fft.rfftfreq(size, 1.0 / sample_rate)
    gain = 1.0 / (1.0 + ((frequency - centre[:, None]) / (width * centre[:, None])) ** 2)
    spectra = noise * gain / np.sqrt((gain**2).sum(1, keepdims=True))
    frames = np.fft.irfft(spectra, size) * np.sin(np.pi * (np.arange(size) + 0.5) / size)
    sound = np.zeros((n_frames + size // hop, hop))
    for part in range(size // hop):
        sound[part : part + n_frames] += frames[:, part * hop : (part + 1) * hop]
    sound = sound.ravel()[size - hop : size - hop + n]
    return sound * swish_speed(np.arange(n) / n) ** 1.5 / (np.sqrt(np.mean(sound**2)) + 1e-9)


def swish_speed(progress: np.ndarray) -> np.ndarray:
    """Speed of a swing, 0 to 1, at `progress` 0 to 1 of its duration: rest, fast, rest."""
    return np.sin(np.pi * np.clip(progress, 0.0, 1.0)) ** 2


def ramp(n: int, rise: int) -> np.ndarray:
    """Ones with a short fade in (against clicks) and a fade to nothing over the last quarter."""
    envelope = np.ones(n)
    envelope[:rise] = ((np.arange(rise) + 1) / (rise + 1))[:n]
    fall = max(n // 4, 1)
    envelope[-fall:] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(fall) + 1) / fall)
    return envelope
