"""A clip to streams: one decoding pass feeds every encoder its own rate and size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from torch import Tensor

from ..media import FrameRequest, Source, Timing, kept_frames, made_seconds, pour_frames
from .base import CancelCheck, Features, Progress, VideoEncoder, check_frames
from .cache import FeatureCache
from .streaming import CHUNK, LazyEncoder, StreamingEncoder, loaded

# Small frames that are held, of all encoders together, before they are encoded: about 17 s of
# what CLIP and Synchformer take. A shorter clip is encoded by one encoder after another, so that
# the memory of one suffices.
HOLD = 128 << 20
_STEPS = 1000

Counts = Mapping[str, int]


def encode_video(
    source: Source,
    encoders: Mapping[str, VideoEncoder | LazyEncoder],
    *,
    start: float = 0.0,
    seconds: float | None = None,
    timing: Timing = "nearest",
    fit: Callable[[Counts], Counts] | None = None,
    cache: FeatureCache | None = None,
    memory: int | None = None,
    hold: int = HOLD,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> dict[str, Features]:
    """The streams of a window of a clip, by the names of `encoders`.

    Frames are let go once they are encoded, so memory grows with the features alone.

    start, seconds: window in seconds; None reads to the end. timing: which source frame stands for
    an instant; "published" is MMAudio's rule and also shortens all streams to their common length,
    which needs `seconds`. fit(counts): how many frames each stream is to have, given how many were
    read: more repeat the last, fewer by up to a second are cut off. memory: bytes a batch may take;
    hold: bytes of frames that wait. progress(step, total): thousandths, the first half decoding.
    Raises FoleyError for what cannot be read or encoded, Cancelled.
    """
    lazy = {
        name: one if isinstance(one, LazyEncoder) else loaded(one) for name, one in encoders.items()
    }
    requests = {name: one.layout.frame_request.timed(timing) for name, one in lazy.items()}
    if fit is None:
        fit = _common(requests, timing, seconds)
    report = _Progress(lazy, requests, seconds, progress)
    with ExitStack() as stack:
        running: dict[str, StreamingEncoder] = {}
        for name, one in lazy.items():
            running[name] = StreamingEncoder(
                one,
                cache=cache,
                memory=memory,
                # What may not wait is encoded in pieces that are smaller.
                chunk=min(CHUNK, hold // len(lazy)),
                done=report.of(name),
                cancelled=cancelled,
            )
            stack.callback(running[name].close)
        sinks = {name: _sink(one, running, hold) for name, one in running.items()}
        counts = pour_frames(
            source,
            requests,
            sinks,
            start=start,
            seconds=seconds,
            progress=report.decoded,
            cancelled=cancelled,
        )
        wanted = fit(counts)
        streams = {name: one.finish(wanted[name]) for name, one in running.items()}
    report.end()
    return streams


def encode_frames(
    frames: Tensor,
    encoder: VideoEncoder | LazyEncoder,
    *,
    cache: FeatureCache | None = None,
    memory: int | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Features:
    """The features of frames in memory, uint8 [T, H, W, 3], or what the cache has of them."""
    lazy = encoder if isinstance(encoder, LazyEncoder) else loaded(encoder)
    check_frames(lazy.layout, frames)
    total = len(lazy.layout.windows(len(frames)))
    report = None if progress is None else lambda windows: progress(windows, total)
    running = StreamingEncoder(lazy, cache=cache, memory=memory, done=report, cancelled=cancelled)
    try:
        for frame in frames:
            running.add(frame)
        return running.finish()
    finally:
        running.close()


def _sink(
    own: StreamingEncoder, running: Mapping[str, StreamingEncoder], hold: int
) -> Callable[[Tensor, int], None]:
    def take(frame: Tensor, times: int) -> None:
        own.add(frame, times)
        if sum(one.held for one in running.values()) > hold:
            for one in running.values():
                one.advance()

    return take


def _common(
    requests: Mapping[str, FrameRequest], timing: Timing, seconds: float | None
) -> Callable[[Counts], Counts]:
    """All frames; with published timing and a length, MMAudio's common length."""

    def fit(counts: Counts) -> Counts:
        if timing != "published" or seconds is None:
            return counts
        made = made_seconds(counts, requests, seconds)
        kept = kept_frames(counts, requests, made, made=made)
        return {name: max(1, count) for name, count in kept.items()}

    return fit


class _Progress:
    """Progress of decoding and encoding, which go on together, as one that only rises."""

    def __init__(
        self,
        encoders: Mapping[str, LazyEncoder],
        requests: Mapping[str, FrameRequest],
        seconds: float | None,
        progress: Progress | None,
    ) -> None:
        self._progress = progress
        self._decoded, self._most = 0.0, 0
        self._encoded = dict.fromkeys(encoders, 0)
        self._total = 0
        if seconds is not None:
            for name, one in encoders.items():
                count = max(1, round(seconds * requests[name].fps))
                self._total += len(one.layout.windows(count))

    def decoded(self, step: int, total: int) -> None:
        self._decoded = step / max(1, total)
        self._report()

    def of(self, name: str) -> Callable[[int], None]:
        def encoded(windows: int) -> None:
            self._encoded[name] = windows
            self._report()

        return encoded

    def end(self) -> None:
        if self._progress is not None:
            self._progress(_STEPS, _STEPS)

    def _report(self) -> None:
        if self._progress is None:
            return
        encoded = min(1.0, sum(self._encoded.values()) / self._total) if self._total else 0.0
        now = round(_STEPS * (self._decoded + encoded) / 2)
        self._most = max(self._most, min(now, _STEPS - 1))
        self._progress(self._most, _STEPS)
