"""Reference sounds: reading them, and the windows of them that a model listens to."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from .errors import FoleyError
from .media import fit_length, mono_peak, read_audio

log = logging.getLogger(__name__)

SHORTEST = 0.05  # seconds
LONGEST = 60.0  # seconds of a sound that are looked through
MOST_WINDOWS = 64
_SILENT = 1e-4


@dataclass(frozen=True)
class ReferencePick:
    """Which parts of a reference sound are listened to.

    start: seconds from its start. windows: 1 is the part at `start`; more are spread evenly from
    there to the end, and their mean counts.
    """

    start: float = 0.0
    windows: int = 1


@dataclass(frozen=True)
class ReferenceSpec:
    """How much of a reference a model takes at once: samples at its codec's rate."""

    reference_samples: int
    sample_rate: int

    @property
    def reference_seconds(self) -> float:
        """Length of one window."""
        return self.reference_samples / self.sample_rate


class TakesReferences(Protocol):
    """A model, as far as its reference goes; see `model_base.Model`."""

    def listen(
        self,
        waveform: Tensor,
        rate: int,
        pick: ReferencePick,
        *,
        peak: float | None,
        rng: torch.Generator | None,
    ) -> Tensor: ...


def load_reference(
    reference,
    model: TakesReferences,
    pick: ReferencePick | None = None,
    rng: torch.Generator | None = None,
) -> Tensor | None:
    """The reference stream of a sound file, or of a (waveform [C, T], rate) pair; None without one.

    rng: see `Model.hear`.

    Raises:
        FoleyError: it cannot be read, is too short, silent, or not a number.
    """
    if reference is None:
        return None
    pick = pick or ReferencePick()
    peak = None
    if isinstance(reference, tuple):
        waveform, rate = reference
    else:
        waveform, rate, pick, peak = _read(reference, pick)
    if not torch.isfinite(waveform).all():
        raise FoleyError("The reference sound holds values that are not numbers; export it again.")
    return model.listen(waveform.float(), rate, pick, peak=peak, rng=rng)


def _read(
    path: str | os.PathLike[str], pick: ReferencePick
) -> tuple[Tensor, int, ReferencePick, float]:
    """The part of a file that matters, its rate, the pick within it, and the whole file's peak."""
    if not math.isfinite(pick.start) or pick.start < 0:
        raise FoleyError(
            f"A reference cannot be listened to from {pick.start:g} s; give 0 or more."
        )
    # Long files are never in memory whole; their level is found in a pass of its own.
    start = _first_second(pick)
    waveform, rate = read_audio(path, start=start, seconds=LONGEST, mono=True)
    whole = not start and waveform.shape[-1] < round(LONGEST * rate)
    if not whole:
        log.info("Of the reference sound, %g s from %g s are listened to.", LONGEST, start)
    peak = float(waveform.abs().max()) if whole else mono_peak(path)
    return waveform, rate, replace(pick, start=pick.start - start), peak


def _first_second(pick: ReferencePick) -> float:
    """Where the LONGEST seconds begin in which the windows are looked for."""
    return pick.start if pick.start > LONGEST / 2 else 0.0


def _shortened(waveform: Tensor, rate: int, pick: ReferencePick) -> tuple[Tensor, ReferencePick]:
    """As `_read`, of a sound that is in memory."""
    if waveform.shape[-1] <= round(LONGEST * rate):
        return waveform, pick
    start = _first_second(pick)
    part = waveform[:, round(start * rate) : round((start + LONGEST) * rate)]
    return part, replace(pick, start=pick.start - start)


def cut_windows(
    level: Callable[[Tensor, int, float], Tensor],
    waveform: Tensor,
    rate: int,
    spec: ReferenceSpec,
    pick: ReferencePick,
    peak: float | None = None,
) -> Tensor:
    """Windows [W, reference_samples] of a sound [C, T], brought to the model's level and rate.

    What is missing at the end is silence; windows that are silent are left out of several. level,
    peak: see `Model.level`; None is the peak of what is given.
    """
    _check(waveform.shape[-1] / rate, pick)
    if peak is None:
        peak = float(waveform.mean(0).abs().max())
    waveform, pick = _shortened(waveform, rate, pick)
    seconds = waveform.shape[-1] / rate
    size = spec.reference_samples
    sound = level(waveform, rate, peak)[0]
    first = round(pick.start * spec.sample_rate)
    spread = max(len(sound) - size - first, 0)
    count = min(pick.windows, 1 + math.ceil(spread / size))
    starts = [first + round(i * spread / max(count - 1, 1)) for i in range(count)]
    windows = torch.stack([fit_length(sound[start:], size) for start in starts])
    heard = windows.abs().amax(1) >= _SILENT
    if not heard.any():
        raise FoleyError(_silent_sentence(spec, seconds, pick))
    if seconds - pick.start < spec.reference_seconds:
        log.warning(
            "The reference is %.2f s long; the rest of the %.2f s that are listened to is silence.",
            seconds - pick.start,
            spec.reference_seconds,
        )
    return windows[heard]


def _check(seconds: float, pick: ReferencePick) -> None:
    if seconds < SHORTEST:
        raise FoleyError(
            f"The reference sound is only {1000 * seconds:.0f} ms long; give at least "
            f"{1000 * SHORTEST:.0f} ms."
        )
    if not (math.isfinite(pick.start) and 0 <= pick.start <= seconds - SHORTEST):
        raise FoleyError(
            f"The reference is {seconds:.2f} s long, so it cannot be listened to from "
            f"{pick.start:g} s; start earlier."
        )
    if not 1 <= pick.windows <= MOST_WINDOWS:
        raise FoleyError(
            f"The number of reference windows must be 1 to {MOST_WINDOWS}, not {pick.windows}."
        )


def _silent_sentence(spec: ReferenceSpec, seconds: float, pick: ReferencePick) -> str:
    if pick.windows > 1 or seconds <= spec.reference_seconds:
        return "The reference sound is silent throughout; choose one that can be heard."
    where = (
        f"in its first {spec.reference_seconds:.2f} s"
        if not pick.start
        else f"in the {spec.reference_seconds:.2f} s from {pick.start:g} s"
    )
    return (
        f"The reference sound is silent {where}; choose one that can be heard from its start, or "
        "another start."
    )
