"""The tasks of FoleyGenEx (arXiv 2606.14049) on held-out scenes, each beside its control.

Every take is made as an artist makes it, by `pipeline.generate`; its noise depends on the scene
alone. What a system does not do is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..encoders.base import EncodedVideo
from ..media import ImageFrames, resample
from ..onsets.detect import detect_onsets
from ..onsets.matching import match_onsets, pool, shuffled_f1
from ..pipeline import generate
from ..request import Request
from ..scenes.materials import IMPACT_MATERIALS
from ..scenes.pairs import sound_on
from ..system import System
from .adverbs import ADVERBS, MEASURES
from .clips import Clip
from .distances import Distance, mcd_distances, mfcc_distance
from .materials import classify
from .protocols import SOUND_RATE, held_out, other_clips
from .report import Progress, Settings, cell, counted, headline, write_report

_EDIT = 1.2  # seconds that are made anew, around a hit
_KNOWN = 0.375  # share of a take that is extended, as 3 s of 8
_FLOOR = 1e-5  # power under which nothing is heard beside a hit: -50 dB
_EDGE = 0.1  # seconds at either side of a seam whose levels are compared


class _Remembering(System):
    """A system that encodes each picture once."""

    def __init__(self, system: System) -> None:
        super().__init__(system.name, system.row, system.store, system.cache)
        self.seen: dict[tuple, EncodedVideo] = {}

    def encode_video(self, source, **options) -> EncodedVideo:
        key = (id(source), *(options[name] for name in ("start", "seconds", "lead", "left_out")))
        if key not in self.seen:
            self.seen[key] = super().encode_video(source, **options)
        return self.seen[key]


@dataclass
class _Run:
    """What all tasks share: the clips, their pictures, and how a take is made."""

    system: System
    clips: Sequence[Clip]
    request: Request
    progress: Progress | None
    pictures: list[ImageFrames] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pictures = [clip.seen_by(self.system.video_encoder) for clip in self.clips]

    @cached_property
    def told(self) -> list[tuple[Tensor, int]]:
        """Takes of the picture and of the words for what is seen."""
        return self.makes("vta", lambda k, clip: {"task": "vta", "prompt": f"{clip.material} hit"})

    @cached_property
    def alone(self) -> list[tuple[Tensor, int]]:
        """Takes of the picture alone."""
        return self.makes("vta, picture alone", lambda k, clip: {"task": "vta"})

    def makes(
        self, name: str, asked: Callable[[int, Clip], Mapping[str, Any]]
    ) -> list[tuple[Tensor, int]]:
        """A take `[C, T]` of each clip and its rate; asked(k, clip): fields of its request."""
        made = []
        for k, clip in counted_pairs(self.clips, name, self.progress):
            request = replace(self.request, seed=clip.scene.seed, **asked(k, clip))
            source = None if request.task == "tta" else self.pictures[k]
            takes = generate(source, self.system, request)
            made.append((takes.waveforms[0], takes.sample_rate))
        return made


def counted_pairs(clips: Sequence[Clip], name: str, progress: Progress | None):
    """The clips with their places, counted."""
    return counted(list(enumerate(clips)), name, progress)


def run_tasks(
    system: System,
    settings: Settings,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> str:
    """A table of all tasks that a system does; with `folder`, its figures as JSON beside.

    Raises:
        FoleyError: too few scenes have a hit.
    """
    run = _run_of(system, settings, progress)
    report: dict[str, Any] = {"protocol": "tasks", **settings.head(system), "tasks": {}}
    for name, measure in _TASKS.items():
        if name in system.row.tasks:
            report["tasks"][name] = measure(run)
    if system.row.text and "swelling" in _words(system):
        report["tasks"]["adverbs"] = _adverbs(run)
    if folder is not None:
        write_report(report, folder, "tasks", report["scenes"])
    return table(report)


def measure_task(
    name: str, system: System, settings: Settings, progress: Progress | None = None
) -> dict[str, float]:
    """The figures of one task that a system does, by what they say.

    Raises:
        FoleyError: too few scenes have a hit.
    """
    return _TASKS[name](_run_of(system, settings, progress))


def _run_of(system: System, settings: Settings, progress: Progress | None) -> _Run:
    request = Request(steps=settings.steps, cfg=settings.cfg_scale, loudness=None)
    return _Run(_Remembering(system), held_out(settings), request, progress)


def _words(system: System) -> Sequence[str]:
    """The vocabulary of a mini's words; none where the encoder reads sentences."""
    with system.store.using("text") as encoder:
        return getattr(encoder, "words", ())


def _onsets(made: Sequence[tuple[Tensor, int]], clips: Sequence[Clip]) -> dict[str, float]:
    found = [detect_onsets(*take) for take in made]
    truths = [clip.times for clip in clips]
    pooled = pool(match_onsets(*pair) for pair in zip(found, truths, strict=True))
    return {"F1": pooled.f1, "F1 shuffled": shuffled_f1(found, truths)}


def _recognised(made: Sequence[tuple[Tensor, int]], materials: Sequence[str]) -> float:
    return float(np.mean([classify(*t) == m for t, m in zip(made, materials, strict=True)]))


def _vta(run: _Run) -> dict[str, float]:
    made = run.told
    true = [(clip.sound, SOUND_RATE) for clip in run.clips]
    return {**_onsets(made, run.clips), "F1 of true sounds": _onsets(true, run.clips)["F1"]}


def _tc_vta(run: _Run) -> dict[str, float]:
    """Words that contradict the picture's material."""
    asked = [_other_material(clip) for clip in run.clips]
    made = run.makes("tc-vta", lambda k, clip: {"task": "tc-vta", "prompt": f"{asked[k]} hit"})
    true = [(clip.sound, SOUND_RATE) for clip in run.clips]
    return {
        **_onsets(made, run.clips),
        "material of the words": _recognised(made, asked),
        "material of the picture": _recognised(made, [clip.material for clip in run.clips]),
        "true sounds recognised": _recognised(true, [clip.material for clip in run.clips]),
    }


def _other_material(clip: Clip) -> str:
    others = [name for name in IMPACT_MATERIALS if name != clip.material]
    return str(np.random.default_rng([clip.scene.seed, 5]).choice(others))


def _ac_vta(run: _Run) -> dict[str, float]:
    """References of other materials; the control has none."""
    others = other_clips(run.clips)

    def asked(k: int, clip: Clip) -> dict[str, Any]:
        return {"task": "ac-vta", "reference": (others[k].reference, SOUND_RATE)}

    made = run.makes("ac-vta", asked)
    alone = run.alone
    materials = [other.material for other in others]
    figures = _onsets(made, run.clips)
    if run.system.row.takes_context:
        unseen = run.makes(
            "ac-vta, unseen", lambda k, clip: {**asked(k, clip), "surrogate": "zero"}
        )
        summed = run.makes("ac-vta, summed", lambda k, clip: {**asked(k, clip), "summation": True})
        figures["F1, surrogate unseen"] = _onsets(unseen, run.clips)["F1"]
        figures["material of the reference, summed"] = _recognised(summed, materials)
    targets = [other.reference for other in others]
    true = [
        (torch.from_numpy(sound_on(clip.scene, other.scene, SOUND_RATE))[None], SOUND_RATE)
        for clip, other in zip(run.clips, others, strict=True)
    ]
    led, unled, ideal = (_distances(takes, targets) for takes in (made, alone, true))
    return {
        **figures,
        "material of the reference": _recognised(made, materials),
        "the same without it": _recognised(alone, materials),
        **_lower("distance to it lower than without", led, unled),
        **_lower("distance of true sounds of its object lower", ideal, unled),
    }


def _distances(
    takes: Sequence[tuple[Tensor, int]], targets: Sequence[Tensor], start: float = 0.0
) -> list[np.ndarray]:
    """How far takes are, from `start` on, from their targets `[1, T]`: by MCD, as they are made and
    at equal level, or by aligned MFCCs where pyworld is not installed."""
    pairs = [(_at(take, start), target) for take, target in zip(takes, targets, strict=True)]
    found: Sequence[Distance] = mcd_distances() or (_aligned_mfcc,)
    return [np.array([distance(*pair, SOUND_RATE) for pair in pairs]) for distance in found]


def _aligned_mfcc(sound: Tensor, target: Tensor, sample_rate: int) -> float:
    return mfcc_distance(sound, target, sample_rate, mode="dtw")


def _lower(what: str, led: Sequence[np.ndarray], unled: Sequence[np.ndarray]) -> dict[str, float]:
    """Share of the takes whose `_distances` are lower than the control's."""
    names = (what, f"{what}, at equal level")
    return {name: float((one < other).mean()) for name, one, other in zip(names, led, unled)}


def _at(take: tuple[Tensor, int], start: float = 0.0, stop: float | None = None) -> Tensor:
    """Seconds of a take, mono at SOUND_RATE."""
    sound = resample(take[0].mean(0, keepdim=True), take[1], SOUND_RATE)
    last = None if stop is None else round(stop * SOUND_RATE)
    return sound[:, round(start * SOUND_RATE) : last]


def _extend(run: _Run) -> dict[str, float]:
    """What is new against what is known, of clips that are hit in both; the control is a take that
    knows nothing of it."""
    seconds = run.clips[0].scene.seconds
    split = round(_KNOWN * seconds, 2)

    def asked(k: int, clip: Clip) -> dict[str, Any]:
        return {"task": "extend", "context": (clip.sound, SOUND_RATE), "known": (0.0, split)}

    clips = [k for k, clip in enumerate(run.clips) if _heard(clip, split)]
    if not clips:
        return {"clips": 0.0}
    some = replace_clips(run, clips)
    made = some.makes("extend", asked)
    alone = [run.alone[k] for k in clips]
    known = [clip.sound[:, : round(split * SOUND_RATE)] for clip in some.clips]
    steps = [
        level_step(_at(take), split) - level_step(c.sound, split)
        for take, c in zip(made, some.clips)
    ]
    same = [torch.equal(take[0][:, : s.shape[-1]], s) for take, s in zip(made, known, strict=True)]
    late = [
        match_onsets(_after(detect_onsets(*take), split), _after(clip.times, split))
        for take, clip in zip(made, some.clips, strict=True)
    ]
    led, unled = (_distances(takes, known, split) for takes in (made, alone))
    return {
        "clips": float(len(some.clips)),
        "F1 of what is new": pool(late).f1,
        **_lower("distance to what is known lower than unrelated", led, unled),
        "step at the seam beyond the true sound's, dB": float(np.mean(steps)),
        "known samples unchanged": float(np.mean(same)),
    }


def replace_clips(run: _Run, places: Sequence[int]) -> _Run:
    """A run on some of the clips, with their pictures."""
    some = replace(run, clips=[run.clips[k] for k in places])
    some.pictures = [run.pictures[k] for k in places]
    return some


def _heard(clip: Clip, split: float) -> bool:
    """Whether something is hit in what is known and in what is new."""
    times = clip.times
    return bool((times < split - 0.1).any() and (times > split + 0.1).any())


def _after(times: np.ndarray, start: float, stop: float = np.inf) -> np.ndarray:
    return times[(times >= start + 0.02) & (times < stop - 0.02)]


def level_step(sound: Tensor, at: float) -> float:
    """How far the levels before and after a moment are apart, dB."""
    middle, size = round(at * SOUND_RATE), round(_EDGE * SOUND_RATE)
    parts = sound[:, middle - size : middle], sound[:, middle : middle + size]
    before, after = (10 * np.log10(float(part.square().mean()) + _FLOOR) for part in parts)
    return abs(after - before)


def _edit(run: _Run) -> dict[str, float]:
    """1.2 s around a hit made anew, by the picture."""
    spans = [_span(clip) for clip in run.clips]

    def asked(k: int, clip: Clip) -> dict[str, Any]:
        return {"task": "edit", "context": (clip.sound, SOUND_RATE), "edit": spans[k]}

    made = run.makes("edit", asked)
    same, inside, others = [], [], []
    for (take, rate), clip, (start, stop) in zip(made, run.clips, spans, strict=True):
        outside = torch.ones(take.shape[-1], dtype=torch.bool)
        outside[round(start * rate) : round(stop * rate)] = False
        same.append(torch.equal(take[:, outside], clip.sound[:, outside]))
        inside.append(_after(detect_onsets(take, rate), start, stop) - start)
        others.append(_after(clip.times, start, stop) - start)
    matched = pool(match_onsets(*pair) for pair in zip(inside, others, strict=True))
    return {
        "F1 inside": matched.f1,
        "F1 shuffled": shuffled_f1(inside, others),
        "samples outside unchanged": float(np.mean(same)),
    }


def _span(clip: Clip) -> tuple[float, float]:
    """The part that is edited: around a hit that the scene alone decides."""
    rng = np.random.default_rng([clip.scene.seed, 13])
    start = float(rng.choice(clip.times)) - float(rng.uniform(0.3, 0.7)) * _EDIT
    start = round(min(max(start, 0.1), clip.scene.seconds - _EDIT - 0.1), 2)
    return start, start + _EDIT


def _adverbs(run: _Run) -> dict[str, float]:
    """How often a word moves its measure to the right side of the take without it."""

    def measured(made: Sequence[tuple[Tensor, int]], name: str) -> np.ndarray:
        pairs = zip(made, run.clips, strict=True)
        return np.array([MEASURES[name](*take, clip.times) for take, clip in pairs])

    def say(word: str) -> list[tuple[Tensor, int]]:
        return run.makes(
            f"adverb {word}",
            lambda k, clip: {"task": "vta", "prompt": f"{word} {clip.material} hit"},
        )

    plain = {name: measured(run.told, name) for name in MEASURES}
    figures = {}
    for word, (measure, side) in ADVERBS.items():
        moved = side * (measured(say(word), measure) - plain[measure])
        figures[word] = float((moved > 0).mean())
        figures[f"{word}, dB moved"] = float(np.median(moved))
    return figures


_TASKS: Mapping[str, Callable[[_Run], dict[str, float]]] = {
    "vta": _vta,
    "tc-vta": _tc_vta,
    "ac-vta": _ac_vta,
    "extend": _extend,
    "edit": _edit,
}


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    lines = [f"{report['model']}, tasks: {headline(report)}"]
    for name, figures in report["tasks"].items():
        lines += [f"{name:<9}{what:<52}{cell(value):>8}" for what, value in figures.items()]
    return "\n".join(lines)
