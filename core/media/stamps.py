"""Time stamps of pictures that are copied."""

from __future__ import annotations

from fractions import Fraction

import av

from .limits import check_still
from .probe import average_fps
from .source import Media, untimed


class Stamps:
    """Gives copied pictures time stamps as containers want them: each has one, and they grow in the
    order of decoding. Missing and backward ones follow the picture before."""

    def __init__(self, media: Media) -> None:
        video = media.picture
        self.step = max(1, round(1 / average_fps(video) / video.time_base))
        self._name, self._base = media.name, video.time_base
        self._reordered = bool(video.codec_context.has_b_frames)
        self._shown = round(media.zero / video.time_base) - self.step
        self._now: int | None = None  # when the picture before is decoded
        self._counted: bool | None = None  # whether the first picture has none
        self.end = self._shown  # of the picture that ends last, in units of the time base

    def set(self, packet: av.Packet) -> float:
        """Sets the stamps; returns that of decoding, in seconds. Raises FoleyError where the order
        of showing cannot be known, and for a picture that stands too long."""
        shown = packet.dts if packet.pts is None else packet.pts
        if self._counted is None:
            self._counted = shown is None
        if shown is None or self._counted:
            if self._reordered:
                raise untimed(self._name)
            shown = self._shown + self.step
        decoded = None if self._counted else packet.dts
        if decoded is None and not self._reordered:
            decoded = shown
        now = shown if decoded is None else decoded
        if self._now is not None:
            check_still(
                float((now - self._now) * self._base), float(self._now * self._base), self._name
            )
            if decoded is not None and decoded <= self._now:
                decoded = self._now + 1
                if shown < decoded and self._reordered:
                    raise untimed(self._name)
                shown = max(shown, decoded)
        packet.pts, packet.dts = shown, decoded
        packet.duration = packet.duration or self.step
        self._shown = max(shown, self._shown)
        self.end = max(self.end, shown + packet.duration)
        self._now = decoded if decoded is not None else self._now
        return float(now * self._base)

    def finish(self) -> Fraction:
        """When the last picture ends, in seconds. Raises FoleyError where it stands too long."""
        last = self.end - self._shown
        check_still(float(last * self._base), float(self._shown * self._base), self._name)
        return self.end * self._base
