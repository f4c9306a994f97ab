"""What a video is, without reading it through."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction

import av
import torch

from .limits import known_frame_rate
from .source import ImageFrames, Media, Source, open_media, undecodable

_DEFAULT_FPS = 25.0
# Pixels that are this little off square are square: 448:447 is a rounded width, not a shape.
_SQUARE_ENOUGH = 0.01
_MOST_STRETCHED = 10  # times that a pixel is wider than high, or the other way round
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
    """How stored pixels become shown ones: rows and columns swapped first, then axes flipped."""

    swap: bool = False
    flips: tuple[int, ...] = ()
    degrees: int = 0

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """uint8 [H, W, 3] as stored to [H, W, 3] as shown."""
        image = image.transpose(0, 1) if self.swap else image
        return (image.flip(self.flips) if self.flips else image).contiguous()


def frame_orientation(frame: av.VideoFrame) -> Orientation:
    """From the display matrix (ISO 14496-12, tkhd) that rides on a decoded frame."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV does not know all kinds that FFmpeg has, such as the EXIF of a TIFF
        matrix = None
    if matrix is None:
        return Orientation()
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    degrees = round(-math.degrees(math.atan2(b, a)) / 90) * 90 % 360
    swap = abs(a) < abs(b)
    down, right = (b, c) if swap else (d, a)
    return Orientation(swap, tuple(axis for axis in (0, 1) if (down, right)[axis] < 0), degrees)


def probe(source: Source) -> VideoInfo:
    """Opens `source` and decodes its first picture.

    Raises:
        FoleyError: a file that cannot be opened, without a picture, or with none to be decoded.
    """
    if isinstance(source, ImageFrames):
        count, height, width, _ = source.images.shape
        return VideoInfo(count / source.fps, source.fps, width, height, False, None, 0)
    with open_media(source) as media:
        stream, sound = media.picture, media.find_sound()
        seconds, fps = stated_seconds(media, stream), average_fps(stream)
        rate = sound.codec_context.sample_rate if sound is not None else None
        frame = next(media.decode(stream), None)
        if frame is None:
            raise undecodable(media.name)
        orientation = frame_orientation(frame)
        height, width = frame.height, shown_width(frame.width, stream)
        if orientation.swap:
            height, width = width, height
    seconds = seconds or _counted_seconds(source, fps)
    return VideoInfo(seconds, fps, width, height, bool(rate), rate or None, orientation.degrees)


def shown_width(width: int, stream: av.VideoStream) -> int:
    """Width in square pixels of a stored width, by the stream's pixel aspect ratio; ratios within
    1 % of 1 count as 1."""
    ratio = stream.sample_aspect_ratio
    believed = ratio and 1 / _MOST_STRETCHED <= ratio <= _MOST_STRETCHED
    if not believed or abs(ratio - 1) <= _SQUARE_ENOUGH:
        return width
    return max(1, round(width * ratio))


def average_fps(stream: av.VideoStream) -> float:
    """Average frames a second; 25 where nothing is known."""
    rates = (float(rate or 0) for rate in (stream.average_rate, stream.guessed_rate))
    return next((rate for rate in rates if known_frame_rate(rate)), _DEFAULT_FPS)


def stated_seconds(media: Media, stream: av.stream.Stream) -> float:
    """Length of a stream as its file has it; 0 where it does not say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    tag = stream.metadata.get("DURATION", "")  # Matroska's per-track length, hh:mm:ss.fraction
    try:
        hours, minutes, seconds = tag.split(":")
        return max(0.0, int(hours) * 3600 + int(minutes) * 60 + float(seconds) - float(media.zero))
    except (ValueError, OverflowError):
        return (media.container.duration or 0) / av.time_base


def sound_seconds(source: Source) -> float:
    """Length of the first sound track as its file states it, or 0 where it does not say. Raises
    FoleyError for a file that cannot be opened, or has none."""
    with open_media(source) as media:
        return stated_seconds(media, media.sound)


def _counted_seconds(source: Source, fps: float) -> float:
    """Length by walking the packets, for files whose header does not say it."""
    end, count = Fraction(0), 0
    with open_media(source) as media:
        for packet in media.packets(media.picture):
            count += 1
            if packet.pts is not None:
                ends = (packet.pts + (packet.duration or 0)) * packet.time_base
                end = max(end, ends - media.zero)
    return float(end) if end else count / fps
