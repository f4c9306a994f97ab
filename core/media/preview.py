"""A small copy of a picture that every browser plays."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import torch

from .encode import encode_frames
from .frames import stream_frames
from .mux import mux
from .probe import VideoInfo, probe
from .request import FrameRequest
from .source import ImageFrames, Source, open_media

# The container in which browsers play a codec, where its packets are 8-bit 4:2:0.
_PLAYED = {"h264": ".mp4", "vp8": ".webm", "vp9": ".webm"}
_PLAYED_PIXELS = {"yuv420p", "yuvj420p"}
_FILES = ("mov", "matroska")
# A copied picture has at most so many pixels on its longer side, and lasts so many seconds longer
# than what is asked for.
_COPIED_SIDE, _COPIED_TAIL = 1280, 1.0
_HEIGHT, _WIDTH, _FPS = 512, 912, 30.0
# A jump decodes from the last keyframe: a second of small frames is hardly noticed.
_KEYFRAME_SECONDS = 1.0
_FRAMES_AHEAD = 8
_Frames = Generator[torch.Tensor, None, None]


def write_preview(
    source: Source,
    stem: Path,
    *,
    start: float,
    seconds: float,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Writes the picture of `source` from `start` on, `seconds` long at most, beside `stem`.

    Returns the file: `stem` with .mp4 or .webm. Its first picture is the one at `start`. A small
    file that browsers play is copied packet for packet when that window is all of it, with silence
    for a sound; anything else is encoded to H.264 of at most 912 x 512 pixels and 30 frames a
    second, a few frames in memory at a time. progress(step, total): packets or frames.

    Raises:
        FoleyError: a source that cannot be read, or that ends before `start`.
        Cancelled: `cancelled()` said so.
    """
    info = probe(source)
    whole = start < 0.5 / info.fps and info.seconds <= seconds + _COPIED_TAIL
    suffix = _copied_suffix(source, info) if whole else None
    path = stem.with_name(stem.name + (suffix or ".mp4"))
    if suffix is not None:
        mux(source, torch.zeros(1, 1), 48000, path, progress=progress, cancelled=cancelled)
        return path
    fps = min(info.fps, _FPS)
    request = FrameRequest(fps, preview_size(info.width, info.height), resample="bilinear")
    decoded = stream_frames(source, request, start=start, seconds=seconds)
    with closing(_ahead(decoded)) as frames:
        encode_frames(
            frames,
            fps,
            path,
            crf=24,
            keyframe_every=max(1, round(_KEYFRAME_SECONDS * fps)),
            total=max(1, round(min(seconds, info.seconds - start) * fps)),
            progress=progress,
            cancelled=cancelled,
        )
    return path


def _ahead(frames: _Frames) -> _Frames:
    """The same frames, some of them made while the one before is still in use."""
    with closing(frames), ThreadPoolExecutor(1, "preview") as pool:
        waiting = deque(pool.submit(next, frames, None) for _ in range(_FRAMES_AHEAD))
        while (frame := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, frames, None))
            yield frame


def preview_size(width: int, height: int) -> tuple[int, int]:
    """(height, width) in even pixels that fit the preview, aspect kept; never enlarged."""
    scale = min(1.0, _HEIGHT / height, _WIDTH / width)
    even = [max(2, 2 * round(side * scale / 2)) for side in (height, width)]
    return even[0], even[1]


def _copied_suffix(source: Source, info: VideoInfo) -> str | None:
    """The suffix of a copy that browsers play, or None where only encoding helps."""
    if isinstance(source, ImageFrames) or max(info.width, info.height) > _COPIED_SIDE:
        return None
    with open_media(source) as media:
        codec = media.picture.codec_context
        plain = media.format.startswith(_FILES) and codec.pix_fmt in _PLAYED_PIXELS
        # Players count from 0: a picture that begins later would be shown late.
        return _PLAYED.get(codec.name) if plain and media.zero == 0 else None
