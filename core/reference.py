"""Reference sounds: reading them, their windows, and how these are encoded."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from .errors import FoleyError
from .generators.base import CONTEXT
from .media import fit_length, mono_peak, read_audio, resample

if TYPE_CHECKING:
    from .codecs.base import Codec

log = logging.getLogger(__name__)

SHORTEST = 0.05  # seconds
LEAD_SECONDS = 2.0  # of a reference that stands before a take, at the most
LONGEST = 60.0  # seconds of a sound that windows are cut from
MOST_WINDOWS = 64
PEAK = 0.95
_SCENE_PEAK = 0.5
_SILENT = 1e-4
_SEED = 0  # of the posterior's noise, so that a reference means the same in every take


@dataclass(frozen=True)
class ReferencePick:
    """Which parts of a reference sound are used.

    start: seconds from its start. windows: 1 is the part at `start`; more are spread evenly from
    there to the end, and their mean counts.
    """

    start: float = 0.0
    windows: int = 1


@dataclass(frozen=True)
class ReferenceMethod:
    """How a system encodes a reference sound.

    preprocess(waveform [C, T], rate, sample_rate, peak): [1, T'], mono at the codec's rate; peak is
    that of the whole sound in mono, of which the waveform may be a part. encode(codec, windows
    [W, T] on its device, rng): the stream `[1, N, D]`; rng: where noise is drawn from, None is the
    same each time. stream: its name. part: which one of the system `encode` gets, "codec" or
    "text". heard: seconds and rate of the one part that is heard as it is; None: windows of what
    the generator was trained on, at the codec's rate, filled up with silence.
    """

    preprocess: Callable[[Tensor, int, int, float], Tensor]
    encode: Callable[[Codec, Tensor, torch.Generator | None], Tensor]
    stream: str = "audio"
    part: Literal["codec", "text"] = "codec"
    heard: tuple[float, int] | None = None


@dataclass(frozen=True)
class ReferenceSpec:
    """What one window of a reference is: `samples` of a rate, encoded by `method`."""

    method: ReferenceMethod
    samples: int
    sample_rate: int

    @classmethod
    def of(cls, method: ReferenceMethod) -> ReferenceSpec:
        """Of a method that hears one part as it is."""
        assert method.heard is not None
        seconds, rate = method.heard
        return cls(method, round(seconds * rate), rate)

    @property
    def seconds(self) -> float:
        """Length of one window."""
        return self.samples / self.sample_rate


def normalize_peak(waveform: Tensor, rate: int, sample_rate: int, peak: float) -> Tensor:
    """A sound [C, T] as AC-Foley is given it, [1, T']: mono, its peak at 0.95 unless silent."""
    mono = waveform.mean(0, keepdim=True)
    return resample(mono / peak * PEAK if peak >= _SILENT else mono, rate, sample_rate)


def sample_posterior(codec: Any, windows: Tensor, rng: torch.Generator | None) -> Tensor:
    """A sample of the codec's posterior of each window, not brought to the generator's statistics,
    as published for AC-Foley; with the same noise unless a generator is given."""
    rng = rng or torch.Generator().manual_seed(_SEED)
    return torch.cat([codec.sample(window[None, None], rng) for window in windows], 1)


def _mono(waveform: Tensor, rate: int, sample_rate: int, peak: float) -> Tensor:
    return resample(waveform.mean(0, keepdim=True), rate, sample_rate)


def _encode_normalized(codec: Codec, windows: Tensor, rng: torch.Generator | None) -> Tensor:
    """The codec's latent of each window, its own peak at 0.95."""
    peaks = windows.abs().amax(1, keepdim=True).clamp_min(_SILENT)
    return torch.cat([codec.encode(window[None, None]) for window in windows * (PEAK / peaks)], 1)


def _level(waveform: Tensor, rate: int, sample_rate: int, peak: float) -> Tensor:
    """Mono, its peak at that of a middling scene."""
    gain = _SCENE_PEAK / peak if peak >= _SILENT else 1.0
    return _mono(waveform * gain, rate, sample_rate, peak)


def _encode(codec: Codec, windows: Tensor, rng: torch.Generator | None) -> Tensor:
    return torch.cat([codec.encode(window[None, None]) for window in windows], 1)


def _encode_unit(clap: Any, windows: Tensor, rng: torch.Generator | None) -> Tensor:
    assert CLAP_REFERENCE.heard is not None
    return clap.encode_audio(windows, CLAP_REFERENCE.heard[1])[:, None]


# In place of words: the embedding that CLAP gives a sound.
CLAP_REFERENCE = ReferenceMethod(_mono, _encode_unit, "clap", part="text", heard=(10.0, 48000))
# As a part of the context of FoleyGenEx, at its own level, or at that of our scenes.
CONTEXT_REFERENCE = ReferenceMethod(_mono, _encode, CONTEXT)
LEVELLED_REFERENCE = ReferenceMethod(_level, _encode, CONTEXT)
SAMPLED_REFERENCE = ReferenceMethod(normalize_peak, sample_posterior)
NORMALIZED_REFERENCE = ReferenceMethod(_mono, _encode_normalized)


def read_reference(
    reference: str | os.PathLike[str] | tuple[Tensor, int],
    spec: ReferenceSpec,
    pick: ReferencePick = ReferencePick(),  # noqa: B008 - frozen
) -> Tensor:
    """Windows [W, samples] of a sound file, or of a (waveform [C, T], rate) pair, preprocessed as
    the system wants it. What is missing at the end is silence; silent ones of several are left out.

    Raises:
        FoleyError: it cannot be read, is not a number, too short, silent where it is encoded, or
            ends before the start.
    """
    waveform, rate, peak, start = _read(reference, pick)
    pick, seconds = replace(pick, start=pick.start - start), waveform.shape[-1] / rate
    _check(seconds, pick)
    sound = spec.method.preprocess(waveform, rate, spec.sample_rate, peak)[0]
    size, first = spec.samples, round(pick.start * spec.sample_rate)
    spread = max(len(sound) - size - first, 0)
    count = min(pick.windows, 1 + math.ceil(spread / size))
    starts = [first + round(i * spread / max(count - 1, 1)) for i in range(count)]
    windows = torch.stack([fit_length(sound[start:], size) for start in starts])
    audible = windows.abs().amax(1) >= _SILENT
    if not audible.any():
        raise FoleyError(_silent_sentence(spec, seconds, pick))
    if seconds - pick.start < spec.seconds:
        log.warning(
            "The reference is %.2f s long; the rest of the %.2f s that are used is silence.",
            seconds - pick.start,
            spec.seconds,
        )
    return windows[audible]


def read_part(
    reference: str | os.PathLike[str] | tuple[Tensor, int],
    spec: ReferenceSpec,
    pick: ReferencePick,
    fit: Callable[[float], float],
) -> Tensor:
    """One part [T] of a sound, as `read_reference`, but no longer than the sound is. fit(seconds):
    how much of it is used.

    Raises:
        FoleyError: as `read_reference`; several windows; a part too short to be used.
    """
    if pick.windows != 1:
        raise FoleyError("This system follows one part of a reference; leave the windows at 1.")
    waveform, rate, peak, start = _read(reference, pick)
    pick, seconds = replace(pick, start=pick.start - start), waveform.shape[-1] / rate
    _check(seconds, pick)
    sound = spec.method.preprocess(waveform, rate, spec.sample_rate, peak)[0]
    part = sound[round(pick.start * spec.sample_rate) :][: spec.samples]
    size = round(fit(len(part) / spec.sample_rate) * spec.sample_rate)
    if size <= 0:
        raise FoleyError(
            f"The reference has {len(part) / spec.sample_rate:.2f} s from there on, which is too "
            "short for this system; give a longer one."
        )
    if part[:size].abs().amax() < _SILENT:
        raise FoleyError(_silent_sentence(spec, seconds, pick))
    return part[:size]


def _read(reference: Any, pick: ReferencePick) -> tuple[Tensor, int, float, float]:
    """The part of a sound that can matter and its rate; the peak of all of it in mono; and the
    second of it that the part starts at."""
    # Long files are never in memory whole; their level is found in a pass of its own.
    start = pick.start if pick.start > LONGEST / 2 else 0.0
    if isinstance(reference, tuple):
        waveform, rate = reference
        _check(waveform.shape[-1] / rate, pick)
        peak = float(waveform.mean(0).abs().max())
        start = start if waveform.shape[-1] > round(LONGEST * rate) else 0.0
        first = round(start * rate)
        waveform = waveform[:, first : first + round(LONGEST * rate)].float()
    else:
        if not math.isfinite(pick.start) or pick.start < 0:
            raise FoleyError(f"A reference cannot be used from {pick.start:g} s; give 0 or more.")
        waveform, rate = read_audio(reference, start=start, seconds=LONGEST, mono=True)
        whole = not start and waveform.shape[-1] < round(LONGEST * rate)
        peak = float(waveform.abs().max()) if whole else mono_peak(reference)
    if not torch.isfinite(waveform).all():
        raise FoleyError("The reference sound holds values that are not numbers; export it again.")
    return waveform, rate, peak, start


def _check(seconds: float, pick: ReferencePick) -> None:
    if seconds < SHORTEST:
        raise FoleyError(
            f"The reference sound is only {1000 * seconds:.0f} ms long; give at least "
            f"{1000 * SHORTEST:.0f} ms."
        )
    if not (math.isfinite(pick.start) and 0 <= pick.start <= seconds - SHORTEST):
        raise FoleyError(
            f"The reference is {seconds:.2f} s long, so it cannot be used from "
            f"{pick.start:g} s; start earlier."
        )
    if not 1 <= pick.windows <= MOST_WINDOWS:
        raise FoleyError(
            f"The number of reference windows must be 1 to {MOST_WINDOWS}, not {pick.windows}."
        )


def _silent_sentence(spec: ReferenceSpec, seconds: float, pick: ReferencePick) -> str:
    if pick.windows > 1 or seconds <= spec.seconds:
        return "The reference sound is silent throughout; choose one that can be heard."
    where = (
        f"in its first {spec.seconds:.2f} s"
        if not pick.start
        else f"in the {spec.seconds:.2f} s from {pick.start:g} s"
    )
    return (
        f"The reference sound is silent {where}; choose one that can be heard from its start, or "
        "another start."
    )
