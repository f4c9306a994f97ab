"""Video, words and a reference in, takes out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from .encoders.base import EncodedVideo
from .errors import Cancelled
from .generators import Conditions
from .media import Source, finish, integrated_loudness, probe, window_seconds
from .request import Clock, Request, Takes
from .system import System

Progress = Callable[[str, int, int], None]
CancelCheck = Callable[[], bool]


def generate(
    source: Source | None,
    system: System,
    request: Request = Request(),  # noqa: B008 - frozen
    *,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Takes:
    """Make the takes that `request` asks for.

    source: a video, a single picture for systems that make something of one, or None for words
    alone. Noise comes from one CPU generator seeded with `seed`; take k of a batch is the same
    whatever the batch. On one device and library version the result is bit-exact; elsewhere it is
    the same take up to rounding.

    Raises:
        FoleyError: unusable input, in one sentence.
        Cancelled: `cancelled()` said so.
    """
    request.check()
    clock = Clock()
    rng = torch.Generator().manual_seed(request.seed)
    # The published code draws the reference's noise first, from the generator of the take.
    noise = rng if request.published else None
    reference = system.encode_reference(request.reference, request.pick, noise)
    clock("reference")
    video = encode(source, system, request, progress, cancelled)
    clock("video")
    words, negative = system.encode_words(request.prompt, request.negative)
    clock("text")
    seconds = system.seconds_made(video.padded, request.long_takes)
    latents = system.sample(
        Conditions({**video.streams, **words, **reference}, seconds, negative),
        cfg=request.cfg,
        steps=request.steps,
        published=request.published,
        long=request.long_takes,
        rng=rng,
        takes=request.takes,
        progress=progress and partial(progress, "sampling"),
        cancelled=cancelled,
    )
    clock("sampling")
    if cancelled is not None and cancelled():
        raise Cancelled
    waveforms, rate = system.decode(latents), system.sample_rate
    clock("decoding")
    finished = [
        finish(take, rate, video.seconds, loudness=request.loudness, offset=request.offset)
        for take in waveforms
    ]
    waveforms = torch.stack(finished)
    loudness = tuple(integrated_loudness(take, rate) for take in waveforms)
    clock("finishing")
    chance, stages = video.chance, clock.stages
    return Takes(waveforms, rate, request.start, video.seconds, chance, loudness, stages)


def encode(
    source: Source | None,
    system: System,
    request: Request,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> EncodedVideo:
    """What a take is conditioned on of a source; for words alone its length.

    Raises:
        FoleyError: a window that cannot be, a picture for a system that follows motion alone.
    """
    left_out = system.video_encoder.still if request.ignore_look else ()
    info = None if source is None else probe(source)
    if source is None or info is None or info.is_picture:
        asked = system.config.trained_seconds if request.seconds is None else request.seconds
        seconds = system.longest(window_seconds(asked, seconds=asked), request.long_takes)
        if source is None:
            return EncodedVideo({}, seconds, seconds)
        return system.encode_image(source, seconds=seconds, left_out=left_out)
    seconds = window_seconds(info.seconds, request.start, request.seconds)
    return system.encode_video(
        source,
        start=request.start,
        seconds=system.longest(seconds, request.long_takes),
        to_end=request.seconds is None,
        timing=request.timing,
        left_out=left_out,
        progress=progress and partial(progress, "encoding"),
        cancelled=cancelled,
    )
