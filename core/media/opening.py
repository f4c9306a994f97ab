"""Opening the media file that was named, and nothing that it points to."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av

from ..errors import FoleyError
from .limits import MOST_PIXELS

# FFmpeg's demuxers of files that hold pictures and sound themselves. Lists of other files, file
# patterns, devices, scripts and text are not among them.
_DEMUXERS = (
    "mov matroska avi flv live_flv asf mpegts mpeg mpegvideo mxf gxf nut rm ogg dv wtv nsv "
    "h261 h263 h264 hevc vvc av1 obu ivf vc1 dirac m4v mjpeg yuv4mpegpipe amv "
    "wav w64 flac mp3 aac loas aiff au caf ac3 eac3 dts dtshd truehd mlp amr amrnb amrwb ape tta "
    "tak wv mpc mpc8 qoa voc dsf iff nistsphere ircam xwma aa "
    "gif apng webp png_pipe jpeg_pipe jpegls_pipe jpegxl_pipe jpegxl_anim webp_pipe tiff_pipe "
    "bmp_pipe ppm_pipe pgm_pipe pbm_pipe pam_pipe exr_pipe dpx_pipe psd_pipe sgi_pipe "
    "sunrast_pipe j2k_pipe qoi_pipe hdr_pipe dds_pipe ico"
)
_OPTIONS = {
    "fflags": "+genpts",
    "format_whitelist": _DEMUXERS.replace(" ", ","),
    "protocol_whitelist": "none",  # what is read comes through `_Bytes`
    "max_pixels": str(MOST_PIXELS),
}
_BUFFER = 1 << 16
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<MPD", b"<smil", b"<asx")
_HEAD = 16


class _Bytes:
    """The bytes of a file, without its name: FFmpeg takes some names for patterns. It has no
    `close`, so that a file of the caller stays open."""

    def __init__(self, file: BinaryIO, suffix: str) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
        # Some formats are known by it alone.
        self.name = f"media{suffix}"


@contextlib.contextmanager
def open_container(source: Any, name: str) -> Iterator[av.container.InputContainer]:
    """A path, or a binary file that can be rewound, as PyAV's container. name: for messages.

    Raises:
        FoleyError: as `source.open_media`.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(source, (str, os.PathLike)):
            file = stack.enter_context(_open_regular(source, name))
            suffix = Path(os.fsdecode(source)).suffix
        else:
            file, suffix = source, ""
        head = _head(file, name)
        known = _Bytes(file, suffix if re.fullmatch(r"\.\w{1,8}", suffix, re.ASCII) else "")
        try:
            container = av.open(
                known, metadata_errors="replace", options=_OPTIONS, buffer_size=_BUFFER
            )
        except (av.FFmpegError, ValueError) as error:
            raise _unreadable(name, head) from error
        with container:
            yield container


def _open_regular(path: str | os.PathLike[str], name: str) -> BinaryIO:
    """A file that can be read to its end: no folder, pipe, socket or device."""
    try:
        about = os.stat(path)
        if stat.S_ISDIR(about.st_mode):
            raise FoleyError(f"{name} is a folder: give the video or sound file inside it.")
        if stat.S_ISREG(about.st_mode):
            # The kernel's own files claim no size and may never end.
            if not about.st_size:
                raise _empty(name)
            return open(path, "rb", buffering=0)
    except FileNotFoundError:
        raise FoleyError(f"There is no file {name}: check the path.") from None
    except PermissionError:
        raise FoleyError(f"{name} may not be read: check its permissions.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, FoleyError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise FoleyError(f"{name} cannot be opened ({reason}): check the path.") from None
    raise FoleyError(f"{name} is a pipe, a socket or a device: give a video or sound file.")


def _empty(name: str) -> FoleyError:
    return FoleyError(f"{name} is empty: copy or export it again.")


def _head(file: Any, name: str) -> bytes:
    """The first bytes of an open file, which is rewound."""
    if not (hasattr(file, "read") and hasattr(file, "seek") and hasattr(file, "tell")):
        raise FoleyError(
            f"A video must be a path, a seekable binary file or an image batch, not {type(file)}."
        )
    try:
        file.seek(0)
        head = file.read(_HEAD)
        file.seek(0)
    except (OSError, ValueError) as error:
        raise FoleyError(f"{name} cannot be read ({error}): open it again.") from None
    if not isinstance(head, bytes):
        raise FoleyError(f"{name} is open as text: open it in binary mode.")
    if not head:
        raise _empty(name)
    return head


def _unreadable(name: str, head: bytes) -> FoleyError:
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS):
        return FoleyError(
            f"{name} is a list that points to other files: give the video or sound file itself."
        )
    known = head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
    if known or head[:4] in (b"\x1aE\xdf\xa3", b"RIFF", b"OggS", b"fLaC"):
        return FoleyError(
            f"{name} is cut off or damaged beyond use: its index is missing or broken; "
            "copy or export it again."
        )
    return FoleyError(f"{name} is not a video or sound file that can be read: give a media file.")
