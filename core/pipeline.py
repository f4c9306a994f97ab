"""Video, words and a reference in, takes out: the whole road in one page."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .encoders.mini_video import Seen
from .errors import Cancelled, FoleyError
from .media import (
    Source,
    fit_length,
    integrated_loudness,
    limit,
    normalize_loudness,
    probe,
    read_audio,
    read_frames,
)
from .models import Model
from .sampling import Windows, cfg, cfg_negative, sample_flow

log = logging.getLogger(__name__)

LOUDNESS = -20.0  # LUFS of a take
_SILENT = -45.0  # LUFS below which a take is left as quiet as it is
_SHORTEST_REFERENCE = 0.05

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Request:
    """What the artist asks for. Times in seconds, `offset` in milliseconds (later is positive)."""

    prompt: str = ""
    negative: str = ""
    reference: str | os.PathLike[str] | tuple[Tensor, int] | None = None
    start: float = 0.0
    seconds: float | None = None
    seed: int = 0
    steps: int = 25
    cfg: float | None = None  # None: the model's own
    takes: int = 1
    offset: float = 0.0
    loudness: float | None = LOUDNESS

    def check(self) -> None:
        """FoleyError for a figure that makes no take."""
        if not 1 <= self.takes <= 64:
            raise FoleyError(f"The number of takes must be 1 to 64, not {self.takes}.")
        if not 1 <= self.steps <= 1000:
            raise FoleyError(f"The number of steps must be 1 to 1000, not {self.steps}.")
        if self.cfg is not None and not (math.isfinite(self.cfg) and 0 <= self.cfg <= 100):
            raise FoleyError(f"The guidance scale must be 0 to 100, not {self.cfg}.")
        if not (math.isfinite(self.offset) and abs(self.offset) <= 10_000):
            raise FoleyError(f"The offset must be within 10,000 ms, not {self.offset}.")
        if not 0 <= self.seed < 2**63:
            raise FoleyError(f"The seed must be 0 to 2^63 - 1, not {self.seed}.")


@dataclass(frozen=True)
class Takes:
    """The result: `waveforms` (takes, C, T) float32, each as long as the window of the video."""

    waveforms: Tensor
    sample_rate: int
    start: float
    seconds: float
    seen: Seen
    loudness: tuple[float, ...]
    stages: dict[str, float] = field(default_factory=dict)  # seconds spent


def generate(
    source: Source,
    model: Model,
    request: Request = Request(),  # noqa: B008 - frozen
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Takes:
    """Make the takes that `request` asks for.

    Noise comes from one CPU generator seeded with `seed`; take k of a batch is the same whatever
    the batch. On one device and library version the result is bit-exact; elsewhere it is the same
    take up to rounding.

    Raises:
        FoleyError: unusable input, in one sentence.
        Cancelled: `cancelled()` said so.
    """
    request.check()
    clock = _Clock()
    reference = load_reference(request.reference, model)
    info = probe(source)
    if info.seconds * info.fps < 1.5:
        raise FoleyError("The video is a single picture, so nothing moves in it; give more frames.")
    seconds = window_seconds(info.seconds, request)
    clock("open")
    frames = read_frames(
        source, {"video": model.request}, start=request.start, seconds=seconds, cancelled=cancelled
    )["video"]
    seconds = min(seconds, len(frames) / model.request.fps) if request.seconds is None else seconds
    frames = _cover(frames, model.generator.config.snap(seconds), model.request.fps)
    clock("decode")
    seen = model.watch(frames, cancelled)
    conditions = {"sync": seen.sync}
    for stream, value in (("text", model.read(request.prompt)), ("audio", reference)):
        if value is not None:
            conditions[stream] = value
    negative = model.read(request.negative) if request.negative.strip() else None
    scale = model.guidance if request.cfg is None else request.cfg
    guidance = cfg(scale) if negative is None else cfg_negative(scale, {"text": negative})
    clock("condition")
    latents = sample_flow(
        model.generator,
        conditions,
        guidance,
        seconds=len(frames) / model.request.fps,
        steps=request.steps,
        seed=request.seed,
        takes=request.takes,
        windows=Windows(),
        progress=progress and (lambda step, total: progress("sampling", step, total)),
        cancelled=cancelled,
    )
    clock("sample")
    if cancelled is not None and cancelled():
        raise Cancelled
    waveforms = model.codec.decode(latents).float().cpu()
    clock("decode sound")
    size = round(seconds * model.codec.sample_rate)
    finished = [_finish(w, model.codec.sample_rate, size, request) for w in waveforms]
    clock("finish")
    loudness = tuple(integrated_loudness(w, model.codec.sample_rate) for w in finished)
    return Takes(
        torch.stack(finished),
        model.codec.sample_rate,
        request.start,
        seconds,
        seen,
        loudness,
        clock.stages,
    )


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


def load_reference(reference, model: Model) -> Tensor | None:
    """The reference stream of a sound file, or of a (waveform [C, T], rate) pair; None without
    one.
    """
    if reference is None:
        return None
    if isinstance(reference, tuple):
        from .media import resample

        waveform, rate = reference
        sound = resample(waveform.float().mean(0, keepdim=True), rate, model.codec.sample_rate)
    else:
        sound, _ = read_audio(reference, sample_rate=model.codec.sample_rate, mono=True)
    if not torch.isfinite(sound).all():
        raise FoleyError("The reference sound holds values that are not numbers; export it again.")
    seconds = sound.shape[-1] / model.codec.sample_rate
    if seconds < _SHORTEST_REFERENCE:
        raise FoleyError(
            f"The reference sound is only {1000 * seconds:.0f} ms long; give at least "
            f"{1000 * _SHORTEST_REFERENCE:.0f} ms."
        )
    heard = sound[:, : round(model.reference_seconds * model.codec.sample_rate)]
    if float(heard.abs().max()) < 1e-4:
        where = (
            f"in its first {model.reference_seconds:.2f} s"
            if heard.shape != sound.shape
            else "throughout"
        )
        raise FoleyError(
            f"The reference sound is silent {where}; choose one that can be heard from its start."
        )
    if seconds < model.reference_seconds:
        log.warning(
            "The reference is %.2f s long; the rest of the %.2f s that are listened to is silence.",
            seconds,
            model.reference_seconds,
        )
    return model.hear(sound)


def _cover(frames: Tensor, seconds: float, fps: float) -> Tensor:
    """Exactly the frames of `seconds`; the last one is held."""
    count = round(seconds * fps)
    return torch.cat(
        [frames[:count], frames[-1:].expand(max(count - len(frames), 0), *frames.shape[1:])]
    )


def _finish(waveform: Tensor, rate: int, size: int, request: Request) -> Tensor:
    """Offset, length and level of one take (C, T); never above full scale, never NaN."""
    if not torch.isfinite(waveform).all():
        raise FoleyError(
            "The generated sound left the finite numbers; try another seed or a smaller "
            "guidance scale."
        )
    shift = round(request.offset / 1000 * rate)
    waveform = torch.nn.functional.pad(waveform, (shift, 0)) if shift > 0 else waveform[:, -shift:]
    waveform = fit_length(waveform, size)
    if request.loudness is not None and integrated_loudness(waveform, rate) > _SILENT:
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
