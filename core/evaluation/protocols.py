"""The experiments of the AC-Foley paper (arXiv 2603.15597) on scenes whose truth is known.

`timbre` is its Table 2: each video with a reference picked at random from other clips; onset
accuracy and average precision against the video's own sound, and MCD to the reference. `reference`
is its Table 7: MCD to the video's own sound with a reference of the same object, and without one.

`clips without` are those in which one of the two sounds has no onset, whose AP means nothing.
Scenes say what the paper's clips do not: the material. So the table of `timbre` also tells how
often a take is recognised as of its reference's material.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ..errors import FoleyError
from ..media import ImageFrames, resample
from ..pipeline import generate
from ..request import Request
from ..scenes import CONTINUOUS, KINDS, Scene, sample_scene
from ..scenes.pairs import level_reference, scene_sound
from ..system import System
from .materials import classify
from .mcd import at_equal_level, mel_cepstral_distortion, mfcc_distance
from .onsets import condfoley_scores, mean_scores
from .pictures import picture_of, whole_reference

Protocol = Literal["timbre", "reference"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
SOUND_RATE = 32000  # of the scenes' sound
LONGEST = 60.0  # seconds
_FPS = 25.0
_HEIGHT, _WIDTH = 144, 192
_LOOK = 40  # scenes looked at for each that is taken

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Clip:
    """A scene with hits: its sound [1, T] and a reference of the object that makes it."""

    scene: Scene
    material: str
    sound: Tensor
    reference: Tensor

    @property
    def picture(self) -> ImageFrames:
        return picture_of(self.scene, _FPS, _HEIGHT, _WIDTH)


def run_protocol(
    protocol: str,
    system: System,
    clips: int,
    *,
    seconds: float = 4.0,
    steps: int = 25,
    cfg_scale: float | None = None,
    hard: bool = False,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> str:
    """A table of one protocol; with `folder`, its figures as JSON beside.

    Held-out scenes with hits, in order of their seeds; noise and choice of references depend on
    the scene alone, so runs of different weights compare clip by clip.

    Raises:
        FoleyError: no such protocol, a system that takes no reference, less than two clips, scenes
            too short or too long.
    """
    if protocol not in PROTOCOLS:
        raise FoleyError(
            f"There is no protocol '{protocol}'; choose one of: {', '.join(PROTOCOLS)}."
        )
    if not system.row.reference:
        raise FoleyError(
            f"{system.name} takes no reference sound, which the protocols of AC-Foley are about."
        )
    if clips < 2:
        raise FoleyError("A protocol needs at least 2 clips.")
    if not 1 <= seconds <= LONGEST:
        raise FoleyError(f"The scenes of a protocol last 1 to {LONGEST:g} s, not {seconds:g} s.")
    chosen = held_out(clips, seconds, hard)
    request = Request(seconds=seconds, steps=steps, cfg=cfg_scale, loudness=None)
    measure = _timbre if protocol == "timbre" else _reference
    figures = measure(system, chosen, request, progress)
    report = {
        "protocol": protocol,
        "model": system.name,
        "clips": clips,
        "scenes": "hard" if hard else "clean",
        "seconds": seconds,
        "steps": steps,
        "cfg": system.sampling.scale if cfg_scale is None else cfg_scale,
        "rows": figures,
    }
    if folder is not None:
        _write(report, folder)
    return table(report)


def held_out(count: int, seconds: float, hard: bool) -> list[Clip]:
    """The first test scenes in which something is hit."""
    kinds = tuple(kind for kind in KINDS if kind not in CONTINUOUS)
    found = []
    for seed in range(_LOOK * count):
        scene = sample_scene(seed, "test", seconds=seconds, hard=hard, kinds=kinds)
        if any(not event.duration for event in scene.events):
            material, sound, reference = scene_sound(scene, SOUND_RATE)
            sounds = [torch.from_numpy(np.asarray(s, np.float32))[None] for s in (sound, reference)]
            found.append(Clip(scene, material, sounds[0], _levelled(sounds[1])))
        if len(found) == count:
            return found
    raise FoleyError(
        f"Only {len(found)} of {count} scenes of {seconds:g} s have a hit; ask longer."
    )


def other_clip(index: int, clips: Sequence[Clip]) -> int:
    """A clip of another material at random, of the same seed for the same scene."""
    others = [k for k, c in enumerate(clips) if c.material != clips[index].material]
    others = others or [k for k in range(len(clips)) if k != index]
    return int(np.random.default_rng([clips[index].scene.seed, 11]).choice(others))


def _levelled(reference: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(level_reference(reference[0].numpy()), np.float32))[None]


def _timbre(
    system: System, clips: Sequence[Clip], request: Request, progress: Progress | None
) -> dict[str, dict[str, Any]]:
    """Table 2, with two controls: no reference, and the sound of another video."""
    rows = {}
    made: dict[str, list[Tensor]] = {"random reference": [], "no reference": []}
    others = [clips[other_clip(k, clips)] for k in range(len(clips))]
    targets = [other.reference for other in others]
    for name, sounds in made.items():
        for k, clip in enumerate(clips):
            given = targets[k] if name == "random reference" else None
            sounds.append(_take(system, clip, request, given))
            if progress:
                progress(name, k + 1, len(clips))
    made["true sound"] = [clip.sound for clip in clips]
    made["sound of another clip"] = [clips[k - 1].sound for k in range(len(clips))]
    for name, sounds in made.items():
        scores = [condfoley_scores(s, c.sound, SOUND_RATE) for s, c in zip(sounds, clips)]
        means = mean_scores(scores)
        rows[name] = {
            "onset accuracy": means["accuracy"],
            "AP": means["average_precision_published"],
            "clips without": means["degenerate"],
            **_distances(sounds, targets),
            "its material": float(
                np.mean([classify(s, SOUND_RATE) == o.material for s, o in zip(sounds, others)])
            ),
        }
    return rows


def _reference(
    system: System, clips: Sequence[Clip], request: Request, progress: Progress | None
) -> dict[str, dict[str, Any]]:
    """Table 7, with the reference of another clip as control."""
    rows = {}
    truths = [clip.sound for clip in clips]
    for name in ("with reference", "without", "reference of another clip"):
        sounds = []
        for k, clip in enumerate(clips):
            given = {
                "with reference": clip.reference,
                "without": None,
                "reference of another clip": clips[other_clip(k, clips)].reference,
            }[name]
            sounds.append(_take(system, clip, request, given))
            if progress:
                progress(name, k + 1, len(clips))
        rows[name] = _distances(sounds, truths)
    return rows


def _take(system: System, clip: Clip, request: Request, reference: Tensor | None) -> Tensor:
    """One take [1, T] at SOUND_RATE."""
    given = None
    if reference is not None:
        given = whole_reference(reference, SOUND_RATE, system.row)
    asked = replace(request, reference=given, seed=clip.scene.seed)
    takes = generate(clip.picture, system, asked)
    return resample(takes.waveforms[0], takes.sample_rate, SOUND_RATE)


def _distances(sounds: Sequence[Tensor], targets: Sequence[Tensor]) -> dict[str, float]:
    """Mean distances of sounds to targets, aligned in time; MCD where pyworld is installed."""
    measures: dict[str, Callable[..., float]] = {
        "MFCC, aligned": partial(mfcc_distance, mode="dtw")
    }
    try:
        import pyworld  # noqa: F401 - only whether it is there

        at_level = at_equal_level(mel_cepstral_distortion)
        measures = {"MCD": mel_cepstral_distortion, "MCD, equal level": at_level, **measures}
    except ImportError:
        pass
    return {
        name: float(np.mean([measure(s, t, SOUND_RATE) for s, t in zip(sounds, targets)]))
        for name, measure in measures.items()
    }


def table(report: dict) -> str:
    """The report as text."""
    columns = list(next(iter(report["rows"].values())))
    lines = [
        f"{report['model']}, protocol {report['protocol']}: {report['clips']} held-out "
        f"{report['scenes']} scenes of {report['seconds']:g} s, {report['steps']} steps, guidance "
        f"{report['cfg']:g}",
        f"{'':<28}" + "".join(f"{name:>18}" for name in columns),
    ]
    for name, row in report["rows"].items():
        cells = ("-" if row[c] is None else f"{row[c]:.3f}" for c in columns)
        lines.append(f"{name:<28}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def _write(report: dict, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{report['model']}_{report['protocol']}_{report['scenes']}.json"
    beside = folder / f".{name}.part"
    beside.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(beside, folder / name)
