"""Video, words and sounds in, takes out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from .context import KnownSound
from .encoders.base import EncodedVideo
from .errors import Cancelled, FoleyError
from .generators import Conditions
from .generators.base import LENGTH_SLACK
from .media import Source, finish, integrated_loudness, probe, window_seconds
from .plan import plan
from .request import Clock, Request, Takes
from .resolve import read_known, sound_asked, task_of
from .system import System
from .tasks import TASKS, counts_look

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
    the same take up to rounding. Of a sound that is extended or edited every sample outside of what
    is made is returned as it is, at its own rate and with its own channels.

    Raises:
        FoleyError: unusable input, in one sentence.
        Cancelled: `cancelled()` said so.
    """
    request.check()
    task = task_of(system, source, request)
    in_context = system.row.takes_context
    clock = Clock()
    rng = torch.Generator().manual_seed(request.seed)
    # The published code draws the reference's noise first, from the generator of the take.
    noise = rng if request.published else None
    led, lead, reference = None, 0.0, {}
    if request.reference is not None and in_context:
        led, lead = system.encode_lead(request.reference, request.pick)
    else:
        reference = system.encode_reference(request.reference, request.pick, noise)
    clock("reference")
    video = encode(source, system, request, task, lead, progress, cancelled)
    clock("video")
    words, negative = system.encode_words(request.prompt, request.negative)
    clock("text")
    long = "one pass" if lead else request.long_takes
    seconds = system.seconds_made(video.padded, long)
    sound = read_known(source, request, video.seconds) if TASKS[task].known else None
    planned = plan(
        task,
        Conditions({**video.streams, **words, **reference}, seconds, negative),
        system.latent_length(seconds),
        takes_context=in_context,
        reference=led,
        lead=lead,
        known=None if sound is None else system.encode_known(sound, seconds - lead),
        surrogate=request.surrogate,
        summation=request.summation,
        inversion=request.inversion,
    )
    clock("context")
    latents = system.sample(
        planned.conditions,
        cfg=request.cfg,
        steps=request.steps,
        published=request.published,
        long=long,
        known=planned.known,
        rng=rng,
        takes=request.takes,
        progress=progress and partial(progress, "sampling"),
        cancelled=cancelled,
    )
    clock("sampling")
    if cancelled is not None and cancelled():
        raise Cancelled
    rate = system.sample_rate
    waveforms = system.decode(latents)[..., round(planned.lead * rate) :]
    clock("decoding")
    waveforms, rate = finished(waveforms, rate, video.seconds, sound, request)
    loudness = tuple(integrated_loudness(take, rate) for take in waveforms)
    clock("finishing")
    chance, stages = video.chance, clock.stages
    return Takes(waveforms, rate, request.start, video.seconds, chance, loudness, stages)


def finished(
    waveforms: torch.Tensor, rate: int, seconds: float, sound: KnownSound | None, request: Request
) -> tuple[torch.Tensor, int]:
    """Decoded takes [B, C, T] at their place and level, and their rate; in a known sound they are
    at the level of that."""
    if sound is not None:
        takes = [finish(take, rate, seconds, loudness=None) for take in waveforms]
        return torch.stack([sound.splice(take, rate) for take in takes]), sound.rate
    level, offset = request.loudness, request.offset
    takes = [finish(take, rate, seconds, loudness=level, offset=offset) for take in waveforms]
    return torch.stack(takes), rate


def encode(
    source: Source | None,
    system: System,
    request: Request,
    task: str = "vta",
    lead: float = 0.0,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> EncodedVideo:
    """What a take is conditioned on of a source; for words alone its length.

    lead: seconds that are made before the take, see `encode_video`.

    Raises:
        FoleyError: a window that cannot be, a picture for a system that follows motion alone.
    """
    look = counts_look(task, request.prompt, system.row.takes_context) and not request.ignore_look
    left_out = () if look else system.video_encoder.still
    info = None if source is None else probe(source)
    if source is None or info is None or info.is_picture:
        asked = sound_asked(request)
        asked = system.config.trained_seconds if asked is None else asked
        seconds = system.longest(window_seconds(asked, seconds=asked), request.long_takes)
        if source is None or task == "tta":
            return EncodedVideo({}, seconds, lead + seconds)
        return system.encode_image(source, seconds=seconds, left_out=left_out)
    seconds = window_seconds(info.seconds, request.start, request.seconds)
    seconds = system.longest(seconds, request.long_takes)
    if lead > seconds - LENGTH_SLACK:
        raise FoleyError(
            f"The reference of {lead:.2f} s stands before the take, and has to be shorter than its "
            f"{seconds:.2f} s: give a shorter one, or make a longer take."
        )
    if not TASKS[task].motion:
        return EncodedVideo({}, seconds, seconds)
    return system.encode_video(
        source,
        start=request.start,
        seconds=seconds,
        to_end=request.seconds is None,
        timing=request.timing,
        lead=lead,
        left_out=left_out,
        progress=progress and partial(progress, "encoding"),
        cancelled=cancelled,
    )
