"""What an artist asks for, and what comes of it."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Literal, get_args

from torch import Tensor

from .cues import CueSheet
from .errors import FoleyError
from .media import Timing, current_word
from .media.finish import LOUDNESS
from .media.request import check_window
from .reference import ReferencePick
from .sampling import Inversion, Like, Long
from .tasks import TASKS, Surrogate

_LONGEST_SHOWN = 60  # characters of a wrong value in a message
SEQUENTIAL = "sequential"
VARIATION = 0.3
LongTake = Long | Literal["sequential"]
Sound = str | os.PathLike[str] | tuple[Tensor, int]
"""A file, or a waveform [C, T] and its rate."""


@dataclass(frozen=True)
class Request:
    """Times in seconds, `offset` in milliseconds (later is positive).

    timing: which frame of the video stands for an instant, see `media.timing`; "published" also
    counts lengths, ignores pixel aspect ratios, draws the reference's noise and guides below 1 as
    the published code does ("reference" is its old name). long: how a take beyond the trained
    length is made, in joined windows or in one pass, which a system of one length (MDSGen) makes
    that long and no longer, or sequential, each window in the context of the one before and all in
    constant memory (`long_take`); None is one pass with published timing, and what suits the
    length otherwise (`sampling.windows_for`, over ten minutes sequential). loudness: LUFS; None
    leaves the level as it is made.
    ignore_look: what the picture shows has no effect (the `still` streams of its encoder), only
    when it moves. seconds: None is all of a video, and as long as was trained for a picture or
    none. steps, cfg: None is the system's own. task: of `tasks.TASKS`; "" is what follows from what
    is given. context: a sound that is extended or edited, None is the video's own; known, edit: the
    span of it that stays, or that is made anew, in seconds of the take. inversion, surrogate,
    summation: see `plan`. cues: what is heard when, in seconds of the video; where it says nothing
    the rest of the request holds; stems: hits that have a sound of their own there are also given
    apart. like: the number, from 1, of the take of this seed that the takes are near; variation:
    how far from it, of what is drawn: 0 is that take, 1 has nothing of it.
    """

    prompt: str = ""
    negative: str = ""
    reference: Sound | None = None
    start: float = 0.0
    seconds: float | None = None
    seed: int = 0
    steps: int | None = None
    cfg: float | None = None
    takes: int = 1
    offset: float = 0.0
    loudness: float | None = LOUDNESS
    pick: ReferencePick = ReferencePick()
    timing: Timing = "nearest"
    ignore_look: bool = False
    long: LongTake | None = None
    task: str = ""
    context: Sound | None = None
    known: tuple[float, float] | None = None
    edit: tuple[float, float] | None = None
    inversion: Inversion = ""
    surrogate: Surrogate = "video"
    summation: bool = False
    cues: CueSheet | None = None
    stems: bool = False
    like: int | None = None
    variation: float = VARIATION

    def __post_init__(self) -> None:
        object.__setattr__(self, "timing", current_word(self.timing))

    @property
    def published(self) -> bool:
        """Whether a take is made as the published code does."""
        return self.timing == "published"

    @property
    def long_takes(self) -> Long | None:
        """How a take beyond the trained length is made; None: as suits its length."""
        if self.long == "sequential":
            return "windows"
        return "one pass" if self.published and self.long is None else self.long

    @property
    def likeness(self) -> Like | None:
        """The take that all are near, if any."""
        return None if self.like is None else Like(self.like, self.variation)

    def check(self) -> None:
        """FoleyError for a value that makes no take."""
        _check_number("number of takes", self.takes, 1, 64, whole=True)
        _check_number("seed", self.seed, 0, 2**63 - 1, "0 to 2^63 - 1", whole=True)
        if self.steps is not None:
            _check_number("number of steps", self.steps, 1, 1000, whole=True)
        if self.cfg is not None:
            _check_number("guidance scale", self.cfg, 0, 100)
        _check_number("offset", self.offset, -10_000, 10_000, "within 10,000 ms")
        if self.loudness is not None:
            said = "-70 to 0 LUFS, or off"
            _check_number("loudness", self.loudness, -70, 0, said, advice=": -20 is usual")
        if self.like is not None:
            _check_number("take to be like", self.like, 1, 64, whole=True)
        _check_number("variation", self.variation, 0, 1, advice=f": {VARIATION:g} is usual")
        self._check_times()
        for name, text in (("prompt", self.prompt), ("negative prompt", self.negative)):
            if not isinstance(text, str) or any("\ud800" <= char <= "\udfff" for char in text):
                raise FoleyError(f"The {name} must be text (UTF-8), not {_shown(text)}.")
        for name, sound in (("reference", self.reference), ("context", self.context)):
            if isinstance(sound, tuple):
                _check_sound(name, *sound)
        self._check_words()

    def _check_times(self) -> None:
        for name, value in (("start", self.start), ("length", self.seconds)):
            if not (_is_number(value) or (name == "length" and value is None)):
                raise FoleyError(f"The {name} must be a number of seconds, not {_shown(value)}.")
        check_window(self.start, self.seconds)
        for name, span in (("known part", self.known), ("part to edit", self.edit)):
            pair = span is None or (isinstance(span, (tuple, list)) and len(span) == 2)
            if not pair or not all(map(_is_number, span or ())):
                raise FoleyError(f"The {name} must be two numbers of seconds, not {_shown(span)}.")
        pick = self.pick
        if not isinstance(pick, ReferencePick) or not (
            _is_number(pick.start) and _is_number(pick.windows, whole=True)
        ):
            raise FoleyError(
                "The pick of a reference must be a number of seconds and a whole number of "
                f"windows, not {_shown(pick)}."
            )

    def _check_words(self) -> None:
        if self.timing not in get_args(Timing):
            raise FoleyError(f"The timing must be nearest or published, not '{self.timing}'.")
        if self.long is not None and self.long not in (*get_args(Long), SEQUENTIAL):
            raise FoleyError(
                f"Long takes are made in windows or in one pass, or sequential, not '{self.long}'."
            )
        if self.task and self.task not in tuple(TASKS):
            raise FoleyError(f"There is no task '{self.task}'; choose one of: {', '.join(TASKS)}.")
        for name, word, words in (
            ("inversion", self.inversion, get_args(Inversion)),
            ("surrogate", self.surrogate, get_args(Surrogate)),
        ):
            if word not in words:
                known = ", ".join(filter(None, words))
                raise FoleyError(f"There is no {name} '{word}'; choose one of: {known}.")


def _is_number(value: Any, *, whole: bool = False) -> bool:
    if not isinstance(value, Integral if whole else Real) or isinstance(value, bool):
        return False
    with contextlib.suppress(OverflowError):  # a whole number beyond all floats
        float(value)
        return True
    return False


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a number beyond all bounds"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _check_number(
    name: str,
    value: Any,
    low: float,
    high: float,
    said: str = "",
    *,
    whole: bool = False,
    advice: str = "",
) -> None:
    """FoleyError unless a number from `low` to `high`, which a message calls `said`."""
    if not (_is_number(value, whole=whole) and low <= value <= high):  # NaN is in no range
        kind = "a whole number, " if whole else ""
        raise FoleyError(
            f"The {name} must be {kind}{said or f'{low} to {high}'}, not {_shown(value)}{advice}."
        )


def _check_sound(name: str, waveform: Any = None, rate: Any = None, *more: Any) -> None:
    """FoleyError unless a float waveform [C, T] that is not empty, and its rate in Hz."""
    shaped = isinstance(waveform, Tensor) and waveform.ndim == 2 and waveform.numel() > 0
    if more or not shaped or not waveform.is_floating_point():
        raise FoleyError(
            f"The {name} must be a file, or a float waveform [channels, samples] and its rate."
        )
    if not _is_number(rate, whole=True) or rate < 1:
        raise FoleyError(f"The {name} needs a sample rate above 0 Hz, not {_shown(rate)}.")


@dataclass(frozen=True)
class Takes:
    """`waveforms` [takes, C, T] float32, each as long as the window of the video. chance: of a hit,
    50 a second, where the encoder tells it. loudness: LUFS of each. stages: seconds spent. stems:
    by title, as `waveforms`; where the takes have some."""

    waveforms: Tensor
    sample_rate: int
    start: float
    seconds: float
    chance: Tensor | None
    loudness: tuple[float, ...]
    stages: dict[str, float] = field(default_factory=dict)
    stems: dict[str, Tensor] = field(default_factory=dict)


class Clock:
    """Wall time of each stage, by the name called at its end."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = now - self._last
        self._last = now
