"""The sound of a synthetic scene: blows on one object, in a room, over a faint noise floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .events import Event
from .materials import Instrument
from .synthesis import (
    band_noise,
    bubble_cloud,
    contact_pulse,
    gliding_modes,
    grain_cloud,
    modal_response,
    noise_burst,
    swish,
)

HIT_LEVEL = 0.16  # RMS of the loudest 20 ms of a full-strength blow
PEAK_LIMIT = 0.97
_PUFF_SECONDS = 0.25  # a blow on air is a short puff
_MAX_RING = 2.0


@dataclass(frozen=True)
class Room:
    """Where it happens: an exponential reverberation and a noise floor.

    `t60` seconds; `wet_db` energy of the reverberation under the direct sound (None: no room);
    `floor_db` RMS of the noise floor in dB under full scale (None: silence);
    `floor_band`: the corner frequencies of the floor, Hz.
    """

    t60: float = 0.2
    wet_db: float | None = None
    floor_db: float | None = None
    floor_band: tuple[float, float] = (60.0, 800.0)


DRY = Room()


def sample_room(rng: np.random.Generator) -> Room:
    """A small to middling room; two scenes in three have one, all have a floor."""
    return Room(
        t60=float(np.exp(rng.uniform(np.log(0.08), np.log(0.6)))),
        wet_db=float(rng.uniform(-24, -8)) if rng.random() < 0.65 else None,
        floor_db=float(rng.uniform(-75, -45)),
        floor_band=(float(rng.uniform(30, 150)), float(np.exp(rng.uniform(5.5, 9.0)))),
    )


def render_sound(
    events: Sequence[Event],
    instrument: Instrument,
    seconds: float,
    sample_rate: int,
    rng: np.random.Generator,
    *,
    room: Room | None = None,
) -> np.ndarray:
    """The sound of `events` on one object: float32 `[round(seconds * sample_rate)]`, |x| <= 1.

    A blow's energy rises at its `time` (within 2 ms); an event with a `duration` is a swish whose
    level follows `swish_speed` over it. `room=None` draws one from `rng`. Events outside the
    window are left out.
    """
    n = round(seconds * sample_rate)
    room = sample_room(rng) if room is None else room
    blows = [e for e in events if 0 <= e.time < seconds]
    dry = _dry_sound(blows, instrument, n, sample_rate, rng)
    gain = 10 ** (instrument.level_db / 20)
    sound = _add_room(dry * gain, room, sample_rate, rng)
    if room.floor_db is not None:
        floor = band_noise(n, room.floor_band, sample_rate, rng)
        sound = sound + 10 ** (room.floor_db / 20) * floor
    return (sound * min(1.0, PEAK_LIMIT / (np.abs(sound).max() + 1e-9))).astype(np.float32)


def _dry_sound(
    events: Sequence[Event],
    instrument: Instrument,
    n: int,
    sample_rate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """All events, without room: contacts excite the modes once, the rest is added as it is."""
    from scipy.fft import irfft, next_fast_len, rfft

    n_gliding = min(2, len(instrument.frequencies)) if instrument.glide > 0 else 0
    modes = modal_response(
        instrument,
        n_samples=int(_ring_seconds(instrument) * sample_rate) + 1,
        sample_rate=sample_rate,
        skip=n_gliding,
    )
    scale = _blow_scale(instrument, modes, n_gliding, sample_rate)
    force = np.zeros((len(modes), n + sample_rate // 8), np.float32)
    direct = np.zeros(n + sample_rate // 8)
    for event in events:
        at = round(event.time * sample_rate)
        if event.duration > 0 or instrument.material == "air":
            duration = event.duration or _PUFF_SECONDS
            level = HIT_LEVEL * (0.3 + 0.7 * event.strength)
            sound = level * swish(instrument, event.strength, duration, sample_rate, rng)
            _add(direct, sound, at)
            continue
        strength = max(event.strength, 0.05)
        level = scale * strength**1.3
        pushes, sound = _blow(instrument, strength, n_gliding, sample_rate, rng)
        _add(direct, level * sound, at)
        place = rng.uniform(0.0, 1.0)
        for delay, push in pushes:
            start = at + delay - len(push) // 4  # the force is half way up at the event
            _add(force[0], level * place * push, start)
            _add(force[1], level * (1.0 - place) * push, start)
    if not modes.any():
        return direct[:n]
    size = next_fast_len(n + modes.shape[1], real=True)
    spectrum = (rfft(force, size) * rfft(modes.astype(np.float32), size)).sum(0)
    return irfft(spectrum, size)[:n] + direct[:n]


def _blow(
    instrument: Instrument,
    strength: float,
    n_gliding: int,
    sample_rate: int,
    rng: np.random.Generator,
) -> tuple[list[tuple[int, np.ndarray]], np.ndarray]:
    """One blow of unit level: pushes on the modes (delay in samples, force) and direct sound."""
    width = instrument.contact * strength**-instrument.softness
    pushes = []
    if len(instrument.frequencies) > n_gliding:
        delay, level = 0.0, 1.0
        for _ in range(instrument.bounces + 1):
            push = level * contact_pulse(width, sample_rate)
            pushes.append((round(delay * sample_rate), push))
            delay += rng.uniform(0.012, 0.03)
            level *= rng.uniform(0.35, 0.6)
    parts = []
    if n_gliding:
        parts.append(gliding_modes(instrument, strength, n_gliding, sample_rate))
    if instrument.noise > 0:
        burst = noise_burst(instrument, strength, sample_rate, rng)
        parts.append(instrument.noise * burst)
    if instrument.grains:
        cloud = grain_cloud(instrument, strength, sample_rate, rng)
        parts.append(instrument.grain_level * cloud)
    if instrument.bubbles:
        parts.append(0.5 * bubble_cloud(instrument, strength, sample_rate, rng))
    direct = np.zeros(max((len(part) for part in parts), default=1))
    for part in parts:
        direct[: len(part)] += part
    return pushes, direct


def _blow_scale(
    instrument: Instrument, modes: np.ndarray, n_gliding: int, sample_rate: int
) -> float:
    """The factor that brings a full-strength blow on this object to `HIT_LEVEL`."""
    rng = np.random.default_rng(0)  # the object's loudness must not depend on the scene's draws
    n = sample_rate // 8
    pushes, sound = _blow(instrument, 1.0, n_gliding, sample_rate, rng)
    total = np.zeros(n)
    _add(total, sound, 0)
    for delay, push in pushes:
        _add(total, np.convolve(push, modes.mean(0)[:n])[:n], delay)
    window = sample_rate // 50
    energy = np.cumsum(np.concatenate(((0.0,), total**2)))
    loudest = np.sqrt((energy[window:] - energy[:-window]).max() / window)
    return min(HIT_LEVEL / (loudest + 1e-9), 0.9 / (np.abs(total).max() + 1e-9))


def _add_room(
    sound: np.ndarray, room: Room, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Direct sound plus a diffuse exponential tail that starts a few milliseconds later."""
    if room.wet_db is None:
        return sound
    from scipy.signal import oaconvolve

    time = np.arange(int(room.t60 * 0.7 * sample_rate)) / sample_rate
    tail = rng.standard_normal(len(time)) * np.exp(-np.log(1000.0) * time / room.t60)
    tail = np.convolve(tail, (0.35, 0.4, 0.25))[: len(time)]  # walls swallow the highest first
    tail[: int(rng.uniform(0.003, 0.015) * sample_rate)] = 0.0
    tail *= 10 ** (room.wet_db / 20) / (np.linalg.norm(tail) + 1e-9)
    tail[0] = 1.0
    return oaconvolve(sound.astype(np.float32), tail.astype(np.float32))[: len(sound)]


def _ring_seconds(instrument: Instrument) -> float:
    return min(float(instrument.rings.max(initial=0.0)), _MAX_RING)


def _add(target: np.ndarray, sound: np.ndarray, at: int) -> None:
    """Add `sound` into `target` from sample `at`, cut at both ends."""
    start, stop = max(at, 0), min(at + len(sound), len(target))
    if stop > start:
        target[start:stop] += sound[start - at : stop - at]
