"""Takes, best first, and why: sync to what was seen, level, clipping, and what CLAP says of the
words.

Sync is the F1 of the onsets that are heard, in expectation: each hit that was seen counts by its
chance, so unsure ones count less and an onset without any costs as in any F1. What it is worth is
measured by `benchmarks/ranking.py`; the other weights are a matter of taste, see `score`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from torch import Tensor

from .catalog import TEXT_ENCODERS, VIDEO_ENCODERS
from .encoders.foley_mini import BIN_RATE
from .encoders.mini_video import peaks
from .errors import CancelCheck, FoleyError, stop_if
from .media import Source, integrated_loudness, true_peak
from .media.limits import peak_of
from .onsets.detect import detect_in_pieces
from .onsets.matching import pairs_of
from .stores import Resident
from .system import encode_video
from .weights.store import Folders, find

log = logging.getLogger(__name__)

SURE = 0.5  # chance from which the words speak of a hit
LEAST = 0.1  # chance from which a hit counts at all
_MISSED = 0.25  # share of the hits above which the words are about what is missing
_EXACT_MS = 10.0  # half a bin of the chance: less cannot be told
_EVEN = 1.0  # LU that nobody hears
_A_LU, _MOST_LEVEL = 0.01, 0.2  # cost of each LU beyond, and at most
_CLIPS = 0.1
_CLAP = 0.5
_FLAT = 3  # samples in a row at the peak of a take: a crest was cut off
_BLOCK = 1 << 20  # samples looked at at once


@dataclass(frozen=True, eq=False)
class Seen:
    """Hits that were seen. times: seconds of the take, ascending; chances: above 0, to 1."""

    times: np.ndarray
    chances: np.ndarray


@dataclass(frozen=True)
class Sync:
    """Onsets of a take beside the hits that were seen. f1: expected, 0 to 1. hits: those that are
    sure, in_time: those of them that are heard. late_ms: median of all pairs, None without one.
    extra: onsets where nothing was seen."""

    f1: float
    hits: int
    in_time: int
    late_ms: float | None
    extra: int


@dataclass(frozen=True)
class Ranked:
    """A take and its figures. take: its number, from 1. off: LU that it is louder than both the
    level that was asked for and the median of the takes, below 0 quieter than both, -inf for
    silence. clips: whether it passes full scale, or its crests are cut off. agreement: with the
    words, -1 to 1. sync and agreement are None where they cannot be told."""

    take: int
    loudness: float
    off: float
    clips: bool
    sync: Sync | None = None
    agreement: float | None = None

    @property
    def score(self) -> float:
        """The higher the better. A level that is off costs as much as some missed hits at most."""
        if math.isinf(self.off):
            return -math.inf
        score = 0.0 if self.sync is None else self.sync.f1
        score -= min(_A_LU * max(abs(self.off) - _EVEN, 0.0), _MOST_LEVEL)
        score -= _CLIPS * self.clips
        return score + _CLAP * (self.agreement or 0.0)

    @property
    def reason(self) -> str:
        """The figures in words: "7 of 8 hits in time, 12 ms late; level even"."""
        said = [] if self.sync is None else [_sync_words(self.sync)]
        said.append(_level_words(self.off))
        if self.clips:
            said.append("clips")
        if self.agreement is not None:
            said.append(f"CLAP {self.agreement:.2f}")
        return "; ".join(said)


def rank(
    waveforms: Tensor,
    rate: int,
    *,
    chance: Tensor | None = None,
    offset: float = 0.0,
    asked: float | None = None,
    loudness: Sequence[float] | None = None,
    agreement: Sequence[float] | None = None,
    cancelled: CancelCheck | None = None,
) -> list[Ranked]:
    """Takes [takes, C, T], the best first; of equal ones the one that was made first.

    chance: of a hit, 50 a second from the start of the takes; None leaves the sync out. offset:
    milliseconds by which they were shifted. asked: LUFS that they were brought to, as far as their
    peaks let them; None: no level was asked for. loudness: LUFS of each, where it is known.
    agreement: see `agreement_with`.

    Raises:
        FoleyError: a sound that is not finite, or at a rate below 4000 Hz. Cancelled: as asked.
    """
    seconds = waveforms.shape[-1] / rate
    seen = None if chance is None else seen_of(chance, seconds, offset)
    levels = list(loudness or (integrated_loudness(take, rate) for take in waveforms))
    usual = median([level for level in levels if math.isfinite(level)] or [0.0])
    even = sorted((usual, usual if asked is None else asked))
    ranked = []
    for index, take in enumerate(waveforms):
        stop_if(cancelled)
        sync = None if seen is None else sync_of(detect_in_pieces(take, rate), seen)
        told = None if agreement is None else agreement[index]
        level = levels[index]
        # Sharp hits are quieter than asked for, by their peaks; between the two nothing is wrong.
        off = level - min(max(level, even[0]), even[1])
        ranked.append(Ranked(index + 1, level, off, clips(take, rate), sync, told))
    return sorted(ranked, key=lambda one: -one.score)


def seen_of(chance: Tensor, seconds: float, offset: float = 0.0) -> Seen:
    """The hits of a chance [bins], 50 a second, in a take of `seconds`; offset: milliseconds that
    are added."""
    curve = chance.detach().float().cpu().numpy()
    bins = np.minimum((peaks(curve, LEAST) * BIN_RATE).astype(int), len(curve) - 1)
    chances = curve[bins].astype(np.float64)
    times = (bins + 0.5 + _between_bins(curve, bins)) / BIN_RATE + offset / 1000
    inside = (times >= 0) & (times < seconds)
    return Seen(times[inside], chances[inside])


def _between_bins(curve: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Where the peaks are beside the middle of their bins, -0.5 to 0.5: a peak is a Gaussian, whose
    logarithm is a parabola through three bins."""
    before, at, after = (
        np.log(np.maximum(curve[np.clip(bins + step, 0, len(curve) - 1)], 1e-6).astype(np.float64))
        for step in (-1, 0, 1)
    )
    bend = np.minimum(before - 2 * at + after, -1e-6)
    return np.clip(0.5 * (before - after) / bend, -0.5, 0.5)


def sync_of(onsets: np.ndarray, seen: Seen) -> Sync:
    """How well onsets, in ascending seconds, go with what was seen."""
    ours, theirs = pairs_of(onsets, seen.times, seen.chances)
    gaps = onsets[ours] - seen.times[theirs]
    whole = len(onsets) + float(seen.chances.sum())
    return Sync(
        2 * float(seen.chances[theirs].sum()) / whole if whole else 1.0,
        int((seen.chances >= SURE).sum()),
        int((seen.chances[theirs] >= SURE).sum()),
        1000 * float(np.median(gaps)) if len(gaps) else None,
        len(onsets) - len(ours),
    )


def clips(waveform: Tensor, rate: int) -> bool:
    """Whether a take [C, T] passes full scale, between samples too, or its crests are cut off."""
    peak = peak_of(waveform)
    return peak > 0 and (true_peak(waveform, rate) > 1.0 or _is_flat(waveform, peak))


def _is_flat(waveform: Tensor, peak: float) -> bool:
    """Whether some samples in a row are at the peak, in a sound that is not there all the time."""
    for start in range(0, waveform.shape[-1], _BLOCK):
        part = waveform[..., start : start + _BLOCK + _FLAT - 1]
        for side in (part, -part):
            top = side >= peak * (1 - 1e-6)
            if top.shape[-1] < _FLAT or bool(top.all()):
                continue
            if bool(top.unfold(-1, _FLAT, 1).all(-1).any()):
                return True
    return False


def seen_by_mini(
    source: Source,
    start: float,
    seconds: float,
    *,
    folders: Folders | None = None,
    cancelled: CancelCheck | None = None,
) -> Tensor | None:
    """The chance of a hit in a window of a video, for systems whose own encoder tells none, by the
    bundled one.

    Raises:
        FoleyError: what cannot be read. Cancelled: as asked.
    """
    part = VIDEO_ENCODERS["mini_video_encoder"]
    made = {"dtype": torch.float32, "device": "cpu"}
    store = Resident(part.loaders(part.locate(folders), **made), "cpu")
    video = encode_video(
        part, store, source, start=start, seconds=seconds, to_end=False, cancelled=cancelled
    )
    return video.chance


def agreement_with(
    prompt: str,
    waveforms: Tensor,
    rate: int,
    *,
    folders: Folders | None = None,
    cancelled: CancelCheck | None = None,
) -> list[float] | None:
    """Cosine of CLAP's embeddings of a prompt and of each take [takes, C, T]; None without words,
    and where CLAP is not on this machine: nothing is downloaded for it.

    Raises:
        Cancelled: as asked.
    """
    path = find("clap", folders) if prompt.strip() else None
    if path is None:
        return None
    try:
        clap = TEXT_ENCODERS["clap_text"].load(path)
        with torch.inference_mode():
            words = clap.encode_text([prompt])
            heard = [clap.encode_audio(take, rate, cancelled=cancelled) for take in waveforms]
    except FoleyError as error:
        log.warning("CLAP has no say in the ranking: %s", error)
        return None
    return [float(torch.cosine_similarity(words, one)) for one in heard]


def _sync_words(sync: Sync) -> str:
    missed = sync.hits - sync.in_time
    if not sync.hits:
        said = "no hit was seen"
    elif missed > _MISSED * sync.hits:
        said = f"misses {missed} of {sync.hits} hits"
    elif missed or sync.hits == 1:
        said = f"{sync.in_time} of {sync.hits} hits in time"
    else:
        said = f"all {sync.hits} hits in time"
    late = sync.late_ms or 0.0
    if sync.in_time and abs(late) >= _EXACT_MS:
        said += f", {abs(late):.0f} ms {'late' if late > 0 else 'early'}"
    return f"{said}, {sync.extra} too many" if sync.extra else said


def _level_words(off: float) -> str:
    if math.isinf(off):
        return "silent"
    if abs(off) <= _EVEN:
        return "level even"
    return f"{abs(off):.0f} LU {'louder' if off > 0 else 'quieter'}"
