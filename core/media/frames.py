"""Frames by time stamp: one streaming pass feeds every rate and size that is asked for."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import repeat
from typing import Any

import av
import torch
from av.video.reformatter import Colorspace

from ..errors import FoleyError, stop_if
from .limits import check_still
from .masking import part_of
from .probe import Orientation, average_fps, frame_orientation, shown_width
from .request import FrameRequest, check_window
from .resize import frame_geometry, resize
from .source import ImageFrames, Media, Source, describe, open_media, to_bytes, undecodable
from .timing import PICKERS, frame_count

log = logging.getLogger(__name__)

# Below this start, in seconds, decoding from the first frame is as fast as a jump.
_SEEK_FROM = 2.0
# A frame uint8 [H, W, 3], or [H, W] in gray, and how often it is taken in a row.
Sink = Callable[[torch.Tensor, int], None]

# A file that ends this much earlier than it states, in seconds, has lost its end.
_SHORT_OF = 0.5
# Decoder threads; each holds a full-size frame.
_MOST_THREADS = 8


@dataclass
class Shot:
    """One source frame. time, seconds: when it starts in the file, and its length; aspect: shown
    width of a stored pixel; make: its pixels, uint8 [H, W, 3] as shown."""

    time: float
    seconds: float
    make: Callable[[], torch.Tensor]
    aspect: float = 1.0

    @cached_property
    def pixels(self) -> torch.Tensor:
        return self.make()


class FrameReader:
    """Picks and fits the frames of one request."""

    def __init__(self, request: FrameRequest, seconds: float | None) -> None:
        self.request = request
        self.picker = PICKERS[request.timing](request.fps, seconds)

    def fit(self, shot: Shot) -> torch.Tensor:
        """uint8 [height, width, 3], or [height, width] in gray."""
        request, image = self.request, shot.pixels
        if request.view is not None:
            image = part_of(image, request.view)
        height, width = image.shape[:2]
        # The published code takes every pixel for a square.
        aspect = 1.0 if request.timing == "published" else shot.aspect
        tall, wide, top, left, height, width = frame_geometry(
            height, width * aspect, request.target, request.crop, request.shorter_side
        )
        image = resize(image, tall, wide, request.resample)
        image = image[top : top + height, left : left + width]
        if request.gray:
            weights = torch.tensor([0.299, 0.587, 0.114])
            image = (image.float() @ weights + 0.5).to(torch.uint8)
        return image


class Collector:
    """Frames in memory that grows with them."""

    def __init__(self, request: FrameRequest, seconds: float | None) -> None:
        self._fps, self._seconds = request.fps, seconds
        self._frames = torch.empty(0)
        self._count = 0

    def __call__(self, image: torch.Tensor, times: int) -> None:
        if not self._count:
            # Published timing may take one frame more.
            room = 64 if self._seconds is None else frame_count(self._seconds, self._fps) + 1
            self._frames = torch.empty((room, *image.shape), dtype=torch.uint8)
        while self._count + times > len(self._frames):
            self._frames = torch.cat([self._frames, torch.empty_like(self._frames)])
        self._frames[self._count : self._count + times] = image
        self._count += times

    def result(self, count: int) -> torch.Tensor:
        """The first `count` frames."""
        frames = self._frames[:count]
        # A tail that was never filled is not worth keeping alive.
        return frames if 2 * len(frames) > len(self._frames) else frames.clone()


def read_frames(
    source: Source,
    requests: Mapping[str, FrameRequest],
    *,
    seconds: float | None = None,
    **options: Any,
) -> dict[str, torch.Tensor]:
    """Decodes `source` once and returns, by name, the frames of every request.

    Returns uint8 [T, H, W, 3], or [T, H, W] for a gray request. options: start, progress and
    cancelled; these and the rest are as in `pour_frames`.
    """
    sinks = {name: Collector(request, seconds) for name, request in requests.items()}
    counts = pour_frames(source, requests, sinks, seconds=seconds, **options)
    return {name: sink.result(counts[name]) for name, sink in sinks.items()}


def pour_frames(
    source: Source,
    requests: Mapping[str, FrameRequest],
    sinks: Mapping[str, Sink],
    *,
    start: float = 0.0,
    seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, int]:
    """Decodes `source` once and hands every request's frames to its sink as they come.

    start, seconds: the window, in seconds from the first picture; None reads to the end. A window
    that reaches past the end is cut to what there is. A request gets round(window seconds * fps)
    frames, at least one; with timing "published" one for each n / fps that a frame of the window
    reaches, of which `request.kept_frames` cuts the rest.
    Returns how many frames each request has: one less than its sink got where the last instant
    turned out to lie too close to the end.
    progress(step, total): milliseconds of the window (without `seconds`, at the end only). Only
    frames that a request takes are converted, and one full-size frame at most is kept.

    Raises:
        FoleyError: a source that cannot be read, a window that holds nothing.
        Cancelled: `cancelled()` said so.
    """
    check_window(start, seconds)
    readers = {name: FrameReader(request, seconds) for name, request in requests.items()}
    with closing(_read(source, readers, start, seconds, progress, cancelled)) as frames:
        for name, frame, times in frames:
            sinks[name](frame, times)
    return {name: reader.picker.taken for name, reader in readers.items()}


def stream_frames(
    source: Source, request: FrameRequest, *, start: float = 0.0, seconds: float | None = None
) -> Generator[torch.Tensor, None, None]:
    """The frames that `pour_frames` hands on for one request, decoded as they are asked for.

    It is a generator, whose `close` closes the source.
    """
    check_window(start, seconds)
    readers = {"frames": FrameReader(request, seconds)}
    with closing(_read(source, readers, start, seconds)) as frames:
        for _, frame, times in frames:
            yield from repeat(frame, times)


def _read(
    source: Source,
    readers: Mapping[str, FrameReader],
    start: float,
    seconds: float | None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Generator[tuple[str, torch.Tensor, int], None, None]:
    """Frames as they come: name of the reader, frame, how often it is taken in a row."""
    clip = describe(source)
    with closing(read_shots(source, start)) as shots:
        previous: Shot | None = None
        for shot in shots:
            stop_if(cancelled)
            time = shot.time - start
            for name, reader in readers.items():
                before, now = reader.picker.advance(time)
                if before and previous is not None:
                    yield name, reader.fit(previous), before
                if now:
                    yield name, reader.fit(shot), now
            previous = shot
            if progress is not None and seconds is not None:
                progress(round(1000 * min(max(time, 0.0), seconds)), round(1000 * seconds))
            if all(reader.picker.done for reader in readers.values()):
                break
        if previous is None:
            raise undecodable(clip)
        end = previous.time + previous.seconds
        if end <= start:
            raise FoleyError(
                f"The window starts at {start:g} s, but {clip} ends at {end:.3f} s: start earlier."
            )
        left = end - start if seconds is None else min(seconds, end - start)
        check_still(start + left - previous.time, previous.time, clip)
        for name, reader in readers.items():
            if after := reader.picker.finish(left):
                yield name, reader.fit(previous), after
    if progress is not None:
        progress(round(1000 * left), round(1000 * left))
    for name, reader in readers.items():
        if reader.picker.taken:
            continue
        raise FoleyError(
            f"The window of {seconds:g} s is too short to hold a frame for {name}: make it longer."
            if seconds is not None
            else f"{clip} ends before a frame for {name} could be taken: start earlier."
        )


def read_shots(source: Source, start: float) -> Generator[Shot, None, None]:
    """The frames of `source` from the one shown at `start`, or an earlier one, on."""
    if isinstance(source, ImageFrames):
        count = len(source.images)
        for index in range(max(0, min(math.floor(start * source.fps), count) - 1), count):
            make = partial(to_bytes, source.images[index], f"Frame {index} of the image batch")
            yield Shot(index / source.fps, 1 / source.fps, make)
        return
    with open_media(source) as media:
        yield from _file_shots(media, start)


def _file_shots(media: Media, start: float) -> Iterator[Shot]:
    """Frames from the last keyframe at or before `start` on, or from an earlier one."""
    stream, container = media.picture, media.container
    stream.codec_context.thread_type = "AUTO"  # several frames at once
    stream.codec_context.thread_count = min(os.cpu_count() or 1, _MOST_THREADS)
    timed = not media.lacks_times
    if start >= _SEEK_FROM and timed and stream.start_time is not None:
        target = math.floor((float(media.zero) + start) / stream.time_base)
        try:
            container.seek(target, stream=stream, backward=True)
            shots = _walk(media, timed)
            first = next(shots, None)
        except av.FFmpegError:
            first = None
        if first is not None and first.time <= start:
            yield first
            yield from shots
            return
        # The jump landed late or nowhere: files without a good index are read from the start.
        container.seek(stream.start_time, stream=stream, backward=True)
    yield from _walk(media, timed)


def _walk(media: Media, timed: bool) -> Iterator[Shot]:
    """Frames from the present position on. timed: by their own time stamps."""
    stream = media.picture
    spacing, width = 1 / average_fps(stream), stream.codec_context.width
    aspect = shown_width(width, stream) / width if width else 1.0
    turn, time = None, None
    for frame in media.decode(stream):
        if turn is None:
            turn = frame_orientation(frame)
            # Without a first time stamp pictures are counted, as `mux` does.
            timed = timed and frame.pts is not None
        if frame.pts is not None and timed:
            now = float(frame.pts * frame.time_base - media.zero)
        else:
            now = 0.0 if time is None else time + spacing
        if time is not None and now <= time:
            continue
        if time is not None:
            check_still(now - time, time, media.name)
        time = now
        length = float((getattr(frame, "duration", 0) or 0) * frame.time_base)
        yield Shot(now, length or spacing, partial(_to_rgb, frame, turn), aspect)
    stated = float((stream.duration or 0) * stream.time_base)
    if time is not None and stated > time + spacing + _SHORT_OF:
        log.warning(
            "%s ends at %.2f s although it states %.2f s: it is cut off",
            media.name,
            time + spacing,
            stated,
        )


def _to_rgb(frame: av.VideoFrame, turn: Orientation) -> torch.Tensor:
    # Naming a target matrix makes every PyAV use the one that the file states; RGB has none.
    picture = frame.reformat(format="rgb24", dst_colorspace=Colorspace.ITU601)
    return turn(torch.from_numpy(picture.to_ndarray()))
