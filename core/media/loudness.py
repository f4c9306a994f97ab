"""Loudness as ITU-R BS.1770-4 measures it, peaks between samples, and a limiter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch.nn import functional

from ..errors import FoleyError
from .limits import peak_of
from .resample import resample_span

# Analogue prototype of the K weighting (BS.1770-4, annex 1): the figures that give the published
# 48 kHz coefficients by the bilinear transform.
_SHELF_HZ, _SHELF_DB, _SHELF_Q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
_SHELF_POWER = 0.4996667741545416
_HIGH_PASS_HZ, _HIGH_PASS_Q = 38.13547087602444, 0.5003270373238773
MEMORY_SECONDS = 0.25

BLOCK_SECONDS = 0.4
BLOCK_OVERLAP = 4
_ABSOLUTE_GATE = -70.0
_RELATIVE_GATE = -10.0

LEAST_RATE = 4000  # Hz of a sound whose loudness can be told
_OVERSAMPLING = 4
_PEAK_CHUNK = 1 << 18

_LIMITER_SECONDS = 0.003
MAX_GAIN_DB, LIMIT_DB = 40.0, 3.0  # see `normalize_loudness`
_LIMITED_AT_ONCE = 1 << 21  # samples
_NOT_FINITE = "The sound holds NaN or infinite values: make or export it again."
_PEAK = 10 ** (-1.0 / 20)  # true peak of a normalised sound

# Surround channels weigh +1.5 dB, the bass channel nothing; FFmpeg's channel order.
_WEIGHTS = {
    5: (1.0, 1.0, 1.0, 1.41, 1.41),
    6: (1.0, 1.0, 1.0, 0.0, 1.41, 1.41),
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.41, 1.41),
}


def k_weighting(sample_rate: int) -> np.ndarray:
    """Second-order sections float64 [2, 6] (b0 b1 b2 a0 a1 a2) of the K filter at any rate."""
    k = math.tan(math.pi * _SHELF_HZ / sample_rate)
    high = 10 ** (_SHELF_DB / 20)
    band = high**_SHELF_POWER
    norm = 1 + k / _SHELF_Q + k * k
    shelf = [
        (high + band * k / _SHELF_Q + k * k) / norm,
        2 * (k * k - high) / norm,
        (high - band * k / _SHELF_Q + k * k) / norm,
        1.0,
        2 * (k * k - 1) / norm,
        (1 - k / _SHELF_Q + k * k) / norm,
    ]
    k = math.tan(math.pi * _HIGH_PASS_HZ / sample_rate)
    norm = 1 + k / _HIGH_PASS_Q + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / norm, (1 - k / _HIGH_PASS_Q + k * k) / norm]
    return np.array([shelf, high_pass])


def integrated_loudness(waveform: torch.Tensor, sample_rate: int) -> float:
    """waveform: float [C, T]. Returns LUFS, -inf for silence.

    K weighting, blocks of 400 ms that overlap by 75 %, gates at -70 LUFS and at 10 LU under the
    mean of what passes it (BS.1770-4, annex 1). A sound shorter than one block is one block.
    """
    _check(waveform)
    if sample_rate < LEAST_RATE:
        raise FoleyError(
            f"Loudness needs a sample rate of at least {LEAST_RATE} Hz, not {sample_rate}."
        )
    if not waveform.numel():
        return -math.inf
    samples = waveform.detach().cpu().numpy()
    weights = np.array(_WEIGHTS.get(len(samples), (1.0,) * len(samples)))
    power = (weights @ part**2 for part in k_weighted(samples, sample_rate))
    length = min(round(BLOCK_SECONDS * sample_rate), samples.shape[-1])
    step = max(1, length // BLOCK_OVERLAP)
    starts = np.arange(0, samples.shape[-1] - length + 1, step)
    ends, begins = _sums_before(power, (starts + length, starts))
    blocks = (ends - begins) / length
    return gated(blocks)


def gated(blocks: np.ndarray) -> float:
    """LUFS of the mean power of blocks, by both gates; -inf where all are silent."""
    blocks = blocks[blocks > 10 ** ((_ABSOLUTE_GATE + 0.691) / 10)]
    if not len(blocks):
        return -math.inf
    counted = blocks[blocks > blocks.mean() * 10 ** (_RELATIVE_GATE / 10)]
    return float(-0.691 + 10 * np.log10(counted.mean()))


def _sums_before(parts: Iterable[np.ndarray], places: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Sums of all numbers before each place, which grow, of a sequence that comes in parts."""
    sums = [np.zeros(len(row)) for row in places]
    first, carry = 0, 0.0
    for part in parts:
        total = np.cumsum(np.concatenate([[carry], part]))
        for row, found in zip(places, sums, strict=True):
            here = slice(*np.searchsorted(row, (first, first + len(total))))
            found[here] = total[row[here] - first]
        first, carry = first + len(part), total[-1]
    return sums


def k_weighted(samples: np.ndarray, sample_rate: int) -> Iterator[np.ndarray]:
    """Samples [C, T] through the K filter, in parts of float64 [C, n].

    By the Fourier transform, as exact as the recursion: what the filter remembers falls below 1e-16
    within `MEMORY_SECONDS`. scipy.signal would do, but takes half a second to import.
    """
    memory = math.ceil(MEMORY_SECONDS * sample_rate)
    block, hop = 8 * memory, 7 * memory
    powers = np.exp(-2j * np.pi * np.outer(np.arange(3), np.arange(block // 2 + 1)) / block)
    sections = k_weighting(sample_rate)
    response = (sections[:, :3] @ powers / (sections[:, 3:] @ powers)).prod(0)
    for start in range(0, samples.shape[-1], hop):
        part = samples[:, max(0, start - memory) : start + hop].astype(np.float64)
        past = min(start, memory)
        filtered = np.fft.irfft(np.fft.rfft(part, block) * response, block)
        yield filtered[:, past : part.shape[-1]]


def true_peak(waveform: torch.Tensor, sample_rate: int) -> float:
    """Largest absolute value between samples too, at four times the rate (BS.1770-4, annex 2).

    waveform: float [C, T]; 1.0 is full scale.
    """
    _check(waveform)
    peak = peak_of(waveform)
    length = waveform.shape[-1] * _OVERSAMPLING
    for start in range(0, length, _PEAK_CHUNK):
        stop = min(start + _PEAK_CHUNK, length)
        chunk = resample_span(waveform, sample_rate, sample_rate * _OVERSAMPLING, start, stop)
        peak = max(peak, float(chunk.abs().amax()))
    return peak


def normalize_loudness(
    waveform: torch.Tensor,
    sample_rate: int,
    target_lufs: float = -20.0,
    *,
    max_gain_db: float = MAX_GAIN_DB,
    limit_db: float = LIMIT_DB,
) -> torch.Tensor:
    """Scales float [C, T] to `target_lufs`, by one gain for the whole sound but its sharpest peaks.

    The true peak ends at -1 dBFS or lower. A limiter takes up to `limit_db` off the
    milliseconds that would pass it; where that is not enough the gain stops, so a few sharp hits
    stay quieter than the target. It stops at `max_gain_db` too, so that a noise floor is not blown
    up. Silence comes back as it is.
    """
    loudness = integrated_loudness(waveform, sample_rate)
    if math.isinf(loudness):
        return waveform.clone()
    gain = 10 ** (min(target_lufs - loudness, max_gain_db) / 20)
    peak = true_peak(waveform, sample_rate)
    if gain * peak <= _PEAK:
        return waveform * gain
    gain = min(gain, _PEAK / peak * 10 ** (limit_db / 20))
    limited = limit(waveform * gain, sample_rate, _PEAK)
    return limited.mul_(min(1.0, _PEAK / true_peak(limited, sample_rate)))


def limiter_reach(sample_rate: int) -> int:
    """Samples to either side that decide the gain of one sample in `limit`."""
    return 2 * max(1, round(_LIMITER_SECONDS * sample_rate))


def limit(waveform: torch.Tensor, sample_rate: int, ceiling: float = 0.98) -> torch.Tensor:
    """Keeps float [C, T] within +-ceiling; a sound that already is comes back unchanged.

    The gain is the lowest one needed within 3 ms before and after and is smoothed over the same
    time, alike for all channels, so nothing is clipped and the picture of the channels stays.
    """
    reach, length = limiter_reach(sample_rate), waveform.shape[-1]
    if length <= _LIMITED_AT_ONCE:
        return _limited(waveform, reach // 2, ceiling)
    limited = waveform
    for start in range(0, length, _LIMITED_AT_ONCE):
        low, stop = max(0, start - reach), min(start + _LIMITED_AT_ONCE, length)
        part = waveform[:, low : stop + reach]
        made = _limited(part, reach // 2, ceiling)
        if made is not part:
            limited = waveform.clone() if limited is waveform else limited
            limited[:, start:stop] = made[:, start - low : stop - low]
    return limited


def _limited(waveform: torch.Tensor, half: int, ceiling: float) -> torch.Tensor:
    """As `limit`, all at once. half: samples of 3 ms."""
    need = ceiling / waveform.abs().amax(dim=0).clamp_min(ceiling)  # [T], at most 1
    if not need.numel() or bool((need == 1).all()):
        return waveform
    if not bool(torch.isfinite(need).all()) or not bool((need > 0).all()):
        raise FoleyError(_NOT_FINITE)
    held = -functional.max_pool1d(-need[None], 2 * half + 1, stride=1, padding=half)
    window = torch.hann_window(2 * half + 3, periodic=False)[1:-1]
    padded = functional.pad(held[None], (half, half), mode="replicate")
    gain = functional.conv1d(padded, (window / window.sum())[None, None])[0]
    return (waveform * gain).clamp(-ceiling, ceiling)


def _check(waveform: torch.Tensor) -> None:
    if waveform.ndim != 2:
        raise FoleyError(f"A sound must be [channels, samples], not {list(waveform.shape)}.")
    if not math.isfinite(peak_of(waveform)):
        raise FoleyError(_NOT_FINITE)
