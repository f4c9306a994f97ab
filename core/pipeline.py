"""Video, words and sounds in, takes out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from .context import KnownSound
from .encoders.cache import FeatureCache
from .errors import CancelCheck, FoleyError, stop_if
from .generators import Conditions
from .long_take import generate_long, is_sequential
from .media import Source, finish, integrated_loudness, probe
from .media.masking import View
from .plan import plan
from .request import Clock, Request, Takes
from .resolve import encode, read_known, task_of
from .system import System
from .tasks import TASKS

Progress = Callable[[str, int, int], None]


def generate(
    source: Source | None,
    system: System,
    request: Request = Request(),  # noqa: B008 - frozen
    *,
    mask: Source | None = None,
    view: View | None = None,
    store: FeatureCache | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Takes:
    """Make the takes that `request` asks for.

    source: a video, a single picture for systems that make something of one, or None for words
    alone. Noise comes from one CPU generator seeded with `seed`; take k of a batch is the same
    whatever the batch. On one device and library version the result is bit-exact; elsewhere it is
    the same take up to rounding. Of a sound that is extended or edited every sample outside of what
    is made is returned as it is, at its own rate and with its own channels.

    mask: a video as long, black where nothing is to be seen. view: the part of the picture that is
    seen, of takes in one piece. store: where finished sections of a long take are kept, and looked
    for by one that goes on.

    Raises:
        FoleyError: unusable input, in one sentence.
        Cancelled: `cancelled()` said so.
    """
    request.check()
    task = task_of(system, source, request)
    info = None if source is None else probe(source)
    if is_sequential(info, system, request, task):
        if mask is not None:
            raise FoleyError(
                "A take section by section sees the whole picture: make a shorter one to mask a "
                "part of it, without a cue sheet."
            )
        made = progress and partial(progress, "sampling")
        return generate_long(
            source, info, system, request, task, store=store, progress=made, cancelled=cancelled
        )
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
    looked = progress and partial(progress, "encoding")
    video = encode(source, system, request, task, lead, mask, view, looked, cancelled, info)
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
        like=request.likeness,
        progress=progress and partial(progress, "sampling"),
        cancelled=cancelled,
    )
    clock("sampling")
    stop_if(cancelled)
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
