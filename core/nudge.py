"""Hits by hand for systems whose picture cannot say them: a nudge, not a promise. Systems that are
told their hits need it for those that are removed alone, and seldom.

The take is made as the picture has it. Where a hit is missing, or heard though it was removed, a
short range is made anew several times in the context of the rest (inpainting), and once around a
copy of a hit that is heard elsewhere; what agrees best with the hits by its onsets stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .onsets.detect import detect_onsets
from .onsets.matching import TOLERANCE, match_onsets
from .plan import KnownLatent

TRIES = 4  # of a range, each with its own noise
_BEFORE, _AFTER = 0.2, 0.5  # seconds of a range around a hit
_COPY_BEFORE, _COPY_AFTER = 0.06, 0.3  # seconds of a copy around its hit
_REMOVED = 0.1  # seconds around a removed hit in which nothing may begin

Sample = Callable[[KnownLatent, str, int], Tensor]
"""sample(known, material, tries): latents `[tries, N, C]` of a take of which a part is known; the
material takes the place of the words."""


@dataclass(frozen=True)
class WantedHits:
    """Times in seconds. heard: of all hits; own: those with a material of their own, and it;
    removed: hits that are not to be heard. told: the system is told its hits, so none of them is
    missing."""

    heard: Sequence[float]
    own: Sequence[tuple[float, str]] = ()
    removed: Sequence[float] = ()
    told: bool = False


@dataclass(frozen=True)
class _Range:
    start: float
    stop: float
    missing: tuple[float, ...]
    material: str = ""


def nudge(
    latent: Tensor,
    sound: Tensor,
    wanted: WantedHits,
    *,
    new: float,
    rate: int,
    sample: Sample,
    decode: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """A take's latent `[1, N, ...]` and sound `[1, C, T]`, made anew around hits that are not as
    they are wanted.

    new: seconds before which nothing may change. rate: of the sound.
    """
    frames = latent.shape[1] / (sound.shape[-1] / rate)  # a second
    for part in _ranges(detect_onsets(sound[0], rate), wanted, new, sound.shape[-1] / rate):
        best, score = (latent, sound), _score(sound, rate, part, wanted)
        if part.material:
            score = -1.0  # whatever is there is of something else
        for tried in _tries(latent, sound, part, frames, rate, sample):
            for one in tried.split(1):
                heard = decode(one)
                if (found := _score(heard, rate, part, wanted)) > score:
                    best, score = (one, heard), found
        latent, sound = best
    return latent, sound


def _ranges(onsets: np.ndarray, wanted: WantedHits, new: float, seconds: float) -> list[_Range]:
    """What has to be made anew, in order; ranges that overlap are one, but for their material."""
    own = dict(wanted.own)
    missing = [] if wanted.told else [t for t in wanted.heard if not _is_near(t, onsets, TOLERANCE)]
    ghosts = [t for t in wanted.removed if _is_near(t, onsets, _REMOVED)]
    marks = sorted({*missing, *ghosts, *own})
    ranges: list[_Range] = []
    for time in marks:
        if not new <= time < seconds:
            continue
        absent = (time,) if time in missing or time in own else ()
        one = _Range(
            max(time - _BEFORE, new), min(time + _AFTER, seconds), absent, own.get(time, "")
        )
        last = ranges[-1] if ranges else None
        if last is not None and one.start < last.stop and one.material == last.material:
            ranges[-1] = _Range(last.start, one.stop, last.missing + absent, last.material)
        else:
            ranges.append(one)
    return ranges


def _is_near(time: float, onsets: np.ndarray, within: float) -> bool:
    return bool((np.abs(onsets - time) <= within).any())


def _score(sound: Tensor, rate: int, part: _Range, wanted: WantedHits) -> float:
    """How well the onsets of a range agree with the hits; the closer in time the better."""

    def inside(times: Sequence[float] | np.ndarray) -> np.ndarray:
        times = np.asarray(times, dtype=np.float64)
        return times[(times >= part.start - TOLERANCE) & (times < part.stop + TOLERANCE)]

    found, true = inside(detect_onsets(sound[0], rate)), inside(wanted.heard)
    matching = match_onsets(found, true)
    ghosts = sum(_is_near(t, found, _REMOVED) for t in inside(wanted.removed))
    late = float(np.abs(matching.offsets_ms).mean()) / 1e4 if matching.matched else 0.0
    return matching.f1 - ghosts - late


def _tries(
    latent: Tensor, sound: Tensor, part: _Range, frames: float, rate: int, sample: Sample
) -> Sequence[Tensor]:
    """Latents `[n, N, ...]` with the range made anew."""
    length = latent.shape[1]
    place = torch.arange(length)
    around = (place < round(part.start * frames)) | (place >= round(part.stop * frames))
    tried = [sample(KnownLatent(latent, around), part.material, TRIES)]
    copied = None if part.material else _copy(latent, sound, part, frames, rate)
    if copied is not None:
        filled, there = copied
        tried.append(sample(KnownLatent(filled, around | there), "", 1))
    return tried


def _copy(
    latent: Tensor, sound: Tensor, part: _Range, frames: float, rate: int
) -> tuple[Tensor, Tensor] | None:
    """The latent with the clearest hit of the take at the places of those that are missing, and the
    frames of these copies; None where there is none to copy."""
    seconds = sound.shape[-1] / rate
    times = [
        t
        for t in detect_onsets(sound[0], rate)
        if _COPY_BEFORE <= t < seconds - _COPY_AFTER and not part.start <= t < part.stop
    ]
    if not times or not part.missing:
        return None

    def strength(time: float) -> float:
        first = round(time * rate)
        return float(sound[0, :, first : first + rate // 20].square().sum())

    source = max(times, key=strength)
    filled, there = latent.clone(), torch.zeros(latent.shape[1], dtype=torch.bool)
    for time in part.missing:
        begin, shift = round((source - _COPY_BEFORE) * frames), round((time - source) * frames)
        count = round((_COPY_BEFORE + _COPY_AFTER) * frames)
        first = max(begin, -shift, 0)
        last = min(begin + count, latent.shape[1] - max(shift, 0))
        if first < last:
            filled[:, first + shift : last + shift] = latent[:, first:last]
            there[first + shift : last + shift] = True
    return filled, there
