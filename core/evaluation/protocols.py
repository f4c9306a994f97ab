"""The experiments of the AC-Foley paper (arXiv 2603.15597) on scenes whose truth is known.

`timbre` is its Table 2: each video with a reference picked at random from other clips; onset
accuracy and average precision against the video's own sound, and MCD to the reference. `reference`
is its Table 7: MCD to the video's own sound with a reference of the same object, and without one.

`clips without` are those in which one of the two sounds has no onset, whose AP means nothing.
Scenes say what the paper's clips do not: the material. So the table of `timbre` also says how
often a take is recognised as of its reference's material.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import FoleyError
from ..media import resample
from ..pipeline import generate
from ..request import Request
from ..scenes import CONTINUOUS, KINDS
from ..system import System
from .clips import Clip, clip_of, whole_reference
from .distances import Distance, mcd_distances, mfcc_distance
from .materials import classify
from .onsets import condfoley_scores, mean_scores
from .report import Progress, Settings, cell, counted, headline, write_report

SOUND_RATE = 32000  # of the scenes' sound
LONGEST = 60.0  # seconds
_PICTURE = (25.0, 144, 192)  # fps, height, width
_DRAWN = 40  # scenes drawn, at the most, for each that is taken

References = Mapping[str, Sequence[Tensor | None]]
Make = Callable[[Sequence[Clip], References], dict[str, list[Tensor]]]
Rows = dict[str, dict[str, Any]]


def run_protocol(
    protocol: str,
    system: System,
    settings: Settings,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> str:
    """A table of one protocol; with `folder`, its figures as JSON beside.

    Held-out scenes with hits, in order of their seeds; noise and choice of references depend on
    the scene alone, so runs of different weights compare clip by clip.

    Raises:
        FoleyError: no such protocol, a system that takes no reference, scenes too short or too
            long.
    """
    if protocol not in PROTOCOLS:
        raise FoleyError(
            f"There is no protocol '{protocol}'; choose one of: {', '.join(PROTOCOLS)}."
        )
    if not system.row.reference:
        raise FoleyError(
            f"{system.name} takes no reference sound, which the protocols of AC-Foley are about."
        )
    if not 1 <= (seconds := settings.seconds) <= LONGEST:
        raise FoleyError(f"The scenes of a protocol last 1 to {LONGEST:g} s, not {seconds:g} s.")
    chosen = held_out(settings)
    request = Request(seconds=seconds, steps=settings.steps, cfg=settings.cfg_scale, loudness=None)
    make = partial(_takes, system, request, progress)
    report = {
        "protocol": protocol,
        **settings.head(system),
        "rows": PROTOCOLS[protocol](chosen, make),
    }
    if folder is not None:
        write_report(report, folder, protocol, report["scenes"])
    return table(report)


def held_out(settings: Settings) -> list[Clip]:
    """The first test scenes in which something is hit."""
    kinds = [kind for kind in KINDS if kind not in CONTINUOUS]
    scenes = (settings.scene(seed, kinds) for seed in range(_DRAWN * settings.clips))
    hits = (s for s in scenes if any(not event.duration for event in s.events))
    found = [clip_of(scene, SOUND_RATE) for scene in islice(hits, settings.clips)]
    if len(found) < settings.clips:
        raise FoleyError(
            f"Only {len(found)} of {settings.clips} scenes of {settings.seconds:g} s have a hit; "
            "ask longer."
        )
    return found


def other_clips(clips: Sequence[Clip]) -> list[Clip]:
    """For each clip one of another material at random, which its scene alone decides."""
    chosen = []
    for clip in clips:
        others = [other for other in clips if other.material != clip.material]
        others = others or [other for other in clips if other is not clip]
        rng = np.random.default_rng([clip.scene.seed, 11])
        chosen.append(others[int(rng.choice(len(others)))])
    return chosen


def _timbre(clips: Sequence[Clip], make: Make) -> Rows:
    """Table 2, with two controls: no reference, and the sound of another video."""
    others = other_clips(clips)
    targets = [other.reference for other in others]
    made = make(clips, {"random reference": targets, "no reference": [None] * len(clips)})
    made["true sound"] = [clip.sound for clip in clips]
    made["sound of another clip"] = [clips[k - 1].sound for k in range(len(clips))]
    rows = {}
    for name, sounds in made.items():
        means = mean_scores(
            [condfoley_scores(s, c.sound, SOUND_RATE) for s, c in zip(sounds, clips)]
        )
        recognised = [classify(s, SOUND_RATE) == o.material for s, o in zip(sounds, others)]
        rows[name] = {
            "onset accuracy": means["accuracy"],
            "AP": means["average_precision_published"],
            "clips without": means["degenerate"],
            **_distances(sounds, targets),
            "its material": float(np.mean(recognised)),
        }
    return rows


def _reference(clips: Sequence[Clip], make: Make) -> Rows:
    """Table 7, with the reference of another clip as control."""
    references = {
        "with reference": [clip.reference for clip in clips],
        "without": [None] * len(clips),
        "reference of another clip": [other.reference for other in other_clips(clips)],
    }
    made = make(clips, references)
    truths = [clip.sound for clip in clips]
    return {name: _distances(sounds, truths) for name, sounds in made.items()}


PROTOCOLS = {"timbre": _timbre, "reference": _reference}


def _takes(
    system: System,
    request: Request,
    progress: Progress | None,
    clips: Sequence[Clip],
    references: References,
) -> dict[str, list[Tensor]]:
    """One take `[1, T]` a clip at SOUND_RATE, for each way of choosing references."""
    made: dict[str, list[Tensor]] = {name: [] for name in references}
    for name, given in references.items():
        for clip, sound in counted(list(zip(clips, given)), name, progress):
            whole = None if sound is None else whole_reference(sound, SOUND_RATE, system.row)
            asked = replace(request, reference=whole, seed=clip.scene.seed)
            takes = generate(clip.picture(*_PICTURE), system, asked)
            made[name].append(resample(takes.waveforms[0], takes.sample_rate, SOUND_RATE))
    return made


def _distances(sounds: Sequence[Tensor], targets: Sequence[Tensor]) -> dict[str, float]:
    """Mean distances of sounds to targets, aligned in time; MCD where pyworld is installed."""
    measures: dict[str, Distance] = dict(zip(("MCD", "MCD, equal level"), mcd_distances()))
    measures["MFCC, aligned"] = partial(mfcc_distance, mode="dtw")
    return {
        name: float(np.mean([measure(s, t, SOUND_RATE) for s, t in zip(sounds, targets)]))
        for name, measure in measures.items()
    }


def table(report: dict) -> str:
    """The report as text."""
    columns = list(next(iter(report["rows"].values())))
    lines = [
        f"{report['model']}, protocol {report['protocol']}: {headline(report)}",
        f"{'':<28}" + "".join(f"{name:>18}" for name in columns),
    ]
    for name, row in report["rows"].items():
        lines.append(f"{name:<28}" + "".join(f"{cell(row[c]):>18}" for c in columns))
    return "\n".join(lines)
