"""Which source frame stands for output frame n: rules that need one pass over the time stamps."""

from __future__ import annotations

import math
from typing import Literal

# What an artist chooses for a take. "nearest": each instant is shown by the frame nearest in time.
# "published": as the published code has it, see `PublishedPicker`.
Timing = Literal["nearest", "published"]
# What a request may ask for: also "fps filter", see `FpsFilterPicker`.
FrameRule = Literal["nearest", "published", "fps filter"]

# Time stamps are rationals; two sums for the same instant differ by less than this, in seconds.
_SAME_INSTANT = 1e-6


def current_word(timing: str) -> str:
    """A timing's name of today: "reference" was what "published" is."""
    return "published" if timing == "reference" else timing


def frame_count(seconds: float, fps: float) -> int:
    """Frames of a window of `seconds` at `fps`: seconds * fps rounded half up, at least 1."""
    return max(1, math.floor(seconds * fps + 0.5 + _SAME_INSTANT))


class NearestPicker:
    """Output frame n is the source frame nearest in time to n / fps, the earlier of two as near.

    fps: output rate; seconds: length of the window, None for all. taken: output frames up to now.
    """

    def __init__(self, fps: float, seconds: float | None) -> None:
        self.fps = fps
        self.taken = 0
        self._limit = math.inf if seconds is None else frame_count(seconds, fps)
        self._previous: float | None = None

    @property
    def done(self) -> bool:
        return self.taken >= self._limit

    def advance(self, time: float) -> tuple[int, int]:
        """A source frame at `time` seconds of the window: how often the one before it and it itself
        are taken now."""
        previous, self._previous = self._previous, time
        if previous is None:
            return 0, 0
        border = self._border(previous, time) + _SAME_INSTANT
        return self._take(math.floor(border * self.fps) + 1), 0

    def _border(self, previous: float, time: float) -> float:
        """The last instant for which the frame at `previous` stands when the next is at `time`."""
        return (previous + time) / 2

    def finish(self, seconds: float) -> int:
        """The source ended `seconds` into the window: how often its last frame is taken.

        `taken` may fall by one: the last instant lies too close to the end to count.
        """
        count = frame_count(seconds, self.fps)
        self.taken = min(self.taken, count)
        return self._take(count)

    def _take(self, upto: int) -> int:
        count = max(0, int(min(upto, self._limit)) - self.taken)
        self.taken += count
        return count


class PublishedPicker:
    """MMAudio's published rule: a float64 threshold that each taken frame moves on by 1 / fps.

    A frame at or after the threshold is taken as often as it takes to pass it: the first frame at
    or after n / fps, with the drift of the running sum. With `seconds`, frames after it do
    not count; what is taken may pass it by a frame, since `kept_frames` cuts later.
    """

    def __init__(self, fps: float, seconds: float | None) -> None:
        self.fps = fps
        self.taken = 0
        self.done = False
        self._seconds = math.inf if seconds is None else seconds
        self._threshold = 0.0

    def advance(self, time: float) -> tuple[int, int]:
        """As `NearestPicker.advance`."""
        if time < 0:
            return 0, 0
        if time > self._seconds:
            self.done = True
            return 0, 0
        count = 0
        while time >= self._threshold:
            self._threshold += 1 / self.fps
            count += 1
        self.taken += count
        return 0, count

    def finish(self, seconds: float) -> int:
        """As `NearestPicker.finish`: the rule never goes back."""
        return 0


class FpsFilterPicker(NearestPicker):
    """The rule of ffmpeg's filter fps=R with its default rounding (round=near).

    A source frame at t belongs to output frame round(t * fps), halves up, and the last one that
    came stands: output frame n is the last source frame before (n + 1/2) / fps, so at R = 4 and 25
    frames a second it lies 0.09 to 0.12 s after n / 4. As many frames come out as `NearestPicker`
    has: round(seconds * fps). Found with ffmpeg 5.1 on clips whose frames carry their number, of
    2 to 60 frames a second and of variable rate.
    """

    def _border(self, previous: float, time: float) -> float:
        # Output frame n is decided once a source frame at or after (n + 1/2) / fps has come.
        return time - 0.5 / self.fps


PICKERS: dict[FrameRule, type[NearestPicker] | type[PublishedPicker]] = {
    "nearest": NearestPicker,
    "published": PublishedPicker,
    "fps filter": FpsFilterPicker,
}
