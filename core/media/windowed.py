"""Frames of overlapping windows of one video, which is decoded once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing

import torch

from ..errors import stop_if
from .frames import Collector, FrameReader, Shot, read_shots
from .limits import check_still
from .request import FrameRequest
from .source import Source, describe, undecodable

Frames = dict[str, torch.Tensor]


class _Window:
    """The frames of one window, collected as the pictures pass by."""

    def __init__(self, requests: Mapping[str, FrameRequest], start: float, stop: float) -> None:
        self.start, self.seconds = start, stop - start
        self._readers = {k: FrameReader(request, self.seconds) for k, request in requests.items()}
        self._sinks = {k: Collector(request, self.seconds) for k, request in requests.items()}
        self._previous: Shot | None = None

    @property
    def done(self) -> bool:
        return all(reader.picker.done for reader in self._readers.values())

    def add(self, shot: Shot) -> None:
        for name, reader in self._readers.items():
            before, now = reader.picker.advance(shot.time - self.start)
            if before and self._previous is not None:
                self._sinks[name](reader.fit(self._previous), before)
            if now:
                self._sinks[name](reader.fit(shot), now)
        self._previous = shot

    def finish(self, end: float) -> None:
        """The pictures end at `end` seconds."""
        for name, reader in self._readers.items():
            after = reader.picker.finish(min(self.seconds, end - self.start))
            if after and self._previous is not None:
                self._sinks[name](reader.fit(self._previous), after)

    def frames(self) -> Frames:
        return {
            name: sink.result(self._readers[name].picker.taken)
            for name, sink in self._sinks.items()
        }


def read_windows(
    source: Source,
    requests: Mapping[str, FrameRequest],
    times: Sequence[tuple[float, float]],
    *,
    cancelled: Callable[[], bool] | None = None,
) -> Generator[Frames, None, None]:
    """The frames of each window, by name, as `read_frames` gives them.

    times: (start, stop) in seconds from the first picture; neither may go back from one window to
    the next. The source is read on as windows are asked for, and no more is held than the frames
    of the windows that overlap. A window that starts after the end has none and ends the rest.

    Raises:
        FoleyError: as `read_frames`. Cancelled: `cancelled()` said so.
    """
    clip, waiting = describe(source), deque(times)
    open_: deque[_Window] = deque()
    previous: Shot | None = None
    with closing(read_shots(source, times[0][0])) as shots:
        for shot in shots:
            stop_if(cancelled)
            while waiting and waiting[0][0] <= shot.time:
                window = _Window(requests, *waiting.popleft())
                if previous is not None:
                    window.add(previous)
                open_.append(window)
            for window in open_:
                window.add(shot)
            previous = shot
            while open_ and open_[0].done:
                yield open_.popleft().frames()
            if not (open_ or waiting):
                return
    if previous is None:
        raise undecodable(clip)
    end = previous.time + previous.seconds
    while waiting and waiting[0][0] < end:
        window = _Window(requests, *waiting.popleft())
        window.add(previous)
        open_.append(window)
    for window in open_:
        left = min(window.start + window.seconds, end)
        check_still(left - previous.time, previous.time, clip)
        window.finish(end)
        yield window.frames()
