"""What an artist asks for, and what comes of it."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, field
from typing import get_args

from torch import Tensor

from .errors import FoleyError
from .media import Timing, current_word
from .media.finish import LOUDNESS
from .reference import ReferencePick
from .sampling import Inversion, Long
from .tasks import TASKS, Surrogate

Sound = str | os.PathLike[str] | tuple[Tensor, int]
"""A file, or a waveform [C, T] and its rate."""


@dataclass(frozen=True)
class Request:
    """Times in seconds, `offset` in milliseconds (later is positive).

    timing: which frame of the video stands for an instant, see `media.timing`; "published" also
    counts lengths, ignores pixel aspect ratios, draws the reference's noise and guides below 1 as
    the published code does ("reference" is its old name). long: how a take beyond the trained
    length is made, in joined windows or in one pass, which a system of one length (MDSGen) makes
    that long and no longer; None is one pass with published timing, and what suits the length
    otherwise (`sampling.windows_for`). loudness: LUFS; None leaves the level as it is made.
    ignore_look: what the picture shows has no effect (the `still` streams of its encoder), only
    when it moves. seconds: None is all of a video, and as long as was trained for a picture or
    none. steps, cfg: None is the system's own. task: of `tasks.TASKS`; "" is what follows from what
    is given. context: a sound that is extended or edited, None is the video's own; known, edit: the
    span of it that stays, or that is made anew, in seconds of the take. inversion, surrogate,
    summation: see `plan`.
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
    long: Long | None = None
    task: str = ""
    context: Sound | None = None
    known: tuple[float, float] | None = None
    edit: tuple[float, float] | None = None
    inversion: Inversion = ""
    surrogate: Surrogate = "video"
    summation: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "timing", current_word(self.timing))

    @property
    def published(self) -> bool:
        """Whether a take is made as the published code does."""
        return self.timing == "published"

    @property
    def long_takes(self) -> Long | None:
        """How a take beyond the trained length is made; None: as suits its length."""
        return "one pass" if self.published and self.long is None else self.long

    def check(self) -> None:
        """FoleyError for a figure that makes no take."""
        if not 1 <= self.takes <= 64:
            raise FoleyError(f"The number of takes must be 1 to 64, not {self.takes}.")
        if self.steps is not None and not 1 <= self.steps <= 1000:
            raise FoleyError(f"The number of steps must be 1 to 1000, not {self.steps}.")
        if self.cfg is not None and not (math.isfinite(self.cfg) and 0 <= self.cfg <= 100):
            raise FoleyError(f"The guidance scale must be 0 to 100, not {self.cfg}.")
        if not (math.isfinite(self.offset) and abs(self.offset) <= 10_000):
            raise FoleyError(f"The offset must be within 10,000 ms, not {self.offset}.")
        if not 0 <= self.seed < 2**63:
            raise FoleyError(f"The seed must be 0 to 2^63 - 1, not {self.seed}.")
        if self.loudness is not None and not -70 <= self.loudness <= 0:
            raise FoleyError(
                f"The loudness must be -70 to 0 LUFS, or off, not {self.loudness:g}: -20 is usual."
            )
        if self.timing not in get_args(Timing):
            raise FoleyError(f"The timing must be nearest or published, not '{self.timing}'.")
        if self.long is not None and self.long not in get_args(Long):
            raise FoleyError(f"Long takes are made in windows or in one pass, not '{self.long}'.")
        if self.task and self.task not in TASKS:
            raise FoleyError(f"There is no task '{self.task}'; choose one of: {', '.join(TASKS)}.")


@dataclass(frozen=True)
class Takes:
    """`waveforms` [takes, C, T] float32, each as long as the window of the video. chance: of a hit,
    50 a second, where the encoder tells it. loudness: LUFS of each. stages: seconds spent."""

    waveforms: Tensor
    sample_rate: int
    start: float
    seconds: float
    chance: Tensor | None
    loudness: tuple[float, ...]
    stages: dict[str, float] = field(default_factory=dict)


class Clock:
    """Wall time of each stage, by the name called at its end."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = now - self._last
        self._last = now
