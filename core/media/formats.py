"""The files that are written: what each suffix holds, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FileFormat:
    """A kind of file, in FFmpeg's names.

    muxer: of the container. sound: encoder of its sound. picture: encoder of pictures that never
    were a file, "" where packets are only copied or there is no picture.
    """

    muxer: str
    sound: str
    picture: str = ""


# Matroska takes FLAC: exact to the sample at both ends.
VIDEO_FILES: Mapping[str, FileFormat] = {
    ".mp4": FileFormat("mp4", "aac", "libx264"),
    ".m4v": FileFormat("mp4", "aac", "libx264"),
    ".mov": FileFormat("mov", "aac", "libx264"),
    ".mkv": FileFormat("matroska", "flac", "libx264"),
    ".webm": FileFormat("webm", "libopus"),
}
# Those that an image batch is encoded to.
ENCODED_FILES: Mapping[str, FileFormat] = {
    suffix: form for suffix, form in VIDEO_FILES.items() if form.picture
}
# 24 bits a sample.
SOUND_FILES: Mapping[str, FileFormat] = {
    ".wav": FileFormat("wav", "pcm_s24le"),
    ".flac": FileFormat("flac", "flac"),
}
