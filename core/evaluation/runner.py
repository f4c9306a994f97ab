"""`foleystage evaluate`: a system on held-out scenes whose truth is known, with its controls."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..encoders.base import EncodedVideo
from ..errors import FoleyError
from ..generators import Conditions
from ..generators.base import LATENT
from ..scenes import CONTINUOUS, KINDS, Scene, sample_scene
from ..scenes.materials import IMPACT_MATERIALS
from ..scenes.pairs import level_reference, scene_sound
from ..system import System
from .attacks import detect_onsets
from .distances import log_mel_distance
from .matching import Matching, match_onsets, pool, shuffled_f1
from .materials import classify
from .mcd import at_equal_level, mel_cepstral_distortion, mfcc_distance
from .onsets import condfoley_scores, mean_scores
from .pictures import picture_of, whole_reference

_BATCH = 8


@dataclass(frozen=True)
class Case:
    """One held-out scene: its encoded picture, true sound, and the material asked for."""

    scene: Scene
    video: EncodedVideo | None
    target: np.ndarray
    reference: np.ndarray
    asked: str

    @property
    def times(self) -> np.ndarray:
        return np.array([event.time for event in self.scene.events if not event.duration])


def evaluate_model(
    system: System,
    clips: int,
    *,
    hard: bool = True,
    kinds: Sequence[str] = (),
    seconds: float = 4.0,
    steps: int = 25,
    cfg_scale: float | None = None,
    folder: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> str:
    """Measure a system; returns a table, and writes it as JSON and a plot into `folder`.

    Test scenes 0..clips-1, which no recipe trains on. Every clip is generated four times: asked for
    a material by text, led by a reference of the true object, with the picture alone, and (a
    quarter of them) without the picture; what the system does not take is left out. Raises
    FoleyError for an unknown kind or less than two clips.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise FoleyError(
            f"There is no kind of scene '{unknown[0]}'; choose from: {', '.join(KINDS)}."
        )
    if clips < 2:
        raise FoleyError("Evaluation needs at least 2 clips.")
    scale = system.sampling.scale if cfg_scale is None else cfg_scale
    cases = []
    for seed in range(clips):
        cases.append(_case(system, seed, hard, tuple(kinds) or tuple(KINDS), seconds))
        if progress:
            progress("scenes", seed + 1, clips)
    sounds: dict[str, list[Tensor]] = {}
    runs = {"picture": cases, "blind": cases[: max(2, clips // 4)]}
    for name, taken in (("reference", system.row.reference), ("asked", system.row.text)):
        if taken:
            runs = {name: cases, **runs}
    for name, chosen in runs.items():
        sounds[name] = _generate(system, chosen, name, steps, scale, progress)
    report = {
        "model": system.name,
        "clips": clips,
        "scenes": "hard" if hard else "clean",
        "seconds": seconds,
        "steps": steps,
        "cfg": scale,
        **measure(cases, sounds, system.sample_rate),
    }
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{system.name}_{report['scenes']}{'_' + '_'.join(kinds) if kinds else ''}"
        beside = folder / f".{stem}.part"
        beside.write_text(json.dumps(report, indent=1, sort_keys=True), "utf-8")
        os.replace(beside, folder / f"{stem}.json")
        _plot(report, folder / f"{stem}.png")
    return table(report)


def measure(cases: Sequence[Case], sounds: dict[str, list[Tensor]], rate: int) -> dict:
    """Every figure of the report from the generated sounds (1, T) of each run."""
    hits = [k for k, case in enumerate(cases) if case.scene.kind not in CONTINUOUS]
    truths = [cases[k].times for k in hits]
    targets = [torch.from_numpy(case.target)[None] for case in cases]
    report: dict = {"onsets": {}, "by_kind": {}}
    lead = "asked" if "asked" in sounds else "picture"
    found = {}
    for name, waves in (("true sound", targets), *sounds.items()):
        made = [k for k in hits if k < len(waves)]
        found[name] = [detect_onsets(waves[k], rate) for k in made]
        matchings = [
            match_onsets(f, cases[k].times) for f, k in zip(found[name], made, strict=True)
        ]
        report["onsets"][name] = _onset_row(matchings)
        if name == lead:
            report["shuffled_f1"] = shuffled_f1(found[name], truths)
            for kind in sorted({cases[k].scene.kind for k in hits}):
                report["by_kind"][kind] = pool(
                    m for m, k in zip(matchings, made, strict=True) if cases[k].scene.kind == kind
                ).f1
    silent = [len(f) for f, k in zip(found[lead], hits, strict=True) if not len(cases[k].times)]
    report["onsets_a_silent_clip"] = float(np.mean(silent)) if silent else None
    scores = [
        condfoley_scores(sounds[lead][k], targets[k], rate) for k in hits if len(cases[k].times)
    ]
    report["condfoley"] = mean_scores(scores)
    if "asked" in sounds:
        report.update(_material_rows(cases, sounds["asked"], targets, hits, rate))
    if "reference" in sounds:
        report.update(_reference_rows(cases, sounds, targets, hits, rate))
    sweeps = [
        _level_match(sounds["picture"][k], case.scene, rate)
        for k, case in enumerate(cases)
        if case.scene.kind in CONTINUOUS and case.scene.events
    ]
    report["sweep_level_correlation"] = float(np.mean(sweeps)) if sweeps else None
    report["not_finite"] = sum(
        not bool(torch.isfinite(w).all()) for waves in sounds.values() for w in waves
    )
    return report


def _material_rows(cases, asked, targets, hits, rate) -> dict:
    """How often the material that was asked for is recognised, and that of the true sounds."""
    rows = [k for k in hits if len(cases[k].times)]
    named = [classify(asked[k], rate) == cases[k].asked for k in rows]
    true = [classify(targets[k], rate) == scene_sound(cases[k].scene, rate)[0] for k in rows]
    return {
        "material_asked_for": float(np.mean(named)),
        "material_true_sound": float(np.mean(true)),
    }


def _reference_rows(cases, sounds, targets, hits, rate) -> dict:
    """Distances to the target with the right reference and with none."""
    rows = [k for k in hits if len(cases[k].times)]
    distances: dict[str, Callable[..., float]] = {
        "log_mel": log_mel_distance,
        "mfcc": mfcc_distance,
    }
    try:
        import pyworld  # noqa: F401 - only whether it is there

        distances["mcd"] = mel_cepstral_distortion
        distances["mcd_level"] = at_equal_level(mel_cepstral_distortion)
    except ImportError:
        pass
    report = {}
    for name, distance in distances.items():
        led = np.array([distance(sounds["reference"][k], targets[k], rate) for k in rows])
        alone = np.array([distance(sounds["picture"][k], targets[k], rate) for k in rows])
        report[name] = {
            "with_reference": float(led.mean()),
            "without": float(alone.mean()),
            "lower_in": float((led < alone).mean()),
            "drop": float(1 - led.mean() / alone.mean()),
        }
    return report


def _onset_row(matchings: list[Matching]) -> dict:
    both = pool(matchings)
    return {
        "f1": both.f1,
        "precision": both.precision,
        "recall": both.recall,
        "median_offset_ms": both.median_offset_ms,
        "median_absolute_offset_ms": both.median_absolute_offset_ms,
    }


def _case(system: System, seed: int, hard: bool, kinds: tuple[str, ...], seconds: float) -> Case:
    scene = sample_scene(seed, "test", seconds=seconds, hard=hard, kinds=kinds)
    # Drawn as the encoder wants it, so that nothing is resized.
    request = next(iter(system.video_encoder.requests.values()))
    picture = picture_of(scene, request.fps, *request.target)
    video = system.encode_video(picture, start=0.0, seconds=seconds, to_end=False)
    _, target, reference = scene_sound(scene, system.sample_rate)
    asked = str(np.random.default_rng([seed, 5]).choice(IMPACT_MATERIALS))
    return Case(scene, video, target, level_reference(reference), asked)


def _generate(
    system: System,
    cases: Sequence[Case],
    run: str,
    steps: int,
    cfg_scale: float,
    progress,
) -> list[Tensor]:
    """Sounds (1, T) of one run, some clips at a time; noise of clip k is seeded by k."""
    sounds: list[Tensor] = []
    groups = [cases[i : i + _BATCH] for i in range(0, len(cases), _BATCH)]
    for group in groups:
        seconds = group[0].scene.seconds
        made = system.config.round_up_seconds(seconds)
        latents = system.sample(
            Conditions(_streams(system, group, run), made),
            cfg=cfg_scale,
            steps=steps,
            noise=_noise(system, group, made),
        )
        waves = system.decode(latents)
        sounds += list(waves[..., : round(seconds * system.sample_rate)])
        if progress:
            progress(run, len(sounds), len(cases))
    return sounds


def _streams(system: System, cases: Sequence[Case], run: str) -> dict[str, Tensor]:
    """What a run gives the network, one row a clip."""
    rows: list[dict[str, Tensor]] = []
    for case in cases:
        row = dict(case.video.streams) if case.video is not None and run != "blind" else {}
        if run in ("asked", "blind") and system.row.text:
            row |= system.encode_words(f"{case.asked} hit")[0]
        if run == "reference":
            sound = torch.from_numpy(case.reference)[None]
            row |= system.encode_reference(whole_reference(sound, system.sample_rate, system.row))
        rows.append(row)
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def _noise(system: System, cases: Sequence[Case], seconds: float) -> Tensor:
    shape = system.config.lengths(seconds)[LATENT], system.config.latent.dim
    rngs = [torch.Generator().manual_seed(case.scene.seed) for case in cases]
    return torch.stack([torch.randn(shape, generator=rng) for rng in rngs])


def _level_match(sound: Tensor, scene: Scene, rate: int) -> float:
    """Correlation of the sound's level with the true course of its sweeps, at 50 Hz."""
    hop = rate // 50
    level = sound.mean(0).unfold(0, 2 * hop, hop).square().mean(-1).sqrt().numpy()
    moments = (np.arange(len(level)) + 1) / 50
    truth = np.zeros(len(level))
    for event in scene.events:
        part = np.clip((moments - event.time) / max(event.duration, 1e-3), 0, 1)
        truth = np.maximum(truth, event.strength * np.sin(np.pi * part) ** 2)
    return float(np.corrcoef(level, truth)[0, 1]) if level.std() > 1e-9 and truth.std() > 0 else 0.0


def table(report: dict) -> str:
    """The report as text."""
    lines = [
        f"{report['model']}: {report['clips']} held-out {report['scenes']} scenes of "
        f"{report['seconds']:g} s, "
        f"{report['steps']} steps, guidance {report['cfg']:g}",
        f"{'onsets within 60 ms':<22}{'F1':>7}{'prec.':>7}{'recall':>8}"
        f"{'offset ms':>11}{'|offset|':>10}",
    ]
    names = {
        "asked": "text and picture",
        "reference": "reference and picture",
        "picture": "picture alone",
        "blind": "no picture (control)",
    }
    for name, row in report["onsets"].items():
        offset, size = (
            f"{row[k]:.1f}" if row[k] is not None else "-"
            for k in ("median_offset_ms", "median_absolute_offset_ms")
        )
        lines.append(
            f"{names.get(name, name):<22}{row['f1']:>7.3f}{row['precision']:>7.3f}"
            f"{row['recall']:>8.3f}{offset:>11}{size:>10}"
        )
    lines.append(f"{'shuffled (control)':<22}{report['shuffled_f1']:>7.3f}")
    lines.append("by kind: " + "  ".join(f"{k} {v:.2f}" for k, v in report["by_kind"].items()))
    published = report["condfoley"]
    lines.append(
        f"onset accuracy {published['accuracy']:.3f}, AP "
        f"{published['average_precision_published']:.3f} (CondFoleyGen, 0.1 s)"
    )
    if "material_asked_for" in report:
        lines.append(
            f"material asked for, recognised: {report['material_asked_for']:.2f} (true sounds "
            f"{report['material_true_sound']:.2f})"
        )
    distances = {"mcd": "mcd", "mcd_level": "mcd at equal level", "mfcc": "mfcc"}
    for name, what in (distances | {"log_mel": "log_mel"}).items():
        if name in report:
            row = report[name]
            lines.append(
                f"{what} to the target: {row['with_reference']:.2f} with reference, "
                f"{row['without']:.2f} without; "
                f"lower in {row['lower_in']:.0%}, mean drop {row['drop']:.0%}"
            )
    for key, what in (
        ("sweep_level_correlation", "level of sweeps, correlation"),
        ("onsets_a_silent_clip", "false onsets a silent clip"),
    ):
        if report[key] is not None:
            lines.append(f"{what}: {report[key]:.2f}")
    return "\n".join(lines)


def _plot(report: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    rows = {name: row["f1"] for name, row in report["onsets"].items()} | {
        "shuffled": report["shuffled_f1"]
    }
    for axis, values, title in (
        (left, rows, "onset F1 within 60 ms"),
        (right, report["by_kind"], "by kind of event"),
    ):
        axis.barh(list(values), list(values.values()), color="#3d6fb4")
        axis.set_xlim(0, 1)
        axis.invert_yaxis()
        axis.set_title(title)
        axis.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
