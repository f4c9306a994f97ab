"""From the sound of the sections to takes: which take is heard when, layers, level and place.

It goes through the sound once, in pieces, so that the length costs no memory, and nothing that
comes later changes what is before. What is told otherwise has a level of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .cues import CueSheet, gain_at
from .media import finish, limit
from .media.finish import FULL, not_finite
from .media.levelling import PEAK, Leveller, LoudnessMeter, PieceLimiter
from .media.limits import peak_of
from .media.spool import Spool
from .request import Request

FADE_SECONDS = 0.02  # from one take to another, and into silence
FIRST_SECONDS = 8.0  # of what is told alike, that are brought to the loudness by themselves
_PIECE_SECONDS = 1.0


class Raw:
    """The sound of a layer on its way to the disk. seconds: as long as it may become."""

    def __init__(self, rate: int, seconds: float) -> None:
        self._samples = round(seconds * rate)
        self._spool: Spool | None = None
        self.length = 0

    def add(self, sound: Tensor) -> None:
        """The next samples `[takes, C, n]`. Raises FoleyError for values that are no numbers."""
        if not math.isfinite(peak_of(sound)):
            raise not_finite()
        if self._spool is None:
            self._spool = Spool(len(sound), sound.shape[1], self._samples)
        for take, one in enumerate(sound):
            self._spool.write(take, self.length, one)
        self.length = min(self.length + sound.shape[-1], self._samples)

    @property
    def waveforms(self) -> Tensor:
        """`[takes, C, length]`, read where they are looked at."""
        assert self._spool is not None
        return self._spool.waveforms(self.length)


@dataclass(frozen=True, eq=False)
class Mixed:
    """waveforms: takes `[takes, C, T]`, mapped. loudness: of each, in LUFS. stems: each layer as it
    is in them, but for the limiter."""

    waveforms: Tensor
    loudness: tuple[float, ...]
    stems: tuple[Tensor, ...]


def mixdown(
    layers: Sequence[Tensor], rate: int, numbers: Sequence[int], request: Request, sheet: CueSheet
) -> Mixed:
    """Takes of layers `[numbers, C, T]`.

    numbers: of the takes in the layers; where the sheet chooses among them, one take comes out.
    """
    length = min(layer.shape[-1] for layer in layers)
    chosen = [None] if sheet.takes else list(range(len(numbers)))
    size = len(chosen), layers[0].shape[1], length
    spool, stems = Spool(*size), [Spool(*size) for _ in layers] if request.stems else []
    starts = [0, *(round(one * rate) for one in sheet.borders if 0 < one * rate < length)]
    pieces = _pieces([*starts, length], round(FIRST_SECONDS * rate), round(_PIECE_SECONDS * rate))
    meters = []
    for take, index in enumerate(chosen):
        track = _Track(spool, stems, take, rate, request, sheet)
        for start, stop in pieces:
            whole = [layer[..., start:stop] for layer in layers]
            if index is None:
                gains = take_gains(sheet, numbers, rate, start, stop - start)
                parts = [(gains[:, None] * one).sum(0) for one in whole]
            else:
                parts = [one[index] for one in whole]
            is_new = start in starts[1:]
            track.add(parts, start, is_new=is_new, is_all=stop - start == length)
        track.finish()
        meters.append(track.meter.integrated)
    return Mixed(spool.waveforms(), tuple(meters), tuple(stem.waveforms() for stem in stems))


class _Track:
    """One take on its way to the disk, at its place and level."""

    def __init__(
        self,
        spool: Spool,
        stems: Sequence[Spool],
        take: int,
        rate: int,
        request: Request,
        sheet: CueSheet,
    ) -> None:
        self._spool, self._stems = spool, stems
        self._take, self._rate, self._sheet = take, rate, sheet
        self._loudness = request.loudness
        self._leveller = Leveller(rate, request.loudness)
        self._limiter = PieceLimiter(rate, FULL if request.loudness is None else PEAK)
        self._place = self._first = round(request.offset / 1000 * rate)
        self.meter = LoudnessMeter(rate)

    def add(self, layers: Sequence[Tensor], start: int, *, is_new: bool, is_all: bool) -> None:
        """The next samples `[C, n]` of each layer, from sample `start` on. is_new: they are told
        otherwise than what was before; is_all: there are no others."""
        if is_new:
            self._leveller.restart()
        sound = torch.stack(list(layers)).sum(0)
        curve = level_gain(self._sheet, self._rate, start, sound.shape[-1])
        if is_all and not self._stems:
            return self._add_all(sound, curve)
        gains = self._leveller.gains(sound)
        gains = gains if curve is None else gains * curve
        for stem, layer in zip(self._stems, layers):
            stem.write(self._take, self._first + start, layer * gains)
        if is_all:
            return self._add_all(sound, curve)
        self._write(self._limiter(sound * gains))

    def _add_all(self, sound: Tensor, curve: Tensor | None) -> None:
        """As of a take that is made at once."""
        seconds = sound.shape[-1] / self._rate
        sound = finish(sound, self._rate, seconds, loudness=self._loudness)
        self._write(sound if curve is None else limit(sound * curve, self._rate, PEAK))

    def finish(self) -> None:
        """The last samples."""
        self._write(self._limiter.finish())

    def _write(self, sound: Tensor) -> None:
        self._spool.write(self._take, self._place, sound)
        self._place += sound.shape[-1]
        if sound.shape[-1]:
            self.meter.add(sound)


def _pieces(edges: Sequence[int], first: int, step: int) -> list[tuple[int, int]]:
    """Each part between two edges: `first` samples of it in one piece, and the rest in steps."""
    pieces = []
    for start, stop in zip(edges, edges[1:]):
        inside = [start, *range(min(start + first, stop), stop, step), stop]
        pieces += [(one, other) for one, other in zip(inside, inside[1:]) if other > one]
    return pieces


def take_gains(
    sheet: CueSheet, numbers: Sequence[int], rate: int, first: int, count: int
) -> Tensor:
    """Gain of each take by its number, `[numbers, count]`, from sample `first` on; where it
    changes, one fades into the other at equal power."""
    time = (np.arange(first, first + count) + 0.5) / rate
    shares = np.zeros((len(numbers), count))
    for one in sheet.takes:
        shares[list(numbers).index(one.take)] += _inside(time, one.start, one.end)
    shares[list(numbers).index(1)] += np.clip(1 - shares.sum(0), 0, 1)
    return torch.from_numpy(np.sqrt(shares)).float()


def level_gain(sheet: CueSheet, rate: int, first: int, count: int) -> Tensor | None:
    """Gain of the level curve and the mutes, `[count]`, from sample `first` on; None: all is 1."""
    if not (sheet.levels or sheet.mutes):
        return None
    time = (np.arange(first, first + count) + 0.5) / rate
    gain = 10 ** (gain_at(sheet.levels, time) / 20)
    for one in sheet.mutes:
        # It is silent from its start on, so the fades lie around it.
        half = FADE_SECONDS / 2
        gain = gain * (1 - _inside(time, one.start - half, one.end + half))
    return torch.from_numpy(gain).float()


def _inside(time: np.ndarray, start: float, end: float) -> np.ndarray:
    """1 from start to end, 0 elsewhere, in straight lines of `FADE_SECONDS` across both."""
    rise = np.clip((time - start) / FADE_SECONDS + 0.5, 0, 1) if start > 0 else 1.0
    return np.clip(rise - np.clip((time - end) / FADE_SECONDS + 0.5, 0, 1), 0, 1)
