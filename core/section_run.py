"""Sections of a take, made one after another: what each is told, what it sees, and what of it is
there already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import count, repeat

import torch
from torch import Tensor

from .cues import CueSheet, Hit
from .encoders.base import EncodedVideo
from .encoders.cache import FeatureCache, content_key
from .errors import CancelCheck, stop_if
from .generators import Conditions
from .generators.base import Streams
from .media import Source, probe
from .nudge import WantedHits, nudge
from .plan import KnownLatent, Plan, plan
from .request import Request, Sound
from .resolve import encode, left_out_of
from .sampling.dynamics import Noise, mixed
from .section_store import Made, SectionStore, sound_key, source_key
from .sections import MOST_TAKES, Seams, Section, known_of, noise_of, sections_of
from .system import System
from .tables import CODECS
from .tasks import TASKS

_SHORT_OF = 0.2  # seconds that a section may reach past the end of the picture, by rounding
_NEAR = 0.1  # seconds around a window from which a hit still shows in it
_FORMAT = "section 1"


@dataclass(frozen=True)
class Layer:
    """Sections that are made together and mixed with those of other layers. sheet: in seconds of
    the take. numbers: of the takes that are made. sparse: nothing is made where there is no hit."""

    source: Source | None
    request: Request
    task: str
    sheet: CueSheet
    numbers: Sequence[int]
    title: str = "picture"
    sparse: bool = False


@dataclass(frozen=True)
class Told:
    """What a section is told besides the picture. cfg: the guidance scale."""

    prompt: str
    negative: str
    cfg: float | None
    reference: Sound | None

    def sounds_like(self, other: Told) -> bool:
        """Whether a sound goes on from one to the other."""
        same = (self.prompt, self.negative) == (other.prompt, other.negative)
        one, two = self.reference, other.reference
        return same and (one is two or (isinstance(one, str) and one == two))


class _Script:
    """What is told when, encoded once."""

    def __init__(self, system: System, request: Request, sheet: CueSheet) -> None:
        self._system, self._request, self._sheet = system, request, sheet
        self._words: dict[tuple[str, str], tuple[Streams, Streams]] = {}
        self._references: dict[str | int, Streams] = {}

    def at(self, time: float) -> Told:
        """In force at a time; a prompt of the sheet takes the place of all that is asked for, but
        for what it leaves open."""
        asked, own = self._request, self._sheet.prompt_at(time)
        if own is None:
            return Told(asked.prompt, asked.negative, asked.cfg, asked.reference)
        cfg = asked.cfg if own.guidance is None else own.guidance
        return Told(own.prompt, own.negative, cfg, own.reference or asked.reference)

    def streams(self, told: Told) -> tuple[Streams, Streams]:
        """Positive and negative."""
        words = told.prompt, told.negative
        if words not in self._words:
            self._words[words] = self._system.encode_words(*words)
        positive, negative = self._words[words]
        sound = told.reference
        if sound is None:
            return positive, negative
        name = id(sound) if isinstance(sound, tuple) else os.fspath(sound)
        if name not in self._references:
            made = self._system.encode_reference(sound, self._request.pick)
            self._references[name] = made
        return {**positive, **self._references[name]}, negative


def generate_sections(
    layer: Layer,
    system: System,
    seconds: float,
    keep: Callable[[Tensor], None],
    *,
    store: FeatureCache | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: CancelCheck | None = None,
) -> Tensor | None:
    """Makes a take of `seconds` section by section, and hands on the sound of each.

    seconds: with what an encoder pads, see `padded_seconds`.
    The source may be a video, a single picture, or None; a video that ends before it says ends the
    take. keep(sound): the next samples `[takes, C, n]`. store: where sections are kept and looked
    for. Returns the chance of a hit, 50 a second, where the encoder tells it.

    Raises:
        FoleyError: as `pipeline.generate`. Cancelled: as asked.
    """
    with system.store.keeping():
        run = _Run(layer, system, seconds, store, progress, cancelled)
        seams, rate, chances = Seams(system.sample_rate), system.config.latent.rate, []
        for section, made in run:
            kept = section.stop - section.start
            sound = seams.join(section, made.sound, changed=not run.goes_on(section))
            ends = rate * made.seconds  # of the window, in latent frames
            short = made.seconds < run.window - _SHORT_OF and ends < kept
            if short:
                share = max(0.0, ends - section.known) / (section.stop - section.new)
                sound = sound[..., : round(share * sound.shape[-1])]
            keep(sound)
            if made.chance is not None:
                each = len(made.chance) / section.length  # a latent frame
                chances.append(made.chance[round(section.known * each) : round(kept * each)])
            if short:
                break
    return torch.cat(chances) if chances else None


def padded_seconds(system: System, source: Source | None, seconds: float) -> float:
    """What is made for a take of so many seconds, on the grid of its encoder."""
    if source is None or not system.row.video:
        return seconds
    return system.video_encoder.round_up_seconds(seconds)


class _Run:
    """The sections of a layer with what is made of them. window: seconds of a section."""

    def __init__(
        self,
        layer: Layer,
        system: System,
        seconds: float,
        store: FeatureCache | None,
        progress: Callable[[int, int], None] | None,
        cancelled: CancelCheck | None,
    ) -> None:
        config, own = system.config, layer.request.steps
        self._layer, self._system, self._cancelled = layer, system, cancelled
        self._dynamics = system.dynamics
        self._steps = system.row.sampling.steps if own is None else own
        made = config.round_up_seconds(seconds)
        self.window = min(config.trained_seconds, made)
        self._all_at_once = self.window == made
        self._rate = config.latent.rate
        self._sections = sections_of(config, seconds, layer.sheet.borders)
        self._script = _Script(system, layer.request, layer.sheet)
        self._told = [self._script.at(one.new / self._rate) for one in self._sections]
        self._hits = [self._hits_of(one) for one in self._sections]
        # One section is soon made again.
        keys = self._keys() if store is not None and len(self._sections) > 1 else []
        self._kept = SectionStore(store, keys, config.latent.codes)
        self._progress = progress

    def __iter__(self) -> Iterator[tuple[Section, Made]]:
        missing = [k for k in range(len(self._sections)) if not self._kept.has(k)]
        seen = self._seen([self._sections[k] for k in missing]) if missing else iter(())
        before: Made | None = None
        for index, section in enumerate(self._sections):
            made = None if index in missing else self._kept.read(index)
            if made is None:
                # What was there before may be gone by now.
                video = next(seen if index in missing else self._seen([section]), None)
                if video is None:  # the picture has ended
                    return
                made = self._make(index, video, before)
                self._kept.write(index, made)
            self._show(index, self._steps)
            yield section, made
            before = made

    def goes_on(self, section: Section) -> bool:
        """Whether a section goes on from the one before, not told otherwise."""
        index = self._sections.index(section)
        return bool(index) and self._told[index].sounds_like(self._told[index - 1])

    def _show(self, index: int, step: int) -> None:
        if self._progress is not None:
            total = self._steps * len(self._sections)
            self._progress(index * self._steps + step, total)

    def _make(self, index: int, video: EncodedVideo, before: Made | None) -> Made:
        layer, system, told = self._layer, self._system, self._told[index]
        section, hits = self._sections[index], self._hits[index]
        if layer.sparse and not hits:
            return self._silence(section)
        if hits is not None:
            heard = [hit for hit in hits if not hit.removed]
            times, strengths = [hit.time for hit in heard], [hit.strength for hit in heard]
            if system.places_hits:
                video = system.place_hits(video, times, strengths)
            else:
                video = system.without_hits(video, [hit.time for hit in hits if hit.removed])
        words, negative = self._script.streams(told)
        known = None
        # What is told otherwise would be drowned by what was told before.
        goes_on = section.known and self.goes_on(section)
        if goes_on and before is not None and before.latent is not None:
            known = known_of(section, self._sections[index - 1], before.latent)
        planned = plan(
            "extend" if known else layer.task,
            Conditions({**video.streams, **words}, self.window, negative),
            section.length,
            takes_context=system.row.takes_context,
            known=known,
        )
        noise = self._drawn(section, layer.numbers)
        latent = self._sample(planned, told, noise, lambda done, _: self._show(index, done))
        sound = system.decode(latent)
        if hits and (not system.places_hits or any(hit.removed for hit in hits)):
            latent, sound = self._nudged(index, latent, sound, video)
        return Made(latent, sound, video.chance, video.seconds)

    def _drawn(self, section: Section, numbers: Sequence[int]) -> Noise:
        """What is drawn for a section of takes."""
        seed, like = self._layer.request.seed, self._layer.request.likeness
        place = self._system.config, self._dynamics, section
        if like is None:
            return noise_of(*place, seed, numbers, self._steps)
        near = noise_of(*place, seed, [like.take], self._steps)
        fresh = noise_of(*place, like.fresh_seed(seed), numbers, self._steps)
        return mixed(near, fresh, like.variation)

    def _sample(
        self,
        planned: Plan,
        told: Told,
        noise: Noise,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        latent = self._system.sample(
            planned.conditions,
            cfg=told.cfg,
            steps=self._steps,
            published=self._layer.request.published,
            long="one pass",
            known=planned.known,
            noise=noise,
            takes=noise.takes,
            progress=progress,
            cancelled=self._cancelled,
        ).cpu()
        stop_if(self._cancelled)
        return latent

    def _nudged(
        self, index: int, latent: Tensor, sound: Tensor, video: EncodedVideo
    ) -> tuple[Tensor, Tensor]:
        """Each take with its hits brought to where they are wanted."""
        section, system, request = self._sections[index], self._system, self._layer.request
        hits = self._hits[index] or []
        heard, told = [hit for hit in hits if not hit.removed], system.places_hits
        wanted = WantedHits(
            [hit.time for hit in heard],
            [(hit.time, hit.material) for hit in heard if hit.material and not told],
            [hit.time for hit in hits if hit.removed],
            told,
        )
        # Noise of no take: what is tried has its own.
        tried = count(MOST_TAKES + 1)

        def sample(known: KnownLatent, material: str, tries: int) -> Tensor:
            now = self._told[index]
            now = replace(now, prompt=material) if material else now
            words, negative = self._script.streams(now)
            planned = plan(
                "edit",
                Conditions({**video.streams, **words}, self.window, negative),
                section.length,
                takes_context=system.row.takes_context,
                known=known,
            )
            numbers = [next(tried) for _ in range(tries)]
            place = system.config, self._dynamics, section
            noise = noise_of(*place, request.seed, numbers, self._steps)
            return self._sample(planned, now, noise)

        new = section.known / self._rate
        made = [
            nudge(
                one,
                heard_now,
                wanted,
                new=new,
                rate=system.sample_rate,
                sample=sample,
                decode=system.decode,
            )
            for one, heard_now in zip(latent.split(1), sound.split(1))
        ]
        latents, sounds = zip(*made)
        return torch.cat(latents), torch.cat(sounds)

    def _silence(self, section: Section) -> Made:
        row = self._system.row
        samples = round(section.length / self._rate * row.sample_rate)
        channels = CODECS[row.codec].channels
        sound = torch.zeros(len(self._layer.numbers), channels, samples)
        return Made(None, sound, None, self.window)

    def _hits_of(self, section: Section) -> list[Hit] | None:
        """In seconds of the window; None leaves them to what is seen."""
        if self._layer.sheet.hits is None:
            return None
        start = section.start / self._rate
        return [
            replace(hit, time=hit.time - start)
            for hit in self._layer.sheet.hits
            if -_NEAR <= hit.time - start <= self.window + _NEAR
        ]

    def _seen(self, sections: Sequence[Section]) -> Iterator[EncodedVideo]:
        """What each section is conditioned on of the picture."""
        layer, system, window = self._layer, self._system, self.window
        source, request = layer.source, layer.request
        if source is None or not (TASKS[layer.task].motion and system.row.video):
            return repeat(EncodedVideo({}, window, window))
        if self._all_at_once:
            # As for a take without sections.
            return repeat(encode(source, system, request, layer.task, cancelled=self._cancelled))
        left_out = left_out_of(system, request, layer.task)
        if probe(source).is_picture:
            return repeat(system.encode_image(source, seconds=window, left_out=left_out))
        starts = [request.start + one.start / self._rate for one in sections]
        return system.encode_windows(
            source,
            [(start, start + window) for start in starts],
            timing=request.timing,
            left_out=left_out,
            cancelled=self._cancelled,
        )

    def _keys(self) -> list[str]:
        """A name for each section, of all that it depends on; none where the source has no name."""
        layer, system, request = self._layer, self._system, self._layer.request
        source = source_key(layer.source)
        if source is None:
            return []
        roles = ["generator", "codec"] + (["text"] if system.row.text else [])
        if layer.source is not None and system.row.video:
            roles += system.video_encoder.roles
        key = content_key(
            _FORMAT,
            system.name,
            [system.store.weights(role) for role in roles],
            source,
            layer.task,
            list(layer.numbers),
            [request.start, request.seed, self._steps, request.timing, request.ignore_look],
            [request.like, request.variation],
            [request.pick.start, request.pick.windows],
        )
        keys = []
        for section, told, hits in zip(self._sections, self._told, self._hits, strict=True):
            place = [section.start, section.length, section.new, self.window]
            words = [told.prompt, told.negative, told.cfg, sound_key(told.reference)]
            key = content_key(key, place, words, hits and [astuple(hit) for hit in hits])
            keys.append(key)
        return keys
