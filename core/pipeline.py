"""Video, words and a reference in, takes out: the whole road in one page."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, get_args

import torch
from torch import Tensor

from .encoders.base import Features
from .encoders.mini_video import Seen
from .encoders.video import encode_video
from .errors import Cancelled, FoleyError
from .media import (
    FrameRequest,
    Source,
    Timing,
    VideoInfo,
    current_word,
    fit_length,
    integrated_loudness,
    kept_frames,
    limit,
    made_seconds,
    normalize_loudness,
    probe,
    read_frames,
)
from .media.masking import hold_last
from .model_base import Model, Told
from .reference import ReferencePick, load_reference
from .sampling import Long, sample, windows_for

log = logging.getLogger(__name__)

LOUDNESS = -20.0  # LUFS of a take
_SILENT = -45.0  # LUFS below which a take is left as quiet as it is
_STILL = 1.5  # frames below which a video is a picture
_LOOK = "clip"  # the stream of what the picture shows, apart from when it moves

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Request:
    """What the artist asks for. Times in seconds, `offset` in milliseconds (later is positive).

    timing: which frame of the video stands for an instant, see `media.timing`; "published" also
    counts lengths, ignores pixel aspect ratios, draws the reference's noise and guides below 1 as
    the published code does ("reference" is its old name). long: how a take beyond the trained
    length is made, in joined windows or in one pass, which a model of one length (MDSGen) makes
    that long and no longer; None is one pass with published timing, and what suits the length
    otherwise (`sampling.windows_for`). loudness: LUFS; None leaves the level as the model makes it.
    ignore_look: what the picture shows is not listened to (the clip stream), only when it moves.
    seconds: None is all of a video, and as long as the model was trained for a picture or none.
    """

    prompt: str = ""
    negative: str = ""
    reference: str | os.PathLike[str] | tuple[Tensor, int] | None = None
    start: float = 0.0
    seconds: float | None = None
    seed: int = 0
    steps: int | None = None  # None: the model's own, as of cfg
    cfg: float | None = None
    takes: int = 1
    offset: float = 0.0
    loudness: float | None = LOUDNESS
    pick: ReferencePick = ReferencePick()
    timing: Timing = "nearest"
    ignore_look: bool = False
    long: Long | None = None

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


@dataclass(frozen=True)
class Takes:
    """The result: `waveforms` (takes, C, T) float32, each as long as the window of the video."""

    waveforms: Tensor
    sample_rate: int
    start: float
    seconds: float
    seen: Seen | None
    loudness: tuple[float, ...]
    stages: dict[str, float] = field(default_factory=dict)  # seconds spent


@dataclass(frozen=True)
class View:
    """What is seen of a source: by request frames uint8, or features of them; the seconds of the
    take that is asked for and of the one that is made, a little more on the model's grid."""

    frames: Mapping[str, Tensor | Features]
    seconds: float
    covered: float


def generate(
    source: Source | None,
    model: Model,
    request: Request = Request(),  # noqa: B008 - frozen
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Takes:
    """Make the takes that `request` asks for.

    source: a video, a single picture for models that make something of one, or None for words
    alone. Noise comes from one CPU generator seeded with `seed`; take k of a batch is the same
    whatever the batch. On one device and library version the result is bit-exact; elsewhere it is
    the same take up to rounding.

    Raises:
        FoleyError: unusable input, in one sentence.
        Cancelled: `cancelled()` said so.
    """
    request.check()
    clock = _Clock()
    rng = torch.Generator().manual_seed(request.seed)
    # The published code draws the reference's noise first, from the generator of the take.
    noise = rng if request.published else None
    reference = load_reference(request.reference, model, request.pick, noise)
    clock("reference")
    view = look(source, model, request, cancelled, progress)
    clock("decode")
    told = model.tell(
        view.frames,
        view.covered,
        request.prompt,
        request.negative,
        ignored=frozenset({_LOOK}) if request.ignore_look else frozenset(),
        progress=progress,
        cancelled=cancelled,
    )
    if reference is not None:
        told = replace(told, streams={**told.streams, "audio": reference})
    clock("condition")
    latents = _sample(model, told, view.covered, request, rng, progress, cancelled)
    clock("sample")
    if cancelled is not None and cancelled():
        raise Cancelled
    with model.using("decoder") as codec:
        waveforms = codec.decode(latents).float().cpu()
    clock("decode sound")
    size = round(view.seconds * model.sample_rate)
    finished = [_finish(w, model.sample_rate, size, request) for w in waveforms]
    clock("finish")
    loudness = tuple(integrated_loudness(w, model.sample_rate) for w in finished)
    return Takes(
        torch.stack(finished),
        model.sample_rate,
        request.start,
        view.seconds,
        told.seen,
        loudness,
        clock.stages,
    )


def look(
    source: Source | None,
    model: Model,
    request: Request,
    cancelled: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> View:
    """The frames that the model looks at, or what it sees in them, decoded in one pass.

    Raises:
        FoleyError: a window that cannot be, a picture for a model that hears motion alone.
    """
    if source is None:
        return _view(model, {}, _asked(request, model), request)
    info = probe(source)
    requests = {k: r.timed(request.timing) for k, r in model.requests.items()}
    if is_picture(info):
        return _picture(source, model, request)
    seconds = _makeable(model, request, window_seconds(info.seconds, request))
    span = _Span(model, requests, request, seconds)
    window: dict[str, Any] = {
        "start": request.start,
        "seconds": span.seconds,
        "cancelled": cancelled,
    }
    eyes = {k: v for k, v in model.eyes.items() if not (request.ignore_look and k == _LOOK)}
    if eyes:
        seen = encode_video(
            source,
            eyes,
            timing=request.timing,
            fit=span.fit,
            cache=model.cache,
            progress=progress and partial(progress, "looking"),
            **window,
        )
        return View(seen, span.seconds, span.covered)
    frames = read_frames(source, requests, **window)
    counts = span.fit({k: len(v) for k, v in frames.items()})
    frames = {k: hold_last(v, counts[k])[: counts[k]] for k, v in frames.items()}
    return View(frames, span.seconds, span.covered)


def is_picture(info: VideoInfo) -> bool:
    """Whether a source is a single frame, in which nothing moves."""
    return info.seconds * info.fps < _STILL


def _picture(source: Source, model: Model, request: Request) -> View:
    requests = {name: model.requests[name] for name in model.still}
    if not requests:
        raise FoleyError("The video is a single picture, so nothing moves in it; give more frames.")
    frames = read_frames(source, requests)
    return _view(model, {k: v[:1] for k, v in frames.items()}, _asked(request, model), request)


def _asked(request: Request, model: Model) -> float:
    """Seconds of a take that no video tells."""
    seconds = model.config.trained_seconds if request.seconds is None else request.seconds
    return _makeable(model, request, window_seconds(seconds, replace(request, start=0.0)))


def _makeable(model: Model, request: Request, seconds: float) -> float:
    """Seconds of a take, of those that are there: one pass of some models has one length alone."""
    longest = model.config.trained_seconds
    if request.long_takes != "one pass" or model.config.any_length or seconds <= longest:
        return seconds
    log.warning(
        "%s makes %.2f s in one pass, so the sound ends there, %.2f s before the picture; "
        "windows make all of it (--long windows).",
        model.name,
        longest,
        seconds - longest,
    )
    return longest


def _view(model: Model, frames: Mapping[str, Tensor], seconds: float, request: Request) -> View:
    return View(frames, seconds, _covered(model, seconds, request))


class _Span:
    """How long a take is and how many frames it has, which is only known when all are read."""

    def __init__(
        self, model: Model, requests: Mapping[str, FrameRequest], request: Request, seconds: float
    ) -> None:
        self.seconds, self.covered = seconds, seconds
        self._model, self._request = model, request
        self._requests = requests

    def fit(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The frames of a take that the model can make, of those that were read."""
        if self._request.seconds is None:
            # A file may end before the length that it states.
            read = max(count / self._requests[k].fps for k, count in counts.items())
            self.seconds = min(self.seconds, read)
        made = made_seconds(counts, self._requests, self.seconds)
        self.covered = _covered(self._model, made, self._request)
        shown = self._model.shown_seconds(made, self.covered)
        return kept_frames(counts, self._requests, shown, made=made)


def _covered(model: Model, seconds: float, request: Request) -> float:
    """The seconds that a model makes for a take of `seconds`."""
    covered = model.config.snap(seconds)
    windows = windows_for(model.config, covered, request.long_takes)
    if model.bounded and covered > 1.25 * model.config.trained_seconds:
        log.warning(
            "%.1f s is far beyond the %g s that %s was trained on: it is made in %s, "
            "and quality drops; shorter parts sound better.",
            covered,
            model.config.trained_seconds,
            model.name,
            "joined windows" if windows else "one pass",
        )
    return covered


def _sample(
    model: Model,
    told: Told,
    seconds: float,
    request: Request,
    rng: torch.Generator,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> Tensor:
    steps = model.sampling.steps if request.steps is None else request.steps
    with model.using("generator") as generator:
        try:
            return sample(
                generator,
                told.streams,
                model.guide(request.cfg, told.avoided, published=request.published),
                seconds=seconds,
                steps=steps,
                rng=rng,
                takes=request.takes,
                windows=windows_for(model.config, seconds, request.long_takes),
                progress=progress and partial(progress, "sampling"),
                cancelled=cancelled,
            )
        except torch.OutOfMemoryError as error:
            raise FoleyError(
                f"{model.name} ran out of memory on {model.device}; make fewer takes at once or a "
                "shorter part, or load it in 8 bits (fp8)."
            ) from error


def window_seconds(available: float, request: Request) -> float:
    """Seconds of the window: what was asked for, or all from `start`, cut to what there is."""
    for value, name in ((request.start, "start"), (request.seconds, "length")):
        if value is not None and not math.isfinite(value):
            raise FoleyError(f"The {name} of the window must be a number of seconds, not {value}.")
    if request.seconds is not None and request.seconds <= 0:
        raise FoleyError(f"The window must be longer than 0 s, not {request.seconds:g} s.")
    if request.start < 0:
        raise FoleyError(f"The window cannot start before the video, at {request.start:g} s.")
    if request.start >= available:
        raise FoleyError(
            f"The window starts at {request.start:g} s, but the video ends at {available:.2f} "
            f"s; start earlier."
        )
    left = available - request.start
    return left if request.seconds is None else min(request.seconds, left)


def _finish(waveform: Tensor, rate: int, size: int, request: Request) -> Tensor:
    """Offset, length and level of one take (C, T); never above full scale, never NaN.

    Without a loudness it is the model's own, touched only where it passes full scale.
    """
    if not torch.isfinite(waveform).all():
        raise FoleyError(
            "The generated sound left the finite numbers; try another seed or a smaller "
            "guidance scale."
        )
    shift = round(request.offset / 1000 * rate)
    waveform = torch.nn.functional.pad(waveform, (shift, 0)) if shift > 0 else waveform[:, -shift:]
    waveform = fit_length(waveform, size)
    if request.loudness is None:
        return limit(waveform, rate, 1.0)
    if integrated_loudness(waveform, rate) > _SILENT:
        return normalize_loudness(waveform, rate, request.loudness)
    return limit(waveform, rate)


class _Clock:
    """Wall time of each stage, by the name called at its end."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = now - self._last
        self._last = now
