"""A clip to streams: one decoding pass feeds every encoder its own rate and size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial

from torch import Tensor

from ..errors import CancelCheck
from ..media import Source, Timing, pour_frames
from .base import Features, Progress, VideoEncoder, check_frames
from .cache import FeatureCache
from .streaming import CHUNK, LazyEncoder, StreamingEncoder

# Small frames that are held, of all encoders together, before they are encoded: about 17 s of
# what CLIP and Synchformer take. A shorter clip is encoded by one encoder after another, so that
# the memory of one suffices.
HOLD = 128 << 20
_STEPS = 1000
HELD_SECONDS = 0.25  # to both sides of what is not to be seen

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
    hold: int = HOLD,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> dict[str, Features]:
    """The streams of a window of a clip, by the names of `encoders`.

    Frames are let go once they are encoded, so memory grows with the features alone.

    start, seconds: window in seconds; None reads to the end. timing: which source frame stands for
    an instant. fit(counts): how many frames each stream is to have, given how many were read: more
    repeat the last, fewer by up to a second are cut off. hold: bytes of frames that wait.
    progress(step, total): thousandths, the first half decoding.
    Raises FoleyError for what cannot be read or encoded, Cancelled.
    """
    running: dict[str, StreamingEncoder] = {}
    report = _Progress(running, progress)
    with ExitStack() as stack:
        for name, encoder in encoders.items():
            one = StreamingEncoder(
                encoder,
                cache=cache,
                # What may not wait is encoded in pieces that are smaller.
                chunk=min(CHUNK, hold // len(encoders)),
                done=report.encoded,
                cancelled=cancelled,
            )
            running[name] = stack.enter_context(closing(one))
        requests = {k: one.layout.frame_request.timed(timing) for k, one in running.items()}
        if seconds is not None:
            for name, one in running.items():
                count = max(1, round(seconds * requests[name].fps))
                report.windows += len(one.layout.windows(count))
        counts = pour_frames(
            source,
            requests,
            {name: partial(_take, one, running.values(), hold) for name, one in running.items()},
            start=start,
            seconds=seconds,
            progress=report.decoded,
            cancelled=cancelled,
        )
        wanted = counts if fit is None else fit(counts)
        streams = {name: one.finish(wanted[name]) for name, one in running.items()}
    if progress is not None:
        progress(_STEPS, _STEPS)
    return streams


def encode_frames(
    frames: Tensor,
    encoder: VideoEncoder | LazyEncoder,
    *,
    cache: FeatureCache | None = None,
    cancelled: CancelCheck | None = None,
) -> Features:
    """The features of frames in memory, uint8 [T, H, W, 3], or what the cache has of them."""
    with closing(StreamingEncoder(encoder, cache=cache, cancelled=cancelled)) as running:
        check_frames(running.layout, frames)
        for frame in frames:
            running.add(frame)
        return running.finish()


def _take(
    own: StreamingEncoder, every: Iterable[StreamingEncoder], hold: int, frame: Tensor, times: int
) -> None:
    own.add(frame, times)
    if sum(one.held for one in every) > hold:
        for one in every:
            one.advance()


class _Progress:
    """Progress of decoding and encoding, which go on together, as one that only rises.

    windows: of all encoders, 0 where the length of the clip is not known.
    """

    def __init__(self, running: Mapping[str, StreamingEncoder], progress: Progress | None) -> None:
        self.windows = 0
        self._running, self._progress = running, progress
        self._decoded, self._most = 0.0, 0

    def decoded(self, step: int, total: int) -> None:
        self._decoded = step / max(1, total)
        self.encoded()

    def encoded(self) -> None:
        encoded = sum(one.encoded for one in self._running.values())
        share = min(1.0, encoded / self.windows) if self.windows else 0.0
        now = round(_STEPS * (self._decoded + share) / 2)
        self._most = max(self._most, min(now, _STEPS - 1))
        if self._progress is not None:
            self._progress(self._most, _STEPS)


def held(values: Tensor, rate: float, each: int, times: Sequence[float]) -> Tensor:
    """Features `[1, N, D]`, `each` of a moment and `rate` moments a second, in which those around
    some times, in seconds, are as the moment before."""
    moments = values.unflatten(1, (-1, each)).clone()
    for time in times:
        first, last = (round((time + side) * rate) for side in (-HELD_SECONDS, HELD_SECONDS))
        first, last = max(first, 0), min(last, moments.shape[1])
        if first < last and (first or last < moments.shape[1]):
            moments[:, first:last] = moments[:, [first - 1 if first else last]]
    return moments.flatten(1, 2)
