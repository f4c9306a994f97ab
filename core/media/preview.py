"""A small copy of a picture that every browser plays."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import torch

from .encode import encode_frames
from .frames import pour_frames
from .mux import mux
from .probe import VideoInfo, probe
from .request import FrameRequest
from .source import ImageFrames, Source, clock_zero, describe, open_media, require_picture

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
    Raises FoleyError for a source that cannot be read or ends before `start`, Cancelled when
    `cancelled()` says so.
    """
    info = probe(source)
    whole = start < 0.5 / info.fps and info.seconds <= seconds + _COPIED_TAIL
    suffix = _copied_suffix(source, info) if whole else None
    if suffix is not None:
        path = stem.with_name(stem.name + suffix)
        silence = torch.zeros(1, 1)
        mux(source, silence, 48000, path, progress=progress, cancelled=cancelled)
        return path
    path = stem.with_name(stem.name + ".mp4")
    fps = min(info.fps, _FPS)
    expected = max(1, round(min(seconds, info.seconds - start) * fps))
    request = FrameRequest(fps, preview_size(info.width, info.height), resample="bilinear")
    frames = _frames(source, request, start, seconds)
    with contextlib.closing(frames):
        encode_frames(
            frames,
            fps,
            path,
            crf=24,
            keyframe_every=max(1, round(_KEYFRAME_SECONDS * fps)),
            progress=_with_total(progress, expected),
            cancelled=cancelled,
        )
    return path


def _with_total(
    progress: Callable[[int, int], None] | None, total: int
) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda step, _: progress(step, max(step, total))


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
        stream = require_picture(media, describe(source))
        codec = stream.codec_context
        plain = media.format.name.startswith(_FILES) and codec.pix_fmt in _PLAYED_PIXELS
        # Players count from 0: a picture that begins later would be shown late.
        return _PLAYED.get(codec.name) if plain and clock_zero(media) == 0 else None


def _frames(
    source: Source, request: FrameRequest, start: float, seconds: float
) -> Generator[torch.Tensor, None, None]:
    """Frames uint8 [H, W, 3] as they are decoded, at most `_FRAMES_AHEAD` of them waiting."""
    waiting: queue.Queue = queue.Queue(_FRAMES_AHEAD)
    stopped = threading.Event()

    def put(item: torch.Tensor | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(item, timeout=0.1)
                return

    def sink(image: torch.Tensor, times: int) -> None:
        for _ in range(times):
            put(image)

    def decode() -> None:
        try:
            pour_frames(
                source,
                {"preview": request},
                {"preview": sink},
                start=start,
                seconds=seconds,
                cancelled=stopped.is_set,
            )
            put(None)
        except BaseException as error:  # handed to the reader, who raises it
            put(error)

    thread = threading.Thread(target=decode, name="preview", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
