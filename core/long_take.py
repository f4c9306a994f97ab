"""Takes of any length in constant memory, and takes by a cue sheet: made section by section, on
the disk, then mixed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from .cues import CueSheet, Hit
from .encoders.cache import FeatureCache
from .errors import CancelCheck, FoleyError
from .media import Source
from .media.mixing import stem_titles
from .media.probe import VideoInfo
from .mixdown import Raw, mixdown
from .request import SEQUENTIAL, Clock, Request, Takes
from .resolve import take_seconds
from .section_run import Layer, generate_sections, padded_seconds
from .system import System
from .tasks import TASKS

LONGEST_AT_ONCE = 600.0  # seconds of a take whose windows are made together by themselves


def is_sequential(info: VideoInfo | None, system: System, request: Request, task: str) -> bool:
    """Whether a take is made section by section: where that or a cue sheet asks for it, and where
    it is so long that it would fill the memory. info: of the source, if any."""
    if request.cues is not None:
        return True
    if request.long is not None or request.published or not _able(system, request, task):
        return request.long == SEQUENTIAL
    return take_seconds(info, system, request) > LONGEST_AT_ONCE


def _able(system: System, request: Request, task: str) -> bool:
    leads = request.reference is not None and system.row.takes_context
    return not (TASKS[task].known or leads)


def _check(system: System, request: Request, task: str) -> None:
    """FoleyError for what is not made section by section."""
    sheet = request.cues
    if request.like is not None and system.dynamics.name == "tokens":
        raise FoleyError(
            f"{system.name} makes takes like another at once alone: ask for ten minutes or less, "
            "and leave --long sequential and cue sheets away."
        )
    if not _able(system, request, task):
        if sheet is not None:
            raise FoleyError(f"The task {task} follows no cue sheet: leave one of them away.")
        raise FoleyError(
            f"The task {task} is not made section by section: leave --long sequential away, or use "
            "Foley Task."
        )
    if sheet is None:
        return
    if request.published or request.long not in (None, SEQUENTIAL):
        raise FoleyError(
            "A cue sheet is followed section by section: leave the timing and the kind of long "
            "takes as they are."
        )
    if sheet.references and (system.row.takes_context or not system.row.reference):
        raise FoleyError(
            f"The cue sheet names reference sounds, which {system.name} cannot follow at times: "
            "use another system, such as ac_foley_mini."
        )
    if request.stems and not system.places_hits:
        raise FoleyError(
            f"{system.name} makes its hits in one sound, so there are no stems: leave them away, "
            "or use a system such as ac_foley_mini."
        )
    if sheet.takes and request.takes > 1:
        raise FoleyError("The cue sheet chooses among takes, so one is made: ask for no more.")


def generate_long(
    source: Source | None,
    info: VideoInfo | None,
    system: System,
    request: Request,
    task: str,
    *,
    store: FeatureCache | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: CancelCheck | None = None,
) -> Takes:
    """As `pipeline.generate`, section by section; the sound lies on the disk.

    info: of the source. store: where finished sections are kept and looked for. The level is that
    of `media.levelling`: what is made later does not change it.
    """
    _check(system, request, task)
    clock, rate = Clock(), system.sample_rate
    seconds = take_seconds(info, system, request)
    sheet = _sheet(request, info, seconds)
    layers = layers_of(source, system, request, task, sheet)
    padded = padded_seconds(system, source, seconds)
    sounds: list[Tensor] = []
    chance: Tensor | None = None
    for number, layer in enumerate(layers):

        def show(done: int, total: int, number: int = number) -> None:
            if progress is not None:
                progress(number * total + done, len(layers) * total)

        raw = Raw(rate, seconds)
        found = generate_sections(
            layer, system, padded, raw.add, store=store, progress=show, cancelled=cancelled
        )
        chance = chance if number else found
        sounds.append(raw.waveforms)
    clock("sections")
    mixed = mixdown(sounds, rate, layers[0].numbers, request, sheet)
    clock("finishing")
    made = mixed.waveforms.shape[-1] / rate
    stems = dict(zip(stem_titles([layer.title for layer in layers]), mixed.stems))
    return Takes(
        mixed.waveforms, rate, request.start, made, chance, mixed.loudness, clock.stages, stems
    )


def _sheet(request: Request, info: VideoInfo | None, seconds: float) -> CueSheet:
    """The cues of a take, in seconds of it. Raises FoleyError for one after the end."""
    if request.cues is None:
        return CueSheet()
    if info is not None and not info.is_picture:
        request.cues.check_end(info.seconds)
    else:
        request.cues.check_end(seconds, "The take")
    return request.cues.shifted(request.start, seconds)


def layers_of(
    source: Source | None, system: System, request: Request, task: str, sheet: CueSheet
) -> list[Layer]:
    """What is made and mixed for a take: hits with a sound of their own are apart."""
    chosen = [one.take for one in sheet.takes] + [1]
    numbers = sorted(set(chosen)) if sheet.takes else list(range(1, request.takes + 1))
    if sheet.hits is None or not system.places_hits:
        return [Layer(source, request, task, sheet, numbers)]
    own: dict[tuple[str, str], list[Hit]] = {}
    for hit in sheet.hits:
        sound = ("", "") if hit.removed else (hit.material, hit.reference)
        own.setdefault(sound, []).append(hit)
    plain = own.pop(("", ""), [])
    layers = [Layer(source, request, task, replace(sheet, hits=tuple(plain)), numbers)]
    for (material, reference), hits in own.items():
        # Words in force elsewhere are not of these hits.
        told = replace(
            request,
            prompt=material or request.prompt,
            reference=reference or request.reference,
        )
        alone = CueSheet(sheet.seconds, hits=tuple(hits))
        title = material or os.path.splitext(os.path.basename(reference))[0]
        layers.append(Layer(None, told, task, alone, numbers, title, sparse=True))
    return layers
