"""What is done to a sound so that it is faster or slower, further away, or of changing volume.

Source: the adverb augmentation of FoleyGenEx (arXiv 2606.14049), whose figures are the speeds
(x1.3, x0.7) and that the peak is kept. Its thresholds, rooms and filters are not given; those here
are our choice. Sounds are float32 `[C, T]`; none is changed in place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from ..errors import FoleyError
from ..media.resample import resample
from ..scenes.manner import with_course

SILENCE_DB = -40.0  # below the peak
KEPT_SECONDS = 0.05  # of silence at either end
_TENTHS = 10
_TAIL_DB = -60.0  # where the reverberation of a room ends, below all of it
_NEAR = 0.5  # metres from which a sound was taken up that is said to be near
_WALL = 0.5  # metres between a wall and what stands in the room
_HEIGHTS = (1.0, 2.0)  # metres above the floor


@dataclass(frozen=True)
class Distance:
    """A box-shaped room and where it is listened from.

    size: metres. metres: from the source to the microphone. t60: least and longest reverberation
    time that the walls are chosen for by Sabine's formula, in seconds. corner: of the low-pass of
    one pole, in Hz.
    """

    size: tuple[float, float, float]
    metres: float
    t60: tuple[float, float]
    corner: float


FAR = Distance((6.0, 5.0, 3.0), 2.0, (0.4, 0.6), 4000.0)
VERY_FAR = Distance((20.0, 15.0, 6.0), 12.0, (1.0, 1.4), 1500.0)


def trim_silence(waveform: Tensor, sample_rate: int) -> Tensor:
    """The part between the first and the last sample that is no more than 40 dB below the peak,
    and 50 ms on either side of it. Raises FoleyError for a sound that is empty or all zeros."""
    level = waveform.abs().amax(0) if waveform.numel() else waveform.new_zeros(0)
    peak = float(level.max()) if len(level) else 0.0
    if not peak > 0:
        raise FoleyError("The sound is silent, so there is nothing to change.")
    loud = torch.nonzero(level >= peak * 10 ** (SILENCE_DB / 20)).flatten()
    margin = round(KEPT_SECONDS * sample_rate)
    first = max(0, int(loud[0]) - margin)
    return waveform[:, first : int(loud[-1]) + 1 + margin].clone()


def change_speed(waveform: Tensor, factor: float) -> Tensor:
    """Played `factor` times as fast, as a tape is: `[C, ceil(T / factor)]`, the pitch goes along.

    factor: whole tenths, at least 0.1.
    """
    tenths = round(factor * _TENTHS)
    if tenths < 1 or not math.isclose(tenths, factor * _TENTHS):
        raise FoleyError(f"A speed must be in tenths, such as 1.3 or 0.7, not {factor}.")
    return _no_louder(resample(waveform, tenths, _TENTHS), waveform)


def move_away(
    waveform: Tensor, sample_rate: int, distance: Distance, rng: np.random.Generator
) -> Tensor:
    """As heard in a room from a distance, with the reverberation at its end: `[C, T + R]`.

    The sound is taken for one from half a metre: the direct sound is as much weaker as it is
    further away. It begins where it began, and is followed by the reflections of a place in the
    room and of walls that `rng` draws. Needs pyroomacoustics.
    """
    from scipy.signal import oaconvolve

    response, delay = room_response(sample_rate, distance, rng)
    near = waveform.double().numpy() * _NEAR
    heard = oaconvolve(near, response[None], axes=1)[:, delay:]
    return _no_louder(torch.from_numpy(_low_pass(heard, distance.corner, sample_rate)), waveform)


def change_volume(waveform: Tensor, sample_rate: int, *, rising: bool) -> Tensor:
    """Louder by 20 dB, evenly over its whole length, or softer, with its old peak."""
    length = waveform.shape[1]
    gain = with_course(np.ones(length), rising, 0.0, length / sample_rate, sample_rate)
    swollen = waveform.double() * torch.from_numpy(gain)
    return (swollen * (waveform.abs().max() / swollen.abs().max())).float()


def room_response(
    sample_rate: int, distance: Distance, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Impulse response from a source to a microphone by image sources, and where in it the direct
    sound is: what comes before that is half a filter of fractional delay.

    The direct sound is 1 / metres. The end is where what is left of its energy is 60 dB below it.
    """
    acoustics = load_acoustics()
    source, microphone = _place(distance, rng)
    absorption, order = acoustics.inverse_sabine(rng.uniform(*distance.t60), distance.size)
    threads = acoustics.constants.get("num_threads")
    # The order in which threads add up would show in the last bits.
    acoustics.constants.set("num_threads", 1)
    try:
        room = acoustics.ShoeBox(
            distance.size,
            fs=sample_rate,
            materials=acoustics.Material(absorption),
            max_order=order,
        )
        room.add_source(source)
        room.add_microphone(microphone)
        room.compute_rir()
    finally:
        acoustics.constants.set("num_threads", threads)
    response = np.asarray(room.rir[0][0], np.float64)
    first = round(distance.metres / acoustics.constants.get("c") * sample_rate)
    response = response[first:]
    left = np.cumsum(response[::-1] ** 2)[::-1]
    audible = int(np.count_nonzero(left > left[0] * 10 ** (_TAIL_DB / 10)))
    return response[:audible], acoustics.constants.get("frac_delay_length") // 2


def load_acoustics() -> ModuleType:
    """pyroomacoustics, or FoleyError where it is not installed."""
    try:
        import pyroomacoustics
    except ImportError as error:
        raise FoleyError(
            "Distance needs the package pyroomacoustics: run pip install 'foleystage[augment]' or "
            "pip install pyroomacoustics, or leave distance out of the axes."
        ) from error
    return pyroomacoustics


def _place(distance: Distance, rng: np.random.Generator) -> tuple[list[float], list[float]]:
    """A source and a microphone in the room, in metres, as far apart as said."""
    heights = rng.uniform(*_HEIGHTS, 2)
    rise = float(heights[1] - heights[0])
    across = math.sqrt(distance.metres**2 - rise**2)
    angle = rng.uniform(0, 2 * math.pi)
    reach = across * np.array([math.cos(angle), math.sin(angle)])
    low = _WALL + np.maximum(0.0, -reach)
    high = np.array(distance.size[:2]) - _WALL - np.maximum(0.0, reach)
    source = rng.uniform(low, high)
    microphone = source + reach
    return [*source.tolist(), float(heights[0])], [*microphone.tolist(), float(heights[1])]


def _low_pass(sound: np.ndarray, corner: float, sample_rate: int) -> np.ndarray:
    """One pole, along the last axis."""
    from scipy.signal import lfilter

    keep = math.exp(-2 * math.pi * corner / sample_rate)
    return lfilter([1 - keep], [1, -keep], sound)


def _no_louder(made: Tensor, source: Tensor) -> Tensor:
    """float32, scaled down where its peak is above that of its source."""
    return (made * torch.clamp(source.abs().max() / made.abs().max(), max=1.0)).float()
