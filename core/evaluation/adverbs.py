"""What adverbs ask of a sound, as numbers: its level, how much of it is direct, where it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..onsets.signals import Waveform, mono_at

RATE = 16000
_DIRECT = 0.05  # seconds after a hit that count as direct (C50, ISO 3382-1)
_TAIL = 0.4  # seconds after a hit in which the rest is looked for
_FLOOR_DB = -70.0
_STEP = 0.1  # seconds of a point of the course
_RANGE_DB = 30.0  # under the loudest point that count for the course


def level_db(sound: Waveform, rate: int, times: np.ndarray) -> float:
    """RMS of all of it in dB under full scale."""
    power = float(np.mean(mono_at(sound, rate, RATE) ** 2))
    return max(10 * np.log10(power + 1e-12), _FLOOR_DB)


def clarity_db(sound: Waveform, rate: int, times: np.ndarray) -> float:
    """Energy of the first 50 ms after each hit over that of the rest up to the next, in dB."""
    power = mono_at(sound, rate, RATE) ** 2
    ends = [*times[1:], len(power) / RATE]
    direct = rest = 1e-9
    for time, end in zip(times, ends, strict=True):
        first, split = round(max(time - 0.01, 0) * RATE), round((time + _DIRECT) * RATE)
        last = round(min(end - 0.02, time + _TAIL) * RATE)
        if last > split:
            direct += power[first:split].sum()
            rest += power[split:last].sum()
    return float(10 * np.log10(direct / rest))


def course_db(sound: Waveform, rate: int, times: np.ndarray) -> float:
    """Slope of the level, dB a second, over what is not far under the loudest."""
    samples, size = mono_at(sound, rate, RATE), round(_STEP * RATE)
    power = (samples[: len(samples) // size * size].reshape(-1, size) ** 2).mean(1)
    levels = 10 * np.log10(power + 1e-12)
    heard = levels > levels.max() - _RANGE_DB
    if heard.sum() < 3:
        return 0.0
    return float(np.polyfit(np.flatnonzero(heard) * _STEP, levels[heard], 1)[0])


# The word that is said, the measure it is about, and in which direction it goes.
ADVERBS: Mapping[str, tuple[str, int]] = {
    "loud": ("level", 1),
    "soft": ("level", -1),
    "near": ("clarity", 1),
    "far": ("clarity", -1),
    "swelling": ("course", 1),
    "fading": ("course", -1),
}
MEASURES: Mapping[str, Callable[[Waveform, int, np.ndarray], float]] = {
    "level": level_db,
    "clarity": clarity_db,
    "course": course_db,
}
