"""What a video is, without reading it through."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

import av
import torch

from ..errors import FoleyError
from .source import (
    ImageFrames,
    Source,
    clock_zero,
    decode,
    describe,
    open_media,
    require_picture,
    sound_stream,
)

_DEFAULT_FPS = 25.0
# Pixels that are this little off square are square: 448:447 is a rounded width, not a shape.
_SQUARE_ENOUGH = 0.01


_PICTURE = 1.5  # frames below which a video is a picture


@dataclass(frozen=True)
class VideoInfo:
    """seconds: length of the picture; fps: average frames a second; width, height: pixels as shown,
    after rotation; audio_rate: Hz, None without sound; rotation: degrees counter-clockwise (0, 90,
    180, 270) by which the stored frames are turned before they are shown."""

    seconds: float
    fps: float
    width: int
    height: int
    has_audio: bool
    audio_rate: int | None
    rotation: int

    @property
    def is_picture(self) -> bool:
        """Whether it is a single frame, in which nothing moves."""
        return self.seconds * self.fps < _PICTURE


@dataclass(frozen=True)
class Orientation:
    """How stored pixels become shown ones: transpose first, then flips."""

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False
    degrees: int = 0

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """uint8 [H, W, 3] as stored to [H, W, 3] as shown."""
        if self.transpose:
            image = image.transpose(0, 1)
        flips = [axis for axis, flip in enumerate((self.flip_rows, self.flip_columns)) if flip]
        return (image.flip(flips) if flips else image).contiguous()


def frame_orientation(frame: av.VideoFrame) -> Orientation:
    """From the display matrix (ISO 14496-12, tkhd) that rides on a decoded frame."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    degrees = round(-math.degrees(math.atan2(b, a)) / 90) * 90 % 360
    if abs(a) >= abs(b):
        return Orientation(False, d < 0, a < 0, degrees)
    return Orientation(True, b < 0, c < 0, degrees)


def probe(source: Source) -> VideoInfo:
    """Opens `source` and decodes its first picture.

    Raises FoleyError when the file cannot be opened, holds no picture, or its first picture cannot
    be decoded.
    """
    if isinstance(source, ImageFrames):
        count, height, width, _ = source.images.shape
        return VideoInfo(count / source.fps, source.fps, width, height, False, None, 0)
    name = describe(source)
    with open_media(source) as container:
        stream = require_picture(container, name)
        zero = clock_zero(container)
        seconds = _declared_seconds(container, stream, zero)
        fps = average_fps(stream)
        sound = sound_stream(container)
        rate = sound.codec_context.sample_rate if sound is not None else None
        frame = next(decode(container, stream, name), None)
        if frame is None:
            raise FoleyError(
                f"{name} holds no picture that can be decoded: it is cut off or damaged; "
                "copy or export it again."
            )
        orientation = frame_orientation(frame)
        height, width = frame.height, shown_width(frame.width, stream)
        if orientation.transpose:
            height, width = width, height
    seconds = seconds or _counted_seconds(source, fps)
    return VideoInfo(seconds, fps, width, height, bool(rate), rate or None, orientation.degrees)


def shown_width(width: int, stream: av.VideoStream) -> int:
    """Width in square pixels of a stored width, by the stream's pixel aspect ratio; ratios within
    1 % of 1 count as 1."""
    ratio = stream.sample_aspect_ratio
    if not ratio or abs(ratio - 1) <= _SQUARE_ENOUGH:
        return width
    return max(1, round(width * ratio))


def average_fps(stream: av.VideoStream) -> float:
    """Average frames a second; 25 where nothing is known."""
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else _DEFAULT_FPS


def _declared_seconds(
    container: av.container.InputContainer, stream: av.VideoStream, zero: Fraction
) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    tag = stream.metadata.get("DURATION", "")  # Matroska's per-track length, hh:mm:ss.fraction
    try:
        hours, minutes, seconds = tag.split(":")
        return max(0.0, int(hours) * 3600 + int(minutes) * 60 + float(seconds) - float(zero))
    except ValueError:
        pass
    return container.duration / av.time_base if container.duration else 0.0


def _counted_seconds(source: Source, fps: float) -> float:
    """Length by walking the packets, for files whose header does not say it."""
    end, count = Fraction(0), 0
    with open_media(source) as container:
        stream, zero = require_picture(container, describe(source)), clock_zero(container)
        for packet in container.demux(stream):
            count += packet.size > 0
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * stream.time_base - zero)
    return float(end) if end else count / fps
