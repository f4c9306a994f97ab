"""Frames by time stamp: one streaming pass feeds every rate and size that is asked for."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import av
import torch
from av.video.reformatter import Colorspace

from ..errors import Cancelled, FoleyError
from .probe import Orientation, average_fps, frame_orientation, shown_width
from .request import FrameRequest
from .resize import frame_geometry, resize
from .source import (
    ImageFrames,
    Source,
    clock_zero,
    decode,
    describe,
    lacks_times,
    open_media,
    require_picture,
    use_threads,
)
from .timing import FpsFilterPicker, NearestPicker, PublishedPicker, frame_count

log = logging.getLogger(__name__)

# Below this start, in seconds, decoding from the first frame is as fast as a jump.
_SEEK_FROM = 2.0
# A frame uint8 [H, W, 3], or [H, W] in gray, and how often it is taken in a row.
Sink = Callable[[torch.Tensor, int], None]

# A file that ends this much earlier than it states, in seconds, has lost its end.
_SHORT_OF = 0.5


@dataclass
class _Shot:
    """One source frame; its pixels are made when first asked for. time, seconds: start, length."""

    time: float
    seconds: float
    make: Callable[[], torch.Tensor]
    _pixels: torch.Tensor | None = None

    def pixels(self) -> torch.Tensor:
        """uint8 [H, W, 3] as shown."""
        if self._pixels is None:
            self._pixels = self.make()
        return self._pixels


class _Reader:
    """Hands the frames of one request to `sink` as they come."""

    def __init__(self, request: FrameRequest, seconds: float | None, sink: Sink) -> None:
        self.request = request
        self.sink = sink
        limit = None if seconds is None else frame_count(seconds, request.fps)
        self.picker: NearestPicker | PublishedPicker
        if request.timing == "published":
            self.picker = PublishedPicker(request.fps, seconds)
        elif request.timing == "fps filter":
            self.picker = FpsFilterPicker(request.fps, limit)
        else:
            self.picker = NearestPicker(request.fps, limit)

    def take(self, shot: _Shot, times: int, aspect: float) -> None:
        """Hands on `shot` as the next `times` frames. aspect: shown width of a stored pixel, which
        the published code takes for 1."""
        if times:
            aspect = 1.0 if self.request.timing == "published" else aspect
            self.sink(self._fit(shot.pixels(), aspect), times)

    def _fit(self, image: torch.Tensor, aspect: float) -> torch.Tensor:
        request = self.request
        height, width = image.shape[:2]
        tall, wide, top, left, height, width = frame_geometry(
            height, width * aspect, request.target, request.crop, request.shorter_side
        )
        image = resize(image, tall, wide, request.resample)
        image = image[top : top + height, left : left + width]
        if request.gray:
            weights = torch.tensor([0.299, 0.587, 0.114])
            image = (image.float() @ weights + 0.5).to(torch.uint8)
        return image


class _Collector:
    """Frames in memory that grows with them."""

    def __init__(self, request: FrameRequest, seconds: float | None) -> None:
        # Published timing may take one frame more.
        self._room = 64 if seconds is None else frame_count(seconds, request.fps) + 1
        self._frames = torch.empty(0)
        self._count = 0

    def __call__(self, image: torch.Tensor, times: int) -> None:
        if not self._count:
            self._frames = torch.empty((self._room, *image.shape), dtype=torch.uint8)
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
    start: float = 0.0,
    seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, torch.Tensor]:
    """Decodes `source` once and returns, by name, the frames of every request.

    Returns uint8 [T, H, W, 3], or [T, H, W] for a gray request. The rest is as in `pour_frames`.
    """
    check_window(start, seconds)
    sinks = {name: _Collector(request, seconds) for name, request in requests.items()}
    counts = pour_frames(
        source,
        requests,
        sinks,
        start=start,
        seconds=seconds,
        progress=progress,
        cancelled=cancelled,
    )
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
    Raises FoleyError when the source cannot be read or the window holds nothing, Cancelled when
    `cancelled()` says so.
    """
    check_window(start, seconds)
    readers = {key: _Reader(request, seconds, sinks[key]) for key, request in requests.items()}
    name = describe(source)
    if isinstance(source, ImageFrames):
        _feed(_image_shots(source, start), readers, start, seconds, 1.0, progress, cancelled, name)
    else:
        with open_media(source) as container:
            stream = require_picture(container, name)
            use_threads(stream)
            shots = _FileShots(container, stream, name).begin_at(start)
            aspect = _pixel_aspect(stream)
            _feed(shots, readers, start, seconds, aspect, progress, cancelled, name)
    counts = {key: reader.picker.taken for key, reader in readers.items()}
    missing = [key for key, count in counts.items() if not count]
    if missing:
        raise FoleyError(
            f"The window of {seconds:g} s is too short to hold a frame for {missing[0]}: make it "
            "longer."
            if seconds is not None
            else f"{name} ends before a frame for {missing[0]} could be taken: start earlier."
        )
    return counts


def check_window(start: float, seconds: float | None) -> None:
    """FoleyError unless start >= 0 and seconds is None or above 0."""
    if not (math.isfinite(start) and start >= 0):
        raise FoleyError(f"The window must start at 0 s or later, not at {start} s.")
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise FoleyError(f"The window must be longer than 0 s, not {seconds} s.")


def _feed(
    shots: Iterator[_Shot],
    readers: Mapping[str, _Reader],
    start: float,
    seconds: float | None,
    aspect: float,
    progress: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
    name: str,
) -> None:
    previous: _Shot | None = None
    for shot in shots:
        if cancelled is not None and cancelled():
            raise Cancelled()
        time = shot.time - start
        for reader in readers.values():
            before, now = reader.picker.see(time)
            if before and previous is not None:
                reader.take(previous, before, aspect)
            reader.take(shot, now, aspect)
        previous = shot
        if progress is not None and seconds is not None:
            progress(round(1000 * min(max(time, 0.0), seconds)), round(1000 * seconds))
        if all(reader.picker.done for reader in readers.values()):
            break
    if previous is None:
        raise FoleyError(
            f"{name} holds no picture that can be decoded: it is cut off or damaged; "
            "copy or export it again."
        )
    end = previous.time + previous.seconds
    if end <= start:
        raise FoleyError(
            f"The window starts at {start:g} s, but {name} ends at {end:.3f} s: start earlier."
        )
    left = end - start if seconds is None else min(seconds, end - start)
    for reader in readers.values():
        reader.take(previous, reader.picker.finish(left), aspect)
    if progress is not None:
        progress(round(1000 * left), round(1000 * left))


def _image_shots(source: ImageFrames, start: float) -> Iterator[_Shot]:
    first = max(0, math.floor(start * source.fps) - 1)
    for index in range(min(first, len(source.images) - 1), len(source.images)):
        yield _Shot(index / source.fps, 1 / source.fps, partial(_to_bytes, source, index))


def _to_bytes(source: ImageFrames, index: int) -> torch.Tensor:
    image = source.images[index, ..., :3].detach().cpu()
    if image.dtype == torch.uint8:
        return image.contiguous()
    if not torch.isfinite(image).all():
        raise FoleyError(f"Frame {index} of the image batch holds NaN or infinite values.")
    return (image.float() * 255 + 0.5).clamp(0, 255).to(torch.uint8).contiguous()


def _pixel_aspect(stream: av.VideoStream) -> float:
    width = stream.codec_context.width
    return shown_width(width, stream) / width if width else 1.0


def _upright(frame: av.VideoFrame, turn: Orientation) -> torch.Tensor:
    return turn(_to_rgb(frame))


class _FileShots:
    """The decoded frames of a file with their times, in seconds from the file's first picture."""

    def __init__(
        self, container: av.container.InputContainer, stream: av.VideoStream, name: str
    ) -> None:
        self._container = container
        self._stream = stream
        self._name = name
        self._zero = clock_zero(container)
        self._spacing = 1 / average_fps(stream)
        self._timed = not lacks_times(container, stream)

    def begin_at(self, start: float) -> Iterator[_Shot]:
        """Frames from the last keyframe at or before `start` on, or from an earlier one."""
        if start >= _SEEK_FROM and self._timed and self._stream.start_time is not None:
            target = math.floor((float(self._zero) + start) / self._stream.time_base)
            try:
                self._container.seek(target, stream=self._stream, backward=True)
                shots = self._walk()
                first = next(shots, None)
            except av.FFmpegError:
                first = None
            if first is not None and first.time <= start:
                yield first
                yield from shots
                return
            # The jump landed late or nowhere: files without a good index are read from the start.
            self._container.seek(self._stream.start_time, stream=self._stream, backward=True)
        yield from self._walk()

    def _walk(self) -> Iterator[_Shot]:
        turn = None
        time = None
        for frame in decode(self._container, self._stream, self._name):
            if turn is None:
                turn = frame_orientation(frame)
            if frame.pts is not None and self._timed:
                now = float(frame.pts * frame.time_base - self._zero)
            else:
                now = 0.0 if time is None else time + self._spacing
            if time is not None and now <= time:
                continue
            time = now
            length = float((getattr(frame, "duration", 0) or 0) * frame.time_base)
            yield _Shot(now, length or self._spacing, partial(_upright, frame, turn))
        if time is not None:
            self._check_end(time + self._spacing)

    def _check_end(self, end: float) -> None:
        stated = float((self._stream.duration or 0) * self._stream.time_base)
        if stated > end + _SHORT_OF:
            log.warning(
                "%s ends at %.2f s although it states %.2f s: it is cut off",
                self._name,
                end,
                stated,
            )


def _to_rgb(frame: av.VideoFrame) -> torch.Tensor:
    # Naming a target matrix makes every PyAV look at the one that the file states; RGB has none.
    picture = frame.reformat(format="rgb24", dst_colorspace=Colorspace.ITU601)
    return torch.from_numpy(picture.to_ndarray())
