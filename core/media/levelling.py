"""A sound that comes in pieces, at its loudness and under full scale; nothing that comes later
changes what was before."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .finish import SILENT
from .loudness import (
    BLOCK_OVERLAP,
    BLOCK_SECONDS,
    LIMIT_DB,
    MAX_GAIN_DB,
    MEMORY_SECONDS,
    gated,
    k_weighted,
    limit,
    limiter_reach,
    true_peak,
)

_RISE_SECONDS = 0.03  # from the gain of one sound to that of another
PEAK = 10 ** (-1.2 / 20)  # of samples, so that the true peak stays below -1 dBFS as a rule


class LoudnessMeter:
    """The integrated loudness (BS.1770-4, annex 1) of a mono or stereo sound that comes in pieces,
    of all that came so far; within 0.01 LU of `integrated_loudness` of the whole."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._step = round(BLOCK_SECONDS / BLOCK_OVERLAP * sample_rate)
        self._memory = math.ceil(MEMORY_SECONDS * sample_rate)
        self._past = np.zeros((1, 0), np.float32)
        self._rest = np.zeros(0)  # power of samples that are no whole step yet
        self._steps: list[np.ndarray] = []  # mean power of each

    def add(self, piece: Tensor) -> None:
        """The next piece, float [C, n]."""
        samples = piece.detach().cpu().numpy()
        past = self._past if self._past.shape[1] else samples[:, :0]
        samples = np.concatenate([past, samples], 1)
        power = [(part**2).sum(0) for part in k_weighted(samples, self._rate)]
        fresh = np.concatenate([self._rest, np.concatenate([np.zeros(0), *power])[past.shape[1] :]])
        whole = len(fresh) // self._step * self._step
        self._steps.append(fresh[:whole].reshape(-1, self._step).mean(1))
        self._rest, self._past = fresh[whole:], samples[:, -self._memory :].copy()

    @property
    def integrated(self) -> float:
        """LUFS, -inf for silence."""
        steps = np.concatenate([*self._steps, np.zeros(0)])
        if len(steps) < BLOCK_OVERLAP:
            power = [*steps, *([self._rest.mean()] if len(self._rest) else [])]
            return gated(np.array([np.mean(power)])) if power else -math.inf
        sums = np.cumsum(np.concatenate([[0.0], steps]))
        return gated((sums[BLOCK_OVERLAP:] - sums[:-BLOCK_OVERLAP]) / BLOCK_OVERLAP)


class Leveller:
    """Scales pieces so that all before them has a loudness. The gain moves within a piece, so a
    long sound is heard at one level, and a part of it does not depend on what follows. The first
    piece, and the first in which something is heard, are scaled by their own loudness.

    loudness: LUFS; None leaves the level.
    """

    def __init__(self, sample_rate: int, loudness: float | None) -> None:
        self._rate, self._loudness = sample_rate, loudness
        self._meter = LoudnessMeter(sample_rate)
        self._peak = 0.0
        self._gain: float | None = None  # None: nothing was heard yet
        self._before: float | None = None  # of the sound before this one

    def restart(self) -> None:
        """What follows is another sound, at a level of its own."""
        self._meter, self._peak = LoudnessMeter(self._rate), 0.0
        self._before, self._gain = self._gain or self._before, None

    def __call__(self, piece: Tensor) -> Tensor:
        """The next piece, float [C, n], scaled."""
        return piece * self.gains(piece)

    def gains(self, piece: Tensor) -> Tensor:
        """What the next piece, float [C, n], is scaled by, [n] or a single number."""
        length = piece.shape[-1]
        if self._loudness is None or not length:
            return torch.tensor(1.0)
        if self._gain is not None:
            before, self._gain = self._gain, self._wanted() or self._gain
            self._add(piece)
            return _ramp(before, self._gain, length, length)
        self._add(piece)
        self._gain = self._wanted()
        before, now = self._before or 1.0, self._gain or self._before or 1.0
        if self._before is None:
            return torch.tensor(now)
        return _ramp(before, now, round(_RISE_SECONDS * self._rate), length)

    def _add(self, piece: Tensor) -> None:
        self._meter.add(piece)
        self._peak = max(self._peak, true_peak(piece, self._rate))

    def _wanted(self) -> float | None:
        """The gain for what was heard so far."""
        measured = self._meter.integrated
        if self._loudness is None or measured <= SILENT:
            return None
        gain = 10 ** (min(self._loudness - measured, MAX_GAIN_DB) / 20)
        return min(gain, PEAK / self._peak * 10 ** (LIMIT_DB / 20))


def _ramp(start: float, stop: float, size: int, length: int) -> Tensor:
    """From one gain to another in `size` samples, `[length]`."""
    share = (torch.arange(1, length + 1) / size).clamp(max=1)
    return torch.lerp(torch.tensor(start), torch.tensor(stop), share)


class PieceLimiter:
    """`limit` of a sound that comes in pieces. What comes out is some milliseconds behind."""

    def __init__(self, sample_rate: int, ceiling: float = PEAK) -> None:
        self._rate, self._ceiling = sample_rate, ceiling
        self._reach = limiter_reach(sample_rate)
        self._held: Tensor | None = None  # what the gain of the next samples depends on, and these
        self._given = 0  # samples of it that are given out already

    def __call__(self, piece: Tensor) -> Tensor:
        """Samples that no later one can change."""
        return self._give(piece, self._reach)

    def finish(self) -> Tensor:
        """The rest."""
        held = self._held if self._held is not None else torch.zeros(1, 0)
        return self._give(held[:, :0], 0)

    def _give(self, piece: Tensor, keep: int) -> Tensor:
        held = piece if self._held is None else torch.cat([self._held, piece], 1)
        stop = max(held.shape[1] - keep, self._given)
        made = limit(held, self._rate, self._ceiling)[:, self._given : stop]
        drop = max(stop - self._reach, 0)
        self._held, self._given = held[:, drop:].clone(), stop - drop
        return made
