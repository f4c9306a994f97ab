"""Where pictures and sound come from: files, file-like objects and frame batches."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Union

import av
import torch

from ..errors import FoleyError

log = logging.getLogger(__name__)

# Demuxers that make a "picture" of files that hold none: plain text becomes terminal art.
_NOT_MEDIA = {"tty", "bin", "xbin", "adf", "idf"}
_MAX_DECODER_THREADS = 8


@dataclass(frozen=True)
class ImageFrames:
    """Pictures without a file. images: float [T, H, W, 3], 0..1; fps: frames a second."""

    images: torch.Tensor
    fps: float

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[-1] not in (3, 4) or not len(self.images):
            raise FoleyError(
                "The image batch must be [frames, height, width, 3] with at least one frame, not "
                f"{list(self.images.shape)}."
            )
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise FoleyError(f"The image batch needs a frame rate above 0, not {self.fps}.")


Source = Union[str, "os.PathLike[str]", BinaryIO, ImageFrames]


def describe(source: Source) -> str:
    """How a message calls `source`."""
    if isinstance(source, ImageFrames):
        return "the image batch"
    if isinstance(source, (str, os.PathLike)):
        return f"'{os.fspath(source)}'"
    name = getattr(source, "name", None)
    return f"'{name}'" if isinstance(name, str) else "the given file"


@contextlib.contextmanager
def open_media(source: Source) -> Iterator[av.container.InputContainer]:
    """Opens a path or a binary file-like object with PyAV.

    A file-like object is rewound first and stays open. Raises FoleyError, one sentence for each of:
    missing, directory, no permission, empty, cut off before its index, not media.
    """
    name = describe(source)
    path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
    head = _head_of_stream(source, name) if path is None else _head_of_path(Path(path), name)
    try:
        # An absolute path cannot be mistaken for a network address or a protocol.
        target = source if path is None else os.path.abspath(path)
        container = av.open(target, metadata_errors="replace", options={"fflags": "+genpts"})
    except (av.FFmpegError, ValueError) as error:
        raise FoleyError(_unreadable(name, head)) from error
    try:
        if container.format.name in _NOT_MEDIA:
            raise FoleyError(_unreadable(name, head))
        yield container
    finally:
        container.close()


def _head_of_path(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            raise FoleyError(f"{name} is a folder: give the video or sound file inside it.")
        with open(path, "rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise FoleyError(f"There is no file {name}: check the path.") from None
    except PermissionError:
        raise FoleyError(f"{name} may not be read: check its permissions.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FoleyError(f"{name} cannot be opened ({reason}): check the path.") from None
    if not head:
        raise FoleyError(f"{name} is empty: copy or export it again.")
    return head


def _head_of_stream(source: Any, name: str) -> bytes:
    if not hasattr(source, "read") or not hasattr(source, "seek"):
        raise FoleyError(
            f"A video must be a path, a seekable binary file or an image batch, not {type(source)}."
        )
    source.seek(0)
    head = source.read(16)
    source.seek(0)
    if not isinstance(head, bytes):
        raise FoleyError(f"{name} is open as text: open it in binary mode.")
    if not head:
        raise FoleyError(f"{name} is empty: copy or export it again.")
    return head


def _unreadable(name: str, head: bytes) -> str:
    known = head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
    known = known or head[:4] in (b"\x1aE\xdf\xa3", b"RIFF", b"OggS", b"fLaC")
    if known:
        return (
            f"{name} is cut off or damaged beyond use: its index is missing or broken; "
            "copy or export it again."
        )
    return f"{name} is not a video or sound file that can be read: give a media file."


def picture_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The stream that holds the moving picture; cover art of a song is none."""
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    return streams[0] if streams else None


def require_picture(container: av.container.InputContainer, name: str) -> av.VideoStream:
    """The picture stream, or FoleyError when there is none or no decoder for it."""
    stream = picture_stream(container)
    if stream is None:
        if container.streams.audio:
            raise FoleyError(f"{name} holds sound but no picture: give a video.")
        raise FoleyError(f"{name} holds no picture: give a video.")
    if stream.codec_context is None:
        raise FoleyError(f"{name} uses a video codec that cannot be decoded: convert it to H.264.")
    return stream


def sound_stream(container: av.container.InputContainer) -> av.AudioStream | None:
    """The first sound track that can be decoded."""
    return next((s for s in container.streams.audio if s.codec_context is not None), None)


def clock_zero(container: av.container.InputContainer) -> Fraction:
    """The time stamp, in seconds, that counts as 0: the first picture, else the first sound."""
    stream = picture_stream(container) or sound_stream(container)
    if stream is None or stream.start_time is None:
        return Fraction(0)
    return stream.start_time * stream.time_base


def lacks_times(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> bool:
    """AVI stores no time stamps, and with B-frames its order is not that of showing."""
    return container.format.name == "avi" and bool(stream.codec_context.has_b_frames)


def use_threads(stream: av.stream.Stream) -> None:
    """Decode several frames at once, with a bound on how many lie in memory."""
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.thread_count = min(os.cpu_count() or 1, _MAX_DECODER_THREADS)


def decode(
    container: av.container.InputContainer, stream: av.stream.Stream, name: str
) -> Iterator[av.frame.Frame]:
    """Decoded frames of `stream` from the present position on; damage is logged and skipped."""
    faults = 0
    packets = container.demux(stream)
    try:
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError):
                faults += 1
                packet = None
            try:
                frames = stream.codec_context.decode(packet)
            except av.FFmpegError as error:
                # A decoder that was flushed already says so on the second flush.
                faults += not isinstance(error, av.error.EOFError)
                frames = []
            yield from frames
            if packet is None:
                return
    finally:
        if faults:
            log.warning(
                "%s is damaged: %d parts could not be decoded and are left out", name, faults
            )
