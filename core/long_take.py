"""Takes of any length in constant memory: windows are made one after another, each in the context
of the sound before it.

A window is a take of its own, of the trained length and with features of its own part of the
picture. Its first part is what the window before has made: known to generators with a place for a
known sound (FoleyGenEx, arXiv 2606.14049, section 3.3), put back at every step of others
(RePaint, arXiv 2201.09865). So nothing that comes later changes what was made before.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import torch
from torch import Tensor

from .encoders.base import EncodedVideo
from .errors import CancelCheck, FoleyError, stop_if
from .generators import Conditions
from .generators.base import LATENT, GeneratorConfig
from .media import Source, probe
from .media.finish import not_finite
from .media.levelling import Leveller, LoudnessMeter, PieceLimiter
from .media.limits import peak_of
from .media.probe import VideoInfo
from .media.spool import Spool
from .plan import KnownLatent, plan
from .request import SEQUENTIAL, Clock, Request, Takes
from .resolve import left_out_of, take_seconds
from .sampling.dynamics import Dynamics, Noise
from .system import System
from .tasks import TASKS

OVERLAP = 0.25  # of a window: what it knows of the one before
EDGE_SECONDS = 0.25  # at the end of a window, where neither picture nor sound goes on
FADE_SECONDS = 0.02  # from one window's sound to the next's
LONGEST_AT_ONCE = 600.0  # seconds of a take whose windows are made together by themselves
_SHORT_OF = 0.2  # seconds that a window may reach past the end of the picture, by rounding


@dataclass(frozen=True)
class Section:
    """A window of a take, in latent frames of it. start, length: the window; new, stop: what is
    kept of it."""

    start: int
    length: int
    new: int
    stop: int

    @property
    def known(self) -> int:
        """Frames at its start that the sections before have made."""
        return self.new - self.start


def sections_of(
    config: GeneratorConfig, seconds: float, borders: Sequence[float] = ()
) -> list[Section]:
    """How a take of `seconds` is made. borders: times in seconds where something changes; each
    begins a section, and what is before it does not depend on it."""
    rate = config.latent.rate
    total = config.lengths(config.round_up_seconds(seconds))[LATENT]
    length = min(config.lengths(config.trained_seconds)[LATENT], total)
    overlap, edge = round(OVERLAP * length), round(EDGE_SECONDS * rate)
    marks = sorted({mark for mark in (round(b * rate) for b in borders) if 0 < mark < total})
    sections, new = [], 0
    while new < total:
        start = min(max(new - overlap, 0), total - length)
        stop = total if start + length == total else start + length - edge
        stop = min([stop, *(mark for mark in marks if mark > new)])
        sections.append(Section(start, length, new, stop))
        new = stop
    return sections


def noise_of(
    config: GeneratorConfig,
    dynamics: Dynamics,
    section: Section,
    seeds: Sequence[int],
    steps: int,
) -> Noise:
    """What is drawn for a section of each take; it follows from the take's seed and the section's
    place alone."""
    rngs = []
    for seed in seeds:
        text = f"{seed} {section.start} {section.new}"
        own = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
        rngs.append(torch.Generator().manual_seed(own))
    return dynamics.draw_each(rngs, config.latent, section.length, steps)


class Seams:
    """Sound of sections to sound without seams."""

    def __init__(self, sample_rate: int) -> None:
        self._fade = round(FADE_SECONDS * sample_rate)
        self._tail: Tensor | None = None

    def join(self, section: Section, sound: Tensor) -> Tensor:
        """The part of a section's sound `[B, C, T]` that is kept; its first samples lead over from
        those that the section before would have gone on with."""
        step = sound.shape[-1] // section.length
        first, last = section.known * step, (section.stop - section.start) * step
        kept = sound[..., first:last].clone()
        if self._tail is not None:
            size = min(self._tail.shape[-1], kept.shape[-1])
            ramp = (torch.arange(size) + 0.5) / size
            kept[..., :size] = torch.lerp(self._tail[..., :size], kept[..., :size], ramp)
        self._tail = sound[..., last : last + self._fade].clone()
        return kept


def take_seeds(seed: int, takes: int) -> list[int]:
    """One for each take, the same however many there are."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(2**62, (takes,), generator=rng).tolist()


def generate_sections(
    source: Source | None,
    system: System,
    request: Request,
    task: str,
    seconds: float,
    keep: Callable[[Tensor], None],
    *,
    borders: Sequence[float] = (),
    progress: Callable[[int, int], None] | None = None,
    cancelled: CancelCheck | None = None,
) -> Tensor | None:
    """Makes a take of `seconds` section by section, and hands on the sound of each.

    source: a video, a single picture, or None; a video that ends before it says ends the take.
    keep(sound): the next samples `[takes, C, n]`. borders: see `sections_of`. Returns the chance of
    a hit, 50 a second, where the encoder tells it.

    Raises:
        FoleyError: as `pipeline.generate`. Cancelled: as asked.
    """
    config, own = system.config, system.row.sampling
    dynamics = system.dynamics  # found once: a network that is not kept would load each time
    steps = own.steps if request.steps is None else request.steps
    sections = sections_of(config, seconds, borders)
    window = min(config.trained_seconds, config.round_up_seconds(seconds))
    seeds, seams = take_seeds(request.seed, request.takes), Seams(system.sample_rate)
    reference = system.encode_reference(request.reference, request.pick)
    words, negative = system.encode_words(request.prompt, request.negative)
    seen = _seen(source, system, request, task, sections, window, cancelled)
    made: Tensor | None = None
    chances = []
    for index, (section, video) in enumerate(zip(sections, seen)):

        def step(done: int, total: int, index: int = index) -> None:
            if progress is not None:
                progress(index * total + done, len(sections) * total)

        known = _known(section, sections[index - 1], made) if section.known else None
        streams = {**video.streams, **words, **reference}
        planned = plan(
            "extend" if known else task,
            Conditions(streams, window, negative),
            section.length,
            takes_context=system.row.takes_context,
            known=known,
        )
        made = system.sample(
            planned.conditions,
            cfg=request.cfg,
            steps=steps,
            published=request.published,
            long="one pass",
            known=planned.known,
            noise=noise_of(config, dynamics, section, seeds, steps),
            takes=request.takes,
            progress=step,
            cancelled=cancelled,
        ).cpu()
        stop_if(cancelled)
        sound = seams.join(section, system.decode(made))
        ends = config.latent.rate * video.seconds  # of the window, in latent frames
        short = video.seconds < window - _SHORT_OF and ends < section.stop - section.start
        if short:
            share = max(0.0, ends - section.known) / (section.stop - section.new)
            sound = sound[..., : round(share * sound.shape[-1])]
        keep(sound)
        if video.chance is not None:
            each = len(video.chance) / video.padded / config.latent.rate  # a latent frame
            kept = slice(round(section.known * each), round((section.stop - section.start) * each))
            chances.append(video.chance[kept])
        if short:
            break
    return torch.cat(chances) if chances else None


def _seen(
    source: Source | None,
    system: System,
    request: Request,
    task: str,
    sections: Sequence[Section],
    window: float,
    cancelled: CancelCheck | None,
) -> Iterator[EncodedVideo]:
    """What each section is conditioned on of the picture."""
    if source is None or not (TASKS[task].motion and system.row.video):
        return repeat(EncodedVideo({}, window, window))
    left_out = left_out_of(system, request, task)
    if probe(source).is_picture:
        return repeat(system.encode_image(source, seconds=window, left_out=left_out))
    starts = [request.start + section.start / system.config.latent.rate for section in sections]
    times = [(start, start + window) for start in starts]
    return system.encode_windows(
        source, times, timing=request.timing, left_out=left_out, cancelled=cancelled
    )


def _known(section: Section, before: Section, made: Tensor | None) -> KnownLatent:
    """What a section knows of the latent `[B, N, ...]` of the one before."""
    assert made is not None
    first = section.start - before.start
    part = made[:, first : first + section.known]
    latent = part.new_zeros(len(part), section.length, *part.shape[2:])
    latent[:, : section.known] = part
    return KnownLatent(latent, torch.arange(section.length) < section.known)


def is_sequential(info: VideoInfo | None, system: System, request: Request, task: str) -> bool:
    """Whether a take is made section by section: where that is asked for, and where it is so long
    that it would fill the memory. info: of the source, if any."""
    if request.long is not None or request.published or not _able(system, request, task):
        return request.long == SEQUENTIAL
    return take_seconds(info, system, request) > LONGEST_AT_ONCE


def _able(system: System, request: Request, task: str) -> bool:
    leads = request.reference is not None and system.row.takes_context
    return not (TASKS[task].known or leads)


def generate_long(
    source: Source | None,
    info: VideoInfo | None,
    system: System,
    request: Request,
    task: str,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: CancelCheck | None = None,
) -> Takes:
    """As `pipeline.generate`, section by section; the sound lies on the disk. info: of the source.

    The level is that of `media.levelling`: what is made later does not change it.
    """
    if not _able(system, request, task):
        raise FoleyError(
            f"The task {task} is made in windows or in one pass: leave --long sequential away."
        )
    clock, rate = Clock(), system.sample_rate
    seconds = take_seconds(info, system, request)
    outputs: list[_Output] = []
    spool: Spool | None = None

    def keep(sound: Tensor) -> None:
        nonlocal spool
        if spool is None:
            spool = Spool(len(sound), sound.shape[1], round(seconds * rate))
            outputs.extend(_Output(spool, take, rate, request) for take in range(len(sound)))
        for output, take in zip(outputs, sound, strict=True):
            output.add(take)

    chance = generate_sections(
        source, system, request, task, seconds, keep, progress=progress, cancelled=cancelled
    )
    for output in outputs:
        output.finish()
    clock("sections")
    assert spool is not None
    length = min(outputs[0].length, round(seconds * rate))
    loudness = tuple(output.meter.integrated for output in outputs)
    waveforms = spool.waveforms(length)
    start = request.start
    return Takes(waveforms, rate, start, length / rate, chance, loudness, clock.stages)


class _Output:
    """One take on its way to the disk, at its place and level. length: samples so far."""

    def __init__(self, spool: Spool, take: int, rate: int, request: Request) -> None:
        self._spool, self._take = spool, take
        self._leveller = Leveller(rate, request.loudness)
        self._limiter = PieceLimiter(rate)
        self._place = round(request.offset / 1000 * rate)
        self.meter, self.length = LoudnessMeter(rate), 0

    def add(self, sound: Tensor) -> None:
        """The next samples `[C, n]`. Raises FoleyError for values that are not numbers."""
        if not math.isfinite(peak_of(sound)):
            raise not_finite()
        self.length += sound.shape[-1]
        self._write(self._limiter(self._leveller(sound)))

    def finish(self) -> None:
        """The last samples."""
        self._write(self._limiter.finish())

    def _write(self, sound: Tensor) -> None:
        self._spool.write(self._take, self._place, sound)
        self._place += sound.shape[-1]
        self.meter.add(sound)
