"""Encoders that look at a video while it is read, and remember what they saw."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ..core.encoders.base import VideoEncoder
from ..core.encoders.cache import FeatureCache, cache_of
from ..core.encoders.video import encode_frames, encode_video
from ..core.media import Timing, kept_frames, made_seconds
from ..core.media.masking import hold_last
from .border import Picture
from .progress import progress_bar, stop_if_cancelled
from .values import Watched


@functools.cache
def features() -> FeatureCache:
    """What was seen since ComfyUI started; also on disk, where FOLEYSTAGE_CACHE names a folder."""
    return cache_of()


@dataclass(frozen=True)
class Eyes:
    """of(module): the encoders of a row's module, by request. snap: the seconds that a model makes
    for a take of so many. still: the requests that a single picture tells something; still_seconds:
    how long its take is, where nothing is asked."""

    of: Callable[[nn.Module], Mapping[str, VideoEncoder]]
    snap: Callable[[float], float]
    still: tuple[str, ...] = ()
    still_seconds: float = 0.0

    def look(
        self,
        module: nn.Module,
        picture: Picture,
        start: float,
        seconds: float,
        *,
        to_end: bool,
        timing: Timing = "nearest",
    ) -> tuple[Watched, float]:
        """A window of a picture, and the seconds that it turned out to have, which may be less
        where all `to_end` is asked for: a file may hold less than it declares."""
        encoders = self.of(module)
        requests = {name: one.frame_request.timed(timing) for name, one in encoders.items()}
        span = made = seconds

        def fit(counts: Mapping[str, int]) -> dict[str, int]:
            nonlocal span, made
            if to_end:
                span = min(span, max(count / requests[k].fps for k, count in counts.items()))
            made = made_seconds(counts, requests, span)
            return kept_frames(counts, requests, self.snap(made), made=made)

        first, read = picture.window(start, seconds)
        seen = encode_video(
            picture.source,
            encoders,
            start=first,
            seconds=read,
            timing=timing,
            fit=fit,
            cache=features(),
            progress=progress_bar(),
            cancelled=stop_if_cancelled,
        )
        streams = {name: stream.values for name, stream in seen.items()}
        return Watched(streams, self.snap(made)), span

    def watch(
        self,
        module: nn.Module,
        frames: Mapping[str, Tensor],
        seconds: float,
        cancelled: Callable[[], bool],
    ) -> Watched:
        """Frames in memory, of a picture that is masked."""
        streams = {}
        encoders = self.of(module)
        requests = {name: one.frame_request for name, one in encoders.items()}
        counts = {name: len(frames[name]) for name in encoders}
        kept = kept_frames(counts, requests, self.snap(seconds))
        for name, encoder in encoders.items():
            held = hold_last(frames[name], kept[name])[: kept[name]]
            seen = encode_frames(held, encoder, cache=features(), cancelled=cancelled)
            streams[name] = seen.values
        return Watched(streams, self.snap(seconds))

    def glance(self, module: nn.Module, frames: Mapping[str, Tensor], seconds: float) -> Watched:
        """A single picture, uint8 [1, H, W, 3] by request, held for a take of `seconds`."""
        encoders = self.of(module)
        streams = {}
        for name in self.still:
            count = kept_frames({name: 1}, {name: encoders[name].frame_request}, self.snap(seconds))
            seen = encode_frames(frames[name], encoders[name], cache=features())
            streams[name] = seen.values.expand(1, count[name], -1)
        return Watched(streams, self.snap(seconds))
