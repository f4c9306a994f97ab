"""A clip to streams: one decoding pass feeds every encoder its own rate and size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from torch import Tensor

from ..media import FrameRequest, Source, Timing, kept_frames, made_seconds, pour_frames
from .base import CancelCheck, Features, Progress, VideoEncoder, check_frames
from .cache import FeatureCache
from .gaze import Eye, Gaze, eye_of

# Small frames that are held, of all encoders together, before they are looked at: about 17 s of
# what CLIP and Synchformer see. A shorter clip is looked at by one encoder after another, so that
# the memory of one suffices.
HOLD = 128 << 20
_STEPS = 1000

Counts = Mapping[str, int]


def encode_video(
    source: Source,
    encoders: Mapping[str, VideoEncoder | Eye],
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

    Frames are let go once they are looked at, so memory grows with the features alone.

    start, seconds: window in seconds; None reads to the end. timing: which source frame stands for
    an instant; "published" is MMAudio's rule and also shortens all streams to their common length,
    which needs `seconds`. fit(counts): how many frames each stream is to have, given how many were
    read: more repeat the last, fewer by up to a second are cut off. memory: bytes a batch may take;
    hold: bytes of frames that wait. progress(step, total): thousandths, the first half decoding.
    Raises FoleyError for what cannot be read or encoded, Cancelled.
    """
    eyes = {name: one if isinstance(one, Eye) else eye_of(one) for name, one in encoders.items()}
    requests = {name: eye.layout.frame_request.timed(timing) for name, eye in eyes.items()}
    if fit is None:
        fit = _common(requests, timing, seconds)
    told = _Told(eyes, requests, seconds, progress)
    with ExitStack() as stack:
        gazes: dict[str, Gaze] = {}
        for name, eye in eyes.items():
            gazes[name] = Gaze(
                eye, cache=cache, memory=memory, looked=told.of(name), cancelled=cancelled
            )
            stack.callback(gazes[name].close)
        sinks = {name: _sink(gaze, gazes, hold) for name, gaze in gazes.items()}
        counts = pour_frames(
            source,
            requests,
            sinks,
            start=start,
            seconds=seconds,
            progress=told.decoded,
            cancelled=cancelled,
        )
        wanted = fit(counts)
        streams = {name: gaze.finish(wanted[name]) for name, gaze in gazes.items()}
    told.end()
    return streams


def encode_frames(
    frames: Tensor,
    encoder: VideoEncoder | Eye,
    *,
    cache: FeatureCache | None = None,
    memory: int | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Features:
    """The features of frames in memory, uint8 [T, H, W, 3], or what the cache has of them."""
    eye = encoder if isinstance(encoder, Eye) else eye_of(encoder)
    check_frames(eye.layout, frames)
    total = len(eye.layout.windows(len(frames)))
    report = None if progress is None else lambda windows: progress(windows, total)
    gaze = Gaze(eye, cache=cache, memory=memory, looked=report, cancelled=cancelled)
    try:
        for frame in frames:
            gaze.add(frame)
        return gaze.finish()
    finally:
        gaze.close()


def _sink(gaze: Gaze, gazes: Mapping[str, Gaze], hold: int) -> Callable[[Tensor, int], None]:
    def take(frame: Tensor, times: int) -> None:
        gaze.add(frame, times)
        if sum(one.held for one in gazes.values()) > hold:
            for one in gazes.values():
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


class _Told:
    """Progress of decoding and looking, which go on together, as one that only rises."""

    def __init__(
        self,
        eyes: Mapping[str, Eye],
        requests: Mapping[str, FrameRequest],
        seconds: float | None,
        progress: Progress | None,
    ) -> None:
        self._progress = progress
        self._decoded, self._most = 0.0, 0
        self._looked = dict.fromkeys(eyes, 0)
        self._total = 0
        if seconds is not None:
            for name, eye in eyes.items():
                count = max(1, round(seconds * requests[name].fps))
                self._total += len(eye.layout.windows(count))

    def decoded(self, step: int, total: int) -> None:
        self._decoded = step / max(1, total)
        self._tell()

    def of(self, name: str) -> Callable[[int], None]:
        def looked(windows: int) -> None:
            self._looked[name] = windows
            self._tell()

        return looked

    def end(self) -> None:
        if self._progress is not None:
            self._progress(_STEPS, _STEPS)

    def _tell(self) -> None:
        if self._progress is None:
            return
        looked = min(1.0, sum(self._looked.values()) / self._total) if self._total else 0.0
        now = round(_STEPS * (self._decoded + looked) / 2)
        self._most = max(self._most, min(now, _STEPS - 1))
        self._progress(self._most, _STEPS)
