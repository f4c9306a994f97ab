"""Encoders that look at a video while it is read, and remember what they saw."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ..core.encoders.base import VideoEncoder
from ..core.encoders.cache import FeatureCache, cache_of
from ..core.encoders.video import encode_frames, encode_video
from ..core.media.masking import hold_last
from .border import Picture
from .parts import Watched
from .progress import progress_bar, stop_if_cancelled

_SLACK = 1e-6


@functools.cache
def features() -> FeatureCache:
    """What was seen since ComfyUI started; also on disk, where FOLEYSTAGE_CACHE names a folder."""
    return cache_of()


@dataclass(frozen=True)
class Eyes:
    """of(module): the encoders of a row's module, by request. snap: the seconds that a model makes
    for a take of so many."""

    of: Callable[[nn.Module], Mapping[str, VideoEncoder]]
    snap: Callable[[float], float]

    def look(
        self, module: nn.Module, picture: Picture, start: float, seconds: float, *, to_end: bool
    ) -> tuple[Watched, float]:
        """A window of a picture, and the seconds that it turned out to have, which may be less
        where all `to_end` is asked for: a file may hold less than it declares."""
        encoders = self.of(module)
        span = seconds

        def fit(counts: Mapping[str, int]) -> dict[str, int]:
            nonlocal span
            rates = {name: one.frame_request.fps for name, one in encoders.items()}
            if to_end:
                span = min(span, max(count / rates[name] for name, count in counts.items()))
            return {name: self._count(rate, span) for name, rate in rates.items()}

        first, read = picture.window(start, seconds)
        seen = encode_video(
            picture.source,
            encoders,
            start=first,
            seconds=read,
            fit=fit,
            cache=features(),
            progress=progress_bar(),
            cancelled=stop_if_cancelled,
        )
        streams = {name: stream.values for name, stream in seen.items()}
        return Watched(streams, self.snap(span)), span

    def watch(
        self,
        module: nn.Module,
        frames: Mapping[str, Tensor],
        seconds: float,
        cancelled: Callable[[], bool],
    ) -> Watched:
        """Frames in memory, of a picture that is masked."""
        streams = {}
        for name, encoder in self.of(module).items():
            count = self._count(encoder.frame_request.fps, seconds)
            held = hold_last(frames[name], count)[:count]
            seen = encode_frames(held, encoder, cache=features(), cancelled=cancelled)
            streams[name] = seen.values
        return Watched(streams, self.snap(seconds))

    def _count(self, rate: float, seconds: float) -> int:
        return int(rate * self.snap(seconds) + _SLACK)
