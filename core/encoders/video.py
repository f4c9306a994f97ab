"""A clip to streams: one decoding pass feeds every encoder its own rate and size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from ..media import Source, common_length, read_frames
from .base import CancelCheck, Features, Progress, VideoEncoder
from .cache import FeatureCache, encode_cached

_STEPS = 1000


def encode_video(
    source: Source,
    encoders: Mapping[str, VideoEncoder],
    *,
    start: float = 0.0,
    seconds: float | None = None,
    timing: Literal["nearest", "reference"] = "nearest",
    cache: FeatureCache | None = None,
    memory: int | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> dict[str, Features]:
    """The streams of a window of a clip, by the names of `encoders`.

    start, seconds: window in seconds; None reads to the end. timing: which source frame stands for
    an instant; "reference" is MMAudio's rule and also shortens all streams to their common length,
    which needs `seconds`. memory: bytes a batch may take. progress(step, total): thousandths, the
    first half decoding.
    Raises FoleyError for what cannot be read or encoded, Cancelled.
    """
    requests = {
        name: replace(encoder.frame_request, timing=timing) for name, encoder in encoders.items()
    }

    def part(first: float, last: float) -> Progress | None:
        if progress is None:
            return None
        return lambda step, total: progress(
            round(_STEPS * (first + (last - first) * step / max(1, total))), _STEPS
        )

    frames = read_frames(
        source,
        requests,
        start=start,
        seconds=seconds,
        progress=part(0.0, 0.5),
        cancelled=cancelled,
    )
    if timing == "reference" and seconds is not None:
        rates = {name: request.fps for name, request in requests.items()}
        counts = {name: len(frames[name]) for name in sorted(rates, key=rates.__getitem__)}
        _, kept = common_length(counts, rates, seconds)
        frames = {name: value[: max(1, kept[name])] for name, value in frames.items()}
    streams: dict[str, Features] = {}
    for index, (name, encoder) in enumerate(encoders.items()):
        share = 0.5 / len(encoders)
        streams[name] = encode_cached(
            encoder,
            # Frames are let go once they are encoded.
            frames.pop(name),
            cache,
            memory=memory,
            progress=part(0.5 + index * share, 0.5 + (index + 1) * share),
            cancelled=cancelled,
        )
    if progress is not None:
        progress(_STEPS, _STEPS)
    return streams
