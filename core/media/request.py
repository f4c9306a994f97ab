"""What a reader wants of a video, and how many of its frames a take is made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import FoleyError
from .limits import LATEST_START, check_length
from .masking import View
from .resize import Crop, Resample
from .timing import FrameRule, Timing

# Products of seconds and rates that miss a whole number by rounding alone count as whole.
_SLACK = 1e-6


@dataclass(frozen=True)
class FrameRequest:
    """One reader of a video.

    fps: output frames a second. size: height and width, or one side of a square, in pixels. crop:
    "stretch" to the size, "center" (scale to cover it, keep the middle; `shorter_side` scales the
    shorter side to that many pixels instead, before the crop) or "fit" (inside the size, aspect
    kept). resample: "bicubic" and "bilinear" are antialiased on 8 bits, "area" is the plain mean.
    gray: one channel, BT.601 luma. view: the part of the picture that is seen. timing: which source
    frame stands for n / fps, see `timing.FrameRule`.
    """

    fps: float
    size: int | tuple[int, int]
    crop: Crop = "stretch"
    timing: FrameRule = "nearest"
    resample: Resample = "bicubic"
    shorter_side: int | None = None
    gray: bool = False
    view: View | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise FoleyError(f"Frames need a rate above 0, not {self.fps} a second.")
        if min(self.target) < 1:
            raise FoleyError(f"Frames need a size of at least 1 pixel, not {self.size}.")
        if self.shorter_side is not None and self.shorter_side < max(self.target):
            raise FoleyError(
                f"A shorter side of {self.shorter_side} is too small to cut {self.size} out of it."
            )

    @property
    def target(self) -> tuple[int, int]:
        """(height, width)"""
        return self.size if isinstance(self.size, tuple) else (self.size, self.size)

    def timed(self, timing: Timing) -> FrameRequest:
        """This request with the timing of a take; a rule that its encoder was trained on stays."""
        return self if self.timing == "fps filter" else replace(self, timing=timing)


def check_window(start: float, seconds: float | None) -> None:
    """FoleyError unless start >= 0 and seconds is None or above 0."""
    for value, name in ((start, "start"), (seconds, "length")):
        if value is not None and not math.isfinite(value):
            raise FoleyError(f"The {name} of the window must be a number of seconds, not {value}.")
    if not start <= LATEST_START:
        raise FoleyError(
            f"The window starts at {start:g} s, which no video or sound reaches: start earlier."
        )
    if start < 0:
        raise FoleyError(
            f"The window must start at 0 s or later, not before the video: {start:g} s."
        )
    if seconds is not None and seconds <= 0:
        raise FoleyError(f"The window must be longer than 0 s, not {seconds:g} s.")
    if seconds is not None:
        check_length(seconds, "A window")


def window_seconds(available: float, start: float = 0.0, seconds: float | None = None) -> float:
    """Seconds of a window of what is `available`: what was asked for, or all from `start`, cut to
    what there is.

    Raises:
        FoleyError: no window, or one that starts outside.
    """
    check_window(start, seconds)
    if start >= available:
        raise FoleyError(
            f"The window starts at {start:g} s, but the video ends at {available:.2f} s; start "
            "earlier."
        )
    left = available - start
    left = left if seconds is None else min(seconds, left)
    check_length(left, "A take")
    return left


def made_seconds(
    counts: Mapping[str, int], requests: Mapping[str, FrameRequest], seconds: float
) -> float:
    """Seconds that are made of a window of `seconds`: with published timing no more than every
    stream fills, which is MMAudio's rule for clips shorter than the window. counts: frames read,
    by request."""
    published = [name for name in counts if requests[name].timing == "published"]
    return min([seconds, *(counts[name] / requests[name].fps for name in published)])


def kept_frames(
    counts: Mapping[str, int],
    requests: Mapping[str, FrameRequest],
    padded: float,
    *,
    made: float | None = None,
) -> dict[str, int]:
    """Frames that each stream of a take of `padded` seconds is encoded from: all whole ones.

    counts: frames read, by request. made: from `made_seconds`; where it is `padded`, published
    timing counts in float64 without slack, as published (29 frames at 25 a second keep 28). Of a
    request with the rule of the fps filter all frames that were read are encoded (33 in 8.16 s at 4
    a second): the published extraction encodes a whole clip and cuts the features.
    """
    kept = {}
    for name, count in counts.items():
        request = requests[name]
        as_published = request.timing == "published" and padded == made
        kept[name] = int(request.fps * padded + (0.0 if as_published else _SLACK))
        if request.timing == "fps filter":
            kept[name] = max(kept[name], count)
    return kept
