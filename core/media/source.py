"""Where pictures and sound come from: files, file-like objects and frame batches."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, BinaryIO, Union

import av
import torch

from ..errors import FoleyError
from .limits import MOST_PIXELS, check_frame_rate, check_pixels, check_sample_rate
from .opening import open_container

log = logging.getLogger(__name__)

_UNTIMED = {"avi", "h261", "h263", "h264", "hevc", "vvc", "m4v", "mpegvideo", "vc1", "dirac"}


@dataclass(frozen=True)
class ImageFrames:
    """Pictures without a file. images: float [T, H, W, 3], 0..1; fps: frames a second."""

    images: torch.Tensor
    fps: float

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[-1] not in (3, 4) or not self.images.numel():
            raise FoleyError(
                "The image batch must be [frames, height, width, 3] with at least one frame and "
                f"pixel, not {list(self.images.shape)}."
            )
        check_frame_rate(self.fps, "The image batch")


Source = Union[str, "os.PathLike[str]", BinaryIO, ImageFrames]


def to_bytes(image: torch.Tensor, name: str) -> torch.Tensor:
    """A picture [H, W, 3 or 4], uint8 or float 0..1, as contiguous uint8 [H, W, 3]. Raises
    FoleyError, which calls it `name`, for NaN and infinite values."""
    image = image[..., :3].detach().cpu()
    if image.dtype != torch.uint8:
        if not torch.isfinite(image).all():
            raise FoleyError(f"{name} holds NaN or infinite values.")
        image = (image.float() * 255 + 0.5).clamp(0, 255).to(torch.uint8)
    return image.contiguous()


def file_name(source: Any) -> str | None:
    """The path of a file, open or not; None where it has none."""
    name = source if isinstance(source, (str, os.PathLike)) else getattr(source, "name", None)
    return os.fspath(name) if isinstance(name, (str, os.PathLike)) else None


def describe(source: Source) -> str:
    """How a message calls `source`."""
    if isinstance(source, ImageFrames):
        return "the image batch"
    name = file_name(source)
    return "the given file" if name is None else f"'{name}'"


# What helps where a picture cannot be copied: the command line's option, and the node's.
ENCODE_ANEW = "encode it anew (--picture h264, or picture of Foley Mux)"


def untimed(name: str) -> FoleyError:
    """What to raise for a video whose pictures cannot be copied in the order of showing."""
    return FoleyError(f"{name} does not say when its pictures are shown: {ENCODE_ANEW}.")


def undecodable(name: str) -> FoleyError:
    """What to raise for a video of which no picture could be decoded."""
    return FoleyError(
        f"{name} holds no picture that can be decoded: it is cut off, damaged or larger than "
        f"{MOST_PIXELS / 1e6:.0f} million pixels; copy or export it again."
    )


class Decoder:
    """Decodes one stream, packet by packet; what is damaged is left out and counted."""

    def __init__(self, stream: av.stream.Stream, name: str) -> None:
        self._stream, self._name = stream, name
        self._faults = 0

    def __call__(self, packet: av.Packet | None) -> list:
        """The frames that `packet` completes; None: the stream has ended."""
        if packet is None:
            packet = av.Packet()
            packet.time_base = self._stream.time_base  # which its frames take over
        try:
            return self._stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            # A decoder that was flushed already says so on the second flush.
            self._faults += not isinstance(error, av.error.EOFError)
            return []

    def report(self) -> None:
        """Logs the damage, if there was any."""
        if self._faults:
            log.warning("%s: %d damaged parts are left out", self._name, self._faults)


@dataclass(frozen=True)
class Media:
    """A file that is open. container: PyAV's; name: how messages call it."""

    container: av.container.InputContainer
    name: str

    @property
    def format(self) -> str:
        """FFmpeg's names of the container, such as "matroska,webm"."""
        return self.container.format.name

    def find_picture(self) -> av.VideoStream | None:
        """The stream that holds the moving picture; cover art of a song is none."""
        cover = av.stream.Disposition.attached_pic
        return next((s for s in self.container.streams.video if not s.disposition & cover), None)

    @cached_property
    def picture(self) -> av.VideoStream:
        """The picture stream, or FoleyError when there is none or no decoder for it."""
        stream = self.find_picture()
        if stream is None:
            held = "sound but no picture" if self.container.streams.audio else "no picture"
            raise FoleyError(f"{self.name} holds {held}: give a video.")
        if stream.codec_context is None:
            raise FoleyError(
                f"{self.name} uses a video codec that cannot be decoded: convert it to H.264."
            )
        check_pixels(stream.codec_context.width, stream.codec_context.height, self.name)
        # Pictures may grow on the way.
        stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        return stream

    def find_sound(self) -> av.AudioStream | None:
        """The first sound track that can be decoded."""
        streams = self.container.streams.audio
        return next((s for s in streams if s.codec_context is not None), None)

    @cached_property
    def sound(self) -> av.AudioStream:
        """The first sound track, or FoleyError when there is none."""
        stream = self.find_sound()
        if stream is None:
            raise FoleyError(f"{self.name} has no sound track: choose a file with sound.")
        check_sample_rate(stream.codec_context.sample_rate, f"The sound of {self.name}")
        return stream

    @cached_property
    def zero(self) -> Fraction:
        """The time stamp, in seconds, that counts as 0: the first picture, else the first sound."""
        stream = self.find_picture() or self.find_sound()
        if stream is None or stream.start_time is None:
            return Fraction(0)
        return stream.start_time * stream.time_base

    @property
    def lacks_times(self) -> bool:
        """AVI and bare streams of a codec store no time stamps, and with B-frames their order is
        not that of showing."""
        return self.format in _UNTIMED and bool(self.picture.codec_context.has_b_frames)

    def packets(self, *streams: av.stream.Stream) -> Iterator[av.Packet]:
        """Packets from the present position to the end, or to where the file breaks off."""
        try:
            for packet in self.container.demux(streams):
                # The last packet of each stream is empty: it only flushes decoders.
                if packet.size:
                    yield packet
        except (av.FFmpegError, OSError):
            log.warning("%s is cut off or damaged: what could be read is used", self.name)

    def decode(self, stream: av.stream.Stream) -> Iterator[av.frame.Frame]:
        """Decoded frames of `stream` from the present position on; damage is logged and skipped."""
        decoder = Decoder(stream, self.name)
        try:
            for packet in self.packets(stream):
                yield from decoder(packet)
            yield from decoder(None)
        finally:
            decoder.report()


@contextlib.contextmanager
def open_media(source: Source) -> Iterator[Media]:
    """Opens a path or a binary file-like object with PyAV; files that it points to are not.

    A file-like object is rewound first and stays open.

    Raises:
        FoleyError: missing, a folder, a pipe or a device, no permission, empty, cut off before its
            index, a list of other files, not media.
    """
    name = describe(source)
    with open_container(source, name) as container:
        yield Media(container, name)
