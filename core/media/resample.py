"""Sample-rate conversion by a Kaiser-windowed sinc, in exact rational steps."""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import torch
from torch.nn import functional

from ..errors import FoleyError

# 64 zero crossings a side at 94.76 % of the lower Nyquist frequency: the figures of AC-Foley's
# reference audio (golden case ac_foley_ref_audio); stop band below -120 dB.
_CROSSINGS = 64
_ROLLOFF = 0.9475937167399596
_BETA = 14.769656459379492

# Output samples of one convolution; bounds the memory of long sounds.
_BLOCK = 1 << 18
# Filters grow with the terms of the ratio; odd rates that share no factor take the nearest ratio.
_MOST_PHASES = 1 << 16


def resample(waveform: torch.Tensor, from_rate: int, to_rate: int) -> torch.Tensor:
    """waveform: float [..., T] at `from_rate` Hz. Returns float32 [..., ceil(T * to / from)].

    No delay: sample n of the result is the sound at n / to_rate seconds. Outside of the waveform is
    silence.
    """
    if from_rate < 1 or to_rate < 1:
        raise FoleyError(f"Sample rates must be above 0 Hz, not {from_rate} and {to_rate}.")
    length = -(-waveform.shape[-1] * to_rate // from_rate)
    return resample_span(waveform, from_rate, to_rate, 0, length)


@functools.lru_cache(maxsize=64)
def rate_ratio(from_rate: int, to_rate: int) -> tuple[int, int]:
    """(samples of the result, samples of the source) that take equally long: exact for the rates
    in use, within 1e-8 for odd ones."""
    larger = max(from_rate, to_rate)
    ratio = Fraction(min(from_rate, to_rate), larger).limit_denominator(_MOST_PHASES)
    ratio = ratio or Fraction(1, _MOST_PHASES)
    low, high = ratio.numerator, ratio.denominator
    return (high, low) if to_rate == larger else (low, high)


def kernel_reach(from_rate: int, to_rate: int) -> int:
    """Source samples to either side that decide one sample of the result."""
    return 0 if from_rate == to_rate else math.ceil(_CROSSINGS / _cutoff(from_rate, to_rate)) + 1


def _cutoff(from_rate: int, to_rate: int) -> float:
    """Of the source's Nyquist frequency."""
    return _ROLLOFF * min(1.0, to_rate / from_rate)


def resample_span(
    waveform: torch.Tensor, from_rate: int, to_rate: int, start: int, stop: int
) -> torch.Tensor:
    """Samples start to stop of the resampled sound, without making the others.

    Any span may be asked for: outside of the waveform is silence.
    """
    if from_rate == to_rate:
        return _cut(waveform, start, stop).float()
    up, down = rate_ratio(from_rate, to_rate)
    out = torch.empty((*waveform.shape[:-1], max(0, stop - start)), dtype=torch.float32)
    step = max(1, _BLOCK // up) * up
    first = start // up * up
    for block in range(first, stop, step):
        low, high = max(block, start), min(block + step, stop)
        made = _resample_block(waveform, up, down, block, high)
        out[..., low - start : high - start] = made[..., low - block :]
    return out


def _cut(waveform: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """waveform[..., start:stop] with zeros where that reaches outside of it."""
    size = max(0, stop - start)
    inside = waveform[..., max(start, 0) : max(stop, 0)]
    before = min(max(-start, 0), size)
    return functional.pad(inside, (before, size - before - inside.shape[-1]))


def _resample_block(
    waveform: torch.Tensor, up: int, down: int, start: int, stop: int
) -> torch.Tensor:
    """Output samples start (a multiple of `up`) to stop."""
    rounds = -(-(stop - start) // up)
    parts = []
    for kernel, offset in _kernels(up, down):
        low = start // up * down + offset
        source = _cut(waveform, low, low + (rounds - 1) * down + kernel.shape[-1]).float()
        source = source.reshape(-1, 1, source.shape[-1])
        parts.append(functional.conv1d(source, kernel, stride=down))  # [N, phases, rounds]
    flat = torch.cat(parts, dim=1).transpose(1, 2).reshape(*waveform.shape[:-1], rounds * up)
    return flat[..., : stop - start]


@functools.lru_cache(maxsize=4)
def _kernels(up: int, down: int) -> list[tuple[torch.Tensor, int]]:
    """The filters of all `up` phases in groups of neighbours, so that none is mostly zeros.

    Each group, in order: kernel float32 [phases, 1, taps], offset of its first tap in samples.
    """
    cutoff = _cutoff(down, up)
    reach = math.ceil(_CROSSINGS / cutoff)
    groups = max(1, min(up, round(down / (2 * reach))))
    edges = [up * g // groups for g in range(groups + 1)]
    kernels = []
    for first, last in zip(edges, edges[1:]):
        phase = torch.arange(first, last, dtype=torch.float64) * down / up
        offset = math.floor(phase[0]) - reach
        taps = math.floor(phase[-1]) + reach + 2 - offset
        position = offset + torch.arange(taps, dtype=torch.float64)
        argument = (position[None] - phase[:, None]) * cutoff  # in zero crossings
        inside = (1 - (argument / _CROSSINGS) ** 2).clamp_min(0)
        window = torch.special.i0(_BETA * inside.sqrt()) / torch.special.i0(
            torch.tensor(_BETA, dtype=torch.float64)
        )
        kernel = torch.where(inside > 0, torch.sinc(argument) * window * cutoff, 0.0)
        kernels.append((kernel.float().unsqueeze(1), offset))
    return kernels
