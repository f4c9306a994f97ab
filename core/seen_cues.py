"""What is seen of a video, as a cue sheet to edit."""

from __future__ import annotations

from collections.abc import Callable

from .cues import CueSheet, Hit
from .errors import CancelCheck, FoleyError
from .media import Source, probe, window_seconds
from .sections import sections_of
from .system import System


def seen_cues(
    source: Source,
    system: System,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: CancelCheck | None = None,
) -> CueSheet:
    """The hits that a system sees in a window of a video: played unchanged, its sheet makes what is
    made without one.

    Raises:
        FoleyError: a single picture, an encoder that sees no hits, what cannot be read.
        Cancelled: as asked.
    """
    see = system.video_encoder.seen_hits if system.row.video else None
    if see is None:
        raise FoleyError(f"{system.name} finds no hits in a video: use ac_foley_mini for that.")
    info = probe(source)
    if info.is_picture:
        raise FoleyError("The video is a single picture, so nothing moves in it; give more frames.")
    length = window_seconds(info.seconds, start, seconds)
    config, rate = system.config, system.config.latent.rate
    padded = config.round_up_seconds(system.video_encoder.round_up_seconds(length))
    sections = sections_of(config, padded)
    window = min(config.trained_seconds, padded)
    times = [(start + one.start / rate, start + one.start / rate + window) for one in sections]
    hits: list[Hit] = []
    windows = system.encode_windows(source, times, cancelled=cancelled)
    for number, (section, video) in enumerate(zip(sections, windows)):
        if progress is not None:
            progress(number, len(sections))
        first, new = section.start / rate, section.new / rate
        for time, strength in zip(*see(video.streams), strict=True):
            if new <= first + time < section.stop / rate and time < video.seconds:
                hits.append(Hit(round(start + first + time, 4), round(strength, 4)))
    return CueSheet(length if not start else None, hits=tuple(hits))
