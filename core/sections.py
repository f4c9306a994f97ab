"""How a long take is made section by section: the plan, what is drawn, and the seams.

A section is a take of its own, of the trained length and with features of its own part of the
picture. Its first part is what the section before has made: known to generators with a place for a
known sound (FoleyGenEx, arXiv 2606.14049, section 3.3), put back at every step of others
(RePaint, arXiv 2201.09865). So nothing that comes later changes what was made before.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .generators.base import LATENT, GeneratorConfig
from .plan import KnownLatent
from .sampling.dynamics import Dynamics, Noise, joined

OVERLAP = 0.25  # of a section: what it knows of the one before
EDGE_SECONDS = 0.25  # at the end of a section, where neither picture nor sound goes on
FADE_SECONDS = 0.02  # from one section's sound to the next's
MOST_TAKES = 64  # that are made at once; noise of higher numbers is of tries
RING = 0.1  # seconds that a sound goes on under another that is told otherwise
BORDER_SECONDS = 0.006  # by which a change is late: what a limiter looks ahead


@dataclass(frozen=True)
class Section:
    """A part of a take, in latent frames of it. start, length: what is made; new, stop: what is
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
    begins a section at the next latent frame, and nothing before it depends on it."""
    rate = config.latent.rate
    total = config.lengths(config.round_up_seconds(seconds))[LATENT]
    length = min(config.lengths(config.trained_seconds)[LATENT], total)
    overlap, edge = round(OVERLAP * length), round(EDGE_SECONDS * rate)
    late = [math.ceil((border + BORDER_SECONDS) * rate) for border in borders if border > 0]
    marks = sorted({mark for mark in late if mark < total})
    sections, new = [], 0
    while new < total:
        start = min(max(new - overlap, 0), total - length)
        stop = total if start + length == total else start + length - edge
        stop = min([stop, *(mark for mark in marks if mark > new)])
        sections.append(Section(start, length, new, stop))
        new = stop
    return sections


def take_seeds(seed: int, takes: int) -> list[int]:
    """One for each take, the same however many there are."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(2**62, (takes,), generator=rng).tolist()


def noise_of(
    config: GeneratorConfig,
    dynamics: Dynamics,
    section: Section,
    seed: int,
    numbers: Sequence[int],
    steps: int,
) -> Noise:
    """What is drawn for a section of takes by their numbers, from 1; it follows from the seed, the
    number and the section's place alone. That of the first is what takes made at once begin with.
    """
    spec, length = config.latent, section.length
    if not section.new and max(numbers) <= MOST_TAKES:
        rng = torch.Generator().manual_seed(seed)
        drawn: dict[int, Noise] = {}
        for number in range(1, max(numbers) + 1):
            one = dynamics.draw(rng, spec, 1, length, steps)
            if number in numbers:
                drawn[number] = one
        return joined([drawn[number] for number in numbers])
    seeds, rngs = take_seeds(seed, max(numbers)), []
    for number in numbers:
        text = f"{seeds[number - 1]} {section.start} {section.new}"
        own = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
        rngs.append(torch.Generator().manual_seed(own))
    return dynamics.draw_each(rngs, spec, length, steps)


def known_of(section: Section, before: Section, made: Tensor) -> KnownLatent:
    """What a section knows of the latent `[B, N, ...]` of the one before."""
    first = section.start - before.start
    part = made[:, first : first + section.known]
    latent = part.new_zeros(len(part), section.length, *part.shape[2:])
    latent[:, : section.known] = part
    return KnownLatent(latent, torch.arange(section.length) < section.known)


class Seams:
    """Sound of sections to sound without seams."""

    def __init__(self, sample_rate: int) -> None:
        self._fade, self._ring = round(FADE_SECONDS * sample_rate), round(RING * sample_rate)
        self._tail: Tensor | None = None

    def join(self, section: Section, sound: Tensor, *, changed: bool = False) -> Tensor:
        """The part of a section's sound `[B, C, T]` that is kept; its first samples lead over from
        those that the section before would have gone on with. changed: it is told otherwise than
        that, whose sound rings out under it."""
        step = sound.shape[-1] // section.length
        first, last = section.known * step, (section.stop - section.start) * step
        kept = sound[..., first:last].clone()
        if self._tail is not None:
            size = min(self._tail.shape[-1], kept.shape[-1], self._ring if changed else self._fade)
            rise, fall = (((torch.arange(size) + 0.5) / n).clamp(max=1) for n in (self._fade, size))
            fall = fall if changed else rise
            kept[..., :size] = kept[..., :size] * rise + self._tail[..., :size] * (1 - fall)
        self._tail = sound[..., last : last + self._ring].clone()
        return kept
