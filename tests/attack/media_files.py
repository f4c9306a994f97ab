"""Hostile and odd media files, made by code: small, and the same each time."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FPS, SIDE = 25, (64, 48)


def clip(
    path: Path,
    times: Sequence[float] = tuple(n / FPS for n in range(50)),
    *,
    codec: str = "libx264",
    form: str | None = None,
    b_frames: int = 0,
    size: tuple[int, int] = SIDE,
    sound: dict[int, np.ndarray] | None = None,
    sound_codec: str = "pcm_f32le",
    sound_rate: int = 44100,
) -> Path:
    """Pictures at `times` in seconds, and pieces of sound [1, n] by the sample they begin at."""
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 60000)
        if codec == "libx264":
            stream.options = {"bf": str(b_frames), "preset": "ultrafast"}
        elif codec == "libx265":
            quiet = f"bframes={b_frames}:log-level=none"
            stream.options = {"x265-params": quiet, "preset": "ultrafast"}
        track = None
        if sound is not None:
            track = container.add_stream(sound_codec, rate=sound_rate, layout="mono")
        for index, time in enumerate(times):
            picture = np.full((size[1], size[0], 3), index * 9 % 255, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time * 90000), Fraction(1, 90000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None and sound is not None:
            fit = av.AudioResampler(format=track.codec_context.codec.audio_formats[0])
            for at, samples in sound.items():
                frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = sound_rate, at
                frame.time_base = Fraction(1, sound_rate)
                for fitting in fit.resample(frame):
                    container.mux(track.encode(fitting))
            container.mux(track.encode(None))
    return path


def tone(samples: int, scale: float = 0.3) -> np.ndarray:
    return (scale * np.sin(np.arange(samples) * 0.05)).astype(np.float32)[None]


def restamped(source: Path, path: Path, shift: Callable[[int], float], form: str) -> Path:
    """The packets of a file without B-frames, packet n later by shift(n) seconds."""
    options = {"avoid_negative_ts": "disabled"} if form == "matroska" else {}
    with av.open(str(source)) as read, av.open(str(path), "w", form, options) as out:
        video = read.streams.video[0]
        stream = out.add_stream_from_template(video)
        for index, packet in enumerate(p for p in read.demux(video) if p.size):
            late = round(shift(index) / video.time_base)
            packet.pts, packet.dts = packet.pts + late, packet.dts + late
            packet.stream = stream
            out.mux_one(packet)
    return path


def with_block_times(source: Path, path: Path, time: Callable[[int, int], int]) -> Path:
    """A Matroska file whose SimpleBlock n has the time code time(n, code): signed 16 bits, ms."""
    data, at, count = bytearray(source.read_bytes()), 0, 0
    while (at := data.find(b"\xa3", at)) >= 0:
        size = 9 - data[at + 1].bit_length()  # bytes of the block's length
        place = at + 1 + size + 1
        if size <= 4 and data[place - 1 : place] == b"\x81" and not data[place + 2] & 0x7F:
            (code,) = struct.unpack(">h", data[place : place + 2])
            data[place : place + 2] = struct.pack(">h", time(count, code))
            count += 1
        at += 1
    path.write_bytes(data)
    return path


def png(path: Path, width: int, height: int) -> Path:
    """A black picture of any size: its pixels pack to a thousandth."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    packer, row = zlib.compressobj(9), bytes(3 * width + 1)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def tiff(path: Path, width: int = 64, height: int = 48) -> Path:
    """A grey picture, uncompressed, with the EXIF-like tags that TIFF has."""
    pixels = bytes(range(256)) * (width * height // 256 + 1)
    pixels = pixels[: width * height]
    values = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height}
    values |= {273: 8, 279: len(pixels)}
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(values.items())
    )
    place = 8 + len(pixels)
    directory = struct.pack("<H", len(values)) + entries + struct.pack("<I", 0)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, place) + pixels + directory)
    return path


def wav(path: Path, data: bytes, *, rate: int, bits: int, kind: int = 1, channels: int = 1) -> Path:
    """A RIFF file with any header. kind: 1 integers, 3 floats."""
    step = channels * bits // 8
    body = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, kind, channels, rate, rate * step & 0xFFFFFFFF, step, bits
    )
    body += struct.pack("<4sI", b"data", len(data)) + data
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WAVE") + body)
    return path
