"""A video at a glance: a strip of small frames, and how much moves when."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..media import FrameRequest, Source, pour_frames, probe
from ..media.files import write_beside

MOTION_RATE = 25.0
LEAST_FRAMES, MOST_FRAMES = 12, 60
_HEIGHT = 54
_MOTION_SIZE = 32
# Wider or narrower pictures are squeezed into these shares of the height.
_NARROWEST, _WIDEST = 0.4, 3.0


@dataclass(frozen=True)
class Filmstrip:
    """count frames of width x height pixels beside each other, at equal steps through the window.
    motion: mean change of the picture, 0 to 1, at MOTION_RATE; empty where it was not asked for."""

    count: int
    width: int
    height: int
    motion: list[float] = field(default_factory=list)


class _Change:
    """Mean difference of each grey frame and the one before it."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._before: Tensor | None = None

    def __call__(self, frame: Tensor, times: int) -> None:
        gray = frame.float() / 255
        before = gray if self._before is None else self._before
        self.values += [round(float((gray - before).abs().mean()), 5), *[0.0] * (times - 1)]
        self._before = gray


def write_filmstrip(
    source: Source,
    path: str | os.PathLike[str],
    *,
    start: float = 0.0,
    seconds: float,
    motion: bool = False,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Filmstrip:
    """Writes a JPEG of a frame a second of the window, of LEAST_FRAMES to MOST_FRAMES where it
    has so many.

    The source is decoded once; what is kept of it is the strip alone.

    Raises:
        FoleyError: a source that cannot be read. Cancelled: `cancelled()` said so.
    """
    from PIL import Image

    info = probe(source)
    count = max(LEAST_FRAMES, min(MOST_FRAMES, round(seconds)))
    count = max(1, min(count, round(seconds * info.fps)))
    width = round(_HEIGHT * min(max(info.width / info.height, _NARROWEST), _WIDEST))
    frames: list[Tensor] = []
    change = _Change()
    requests = {"strip": FrameRequest(count / seconds, (_HEIGHT, width), resample="area")}
    sinks: dict[str, Callable[[Tensor, int], None]] = {
        "strip": lambda frame, times: frames.extend([frame] * times)
    }
    if motion:
        requests["motion"] = FrameRequest(MOTION_RATE, _MOTION_SIZE, resample="area", gray=True)
        sinks["motion"] = change
    pour_frames(
        source,
        requests,
        sinks,
        start=start,
        seconds=seconds,
        progress=progress,
        cancelled=cancelled,
    )
    picture = io.BytesIO()
    Image.fromarray(torch.cat(frames, dim=1).numpy()).save(picture, format="JPEG", quality=80)
    with write_beside(path) as sink:
        sink.write(picture.getvalue())
    return Filmstrip(len(frames), width, _HEIGHT, change.values)
