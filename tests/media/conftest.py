"""Small media files, made when asked for. Every frame carries its number as a bar code."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch

BITS = 8


def numbered(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """uint8 [height, width, 3]: eight vertical bars, white where the bit of `index` is set."""
    bits = [(index >> bit) & 1 for bit in range(BITS)]
    row = np.repeat(np.array(bits, dtype=np.uint8) * 200 + 28, -(-width // BITS))[:width]
    return np.repeat(np.tile(row, (height, 1))[:, :, None], 3, axis=2)


def number_of(image: torch.Tensor) -> int:
    """The number in a frame [H, W, 3] or [H, W] made by `numbered`, whatever its size."""
    gray = image.float().mean(dim=-1) if image.ndim == 3 else image.float()
    bars = torch.nn.functional.interpolate(gray[None, None], (1, BITS), mode="area").flatten()
    return sum(1 << bit for bit, bar in enumerate(bars) if bar > 128)


def numbers(frames: torch.Tensor) -> list[int]:
    return [number_of(frame) for frame in frames]


def click_track(seconds: float, rate: int, at: float, channels: int = 1) -> torch.Tensor:
    """float32 [C, T]: silence and one short pulse whose peak lies at `at` seconds."""
    time = torch.arange(round(seconds * rate)) / rate
    pulse = 0.7 * torch.exp(-(((time - at) / 2e-4) ** 2))
    return pulse.expand(channels, -1).contiguous()


def make_clip(
    path: Path,
    *,
    count: int = 50,
    fps: int | Fraction = 25,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    form: str | None = None,
    times: list[float] | None = None,
    gop: int = 12,
    b_frames: int = 2,
    sound: torch.Tensor | None = None,
    sound_codec: str = "aac",
    sound_rate: int = 44100,
    rotation: tuple[int, bool] | None = None,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    pixel_aspect: int | Fraction = 1,
    draw=numbered,
) -> Path:
    """A video of `count` frames; `times` in seconds replaces the constant rate."""
    with av.open(str(path), "w", format=form, options=options or {}) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        context = stream.codec_context
        context.gop_size = gop
        context.time_base = Fraction(1, 90000) if times else 1 / Fraction(fps)
        if codec == "libx264":
            stream.options = {"crf": "10", "preset": "ultrafast", "bf": str(b_frames)}
        elif codec.startswith("libvpx"):
            stream.options = {"cpu-used": "8", "deadline": "realtime", "crf": "10", "b": "2M"}
        context.sample_aspect_ratio = pixel_aspect
        if rotation:
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        container.metadata.update(metadata or {})
        track = None
        if sound is not None:
            track = container.add_stream(sound_codec, rate=sound_rate)
            track.codec_context.layout = "mono" if len(sound) == 1 else "stereo"
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(draw(index, *size), format="rgb24")
            time = times[index] if times else index / fps
            frame.pts, frame.time_base = round(time * 90000), Fraction(1, 90000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            _write_sound(container, track, sound, sound_rate)
    return path


def _write_sound(container, track, sound: torch.Tensor, rate: int) -> None:
    for start in range(0, sound.shape[1], 1024):
        piece = np.ascontiguousarray(sound[:, start : start + 1024].numpy())
        layout = "mono" if len(sound) == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(track.encode(frame))
    container.mux(track.encode(None))


def write_samples(
    path: Path,
    pieces: dict[int, np.ndarray],
    codec: str = "pcm_s16le",
    form: str = "s16",
    layout: str = "mono",
    rate: int = 44100,
    pictures: int = 0,
) -> Path:
    """Samples of the codec's own format, packed [1, n * C] or planar [C, n], by the sample at which
    they begin; under so many `pictures` at 25 a second."""
    with av.open(str(path), "w") as container:
        if pictures:
            video = container.add_stream("mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        track = container.add_stream(codec, rate=rate)
        track.codec_context.layout = layout
        track.codec_context.format = form
        if pictures:
            for n in range(pictures):
                container.mux(video.encode(av.VideoFrame.from_ndarray(numbered(n))))
            container.mux(video.encode(None))
        for first, piece in pieces.items():
            array = np.ascontiguousarray(piece)
            frame = av.AudioFrame.from_ndarray(array, format=form, layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path


def packets(path: Path) -> list[tuple]:
    """(bytes, pts, dts, duration in seconds, keyframe) of every video packet."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            (
                bytes(packet),
                packet.pts * packet.time_base,
                None if packet.dts is None else packet.dts * packet.time_base,
                (packet.duration or 0) * packet.time_base,
                packet.is_keyframe,
            )
            for packet in container.demux(stream)
            if packet.size
        ]


@pytest.fixture
def media() -> SimpleNamespace:
    """The makers above."""
    return SimpleNamespace(
        make_clip=make_clip,
        numbered=numbered,
        number_of=number_of,
        numbers=numbers,
        click_track=click_track,
        write_samples=write_samples,
        packets=packets,
    )


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds at 25 fps with a click at 1 s."""
    return make_clip(tmp_path / "clip.mp4", sound=click_track(2, 44100, 1.0))


@pytest.fixture
def bad_files(tmp_path: Path, clip: Path) -> dict[str, Path]:
    """Files that are no video, by what is wrong with them."""
    whole = clip.read_bytes()
    files = {
        "missing": tmp_path / "nothing.mp4",
        "directory": tmp_path,
        "empty": tmp_path / "empty.mp4",
        "truncated": tmp_path / "truncated.mp4",
        "garbage": tmp_path / "garbage.mp4",
        "text": tmp_path / "notes.txt",
        "audio_only": tmp_path / "song.wav",
    }
    files["empty"].touch()
    files["truncated"].write_bytes(whole[: len(whole) // 2])
    files["garbage"].write_bytes(np.random.default_rng(0).bytes(20000))
    files["text"].write_text("To be or not to be, that is the question. " * 50)
    loud = np.full((1, 16000), 10000, np.int16)
    write_samples(files["audio_only"], {0: loud}, rate=16000)
    return files
