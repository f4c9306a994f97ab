"""`foleystage evaluate`: a system on held-out scenes whose truth is known, with its controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..encoders.base import EncodedVideo
from ..errors import FoleyError
from ..generators import Conditions
from ..media.files import write_beside
from ..onsets.detect import detect_onsets
from ..onsets.matching import match_onsets, pool, shuffled_f1
from ..sampling.dynamics import Noise
from ..scenes import CONTINUOUS, KINDS, Scene
from ..scenes.materials import IMPACT_MATERIALS
from ..system import System
from .clips import Clip, clip_of, whole_reference
from .distances import Distance, log_mel_distance, mcd_distances, mfcc_distance
from .materials import classify
from .onsets import condfoley_scores, mean_of, mean_scores
from .report import Progress, Settings, cell, counted, headline, write_report

_BATCH = 8
# Of a `Matching`: head, width and decimals in the table.
_ONSET_FIGURES = {
    "f1": ("F1", 7, 3),
    "precision": ("prec.", 7, 3),
    "recall": ("recall", 8, 3),
    "median_offset_ms": ("offset ms", 11, 1),
    "median_absolute_offset_ms": ("|offset|", 10, 1),
}


_RUNS = {
    "asked": "text and picture",
    "reference": "reference and picture",
    "picture": "picture alone",
    "blind": "no picture (control)",
}


@dataclass(frozen=True)
class Case:
    """One held-out clip, its encoded picture, the material asked for, and its sounds `[1, T]` by
    run, "true sound" first."""

    clip: Clip
    video: EncodedVideo | None
    asked: str
    sounds: dict[str, Tensor]


def evaluate_model(
    system: System,
    settings: Settings,
    *,
    kinds: Sequence[str] = (),
    folder: Path | None = None,
    progress: Progress | None = None,
) -> str:
    """Measure a system; returns a table, and writes it as JSON and a plot into `folder`.

    Test scenes 0..clips-1, of all kinds or some. Every clip is generated four times: asked for a
    material by text, led by a reference of the true object, with the picture alone, and (a quarter
    of them) without the picture; what the system does not take is left out. Of words alone the
    onsets are chance.

    Raises:
        FoleyError: an unknown kind; less than two clips of hits.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise FoleyError(
            f"There is no kind of scene '{unknown[0]}'; choose from: {', '.join(KINDS)}."
        )
    cases = [
        _case(system, seed, settings.scene(seed, kinds or tuple(KINDS)))
        for seed in counted(range(settings.clips), "scenes", progress)
    ]
    hits = [len(case.clip.times) for case in _of_hits(cases)]
    if len(hits) < 2 or not any(hits):
        raise FoleyError("Evaluation needs at least 2 clips of hits: ask for more clips or kinds.")
    # A reference in the context is a task of its own, see `tasks`.
    led = system.row.reference is not None and not system.row.takes_context
    seen = bool(system.row.video)
    taken = {"asked": bool(system.row.text), "reference": led, "picture": seen, "blind": seen}
    for run in _RUNS:
        if taken[run]:
            some = cases[: max(2, settings.clips // 4)] if run == "blind" else cases
            _generate(system, some, run, settings, progress)
    report = {**settings.head(system), **measure(cases, system.sample_rate)}
    if folder is not None:
        path = write_report(report, folder, report["scenes"], *kinds)
        _plot(report, path.with_suffix(".png"))
    return table(report)


def _of_hits(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.clip.scene.kind not in CONTINUOUS]


def measure(cases: Sequence[Case], rate: int) -> dict:
    """Every figure of the report."""
    runs = list(cases[0].sounds)
    lead = "asked" if "asked" in runs else "picture"
    report: dict = {"onsets": {}, "by_kind": {}}
    for run in runs:
        made = [case for case in _of_hits(cases) if run in case.sounds]
        truths = [case.clip.times for case in made]
        found = [detect_onsets(case.sounds[run], rate) for case in made]
        matchings = [match_onsets(*pair) for pair in zip(found, truths)]
        pooled = pool(matchings)
        report["onsets"][run] = {figure: getattr(pooled, figure) for figure in _ONSET_FIGURES}
        if run != lead:
            continue
        report["shuffled_f1"] = shuffled_f1(found, truths)
        kinds = [case.clip.scene.kind for case in made]
        for kind in sorted(set(kinds)):
            of_kind = pool(m for m, other in zip(matchings, kinds) if other == kind)
            report["by_kind"][kind] = of_kind.f1
        silent = [len(onsets) for onsets, truth in zip(found, truths) if not len(truth)]
        report["onsets_a_silent_clip"] = mean_of(silent)
    struck = [case for case in _of_hits(cases) if len(case.clip.times)]
    report["condfoley"] = mean_scores(
        [condfoley_scores(case.sounds[lead], case.clip.sound, rate) for case in struck]
    )
    if "asked" in runs:
        report["material_asked_for"] = mean_of(
            classify(case.sounds["asked"], rate) == case.asked for case in struck
        )
        report["material_true_sound"] = mean_of(
            classify(case.clip.sound, rate) == case.clip.material for case in struck
        )
    if "reference" in runs:
        report |= _reference_rows(struck, rate)
    report["sweep_level_correlation"] = mean_of(
        _level_match(case.sounds["picture"], case.clip.scene, rate)
        for case in cases
        if "picture" in runs
        if case.clip.scene.kind in CONTINUOUS and case.clip.scene.events
    )
    waves = [wave for case in cases for wave in case.sounds.values()]
    report["not_finite"] = sum(not bool(torch.isfinite(wave).all()) for wave in waves)
    return report


def _reference_rows(cases: Sequence[Case], rate: int) -> dict[str, dict[str, float]]:
    """Distances to the target with the right reference and with none."""
    measures: dict[str, Distance] = {"log_mel": log_mel_distance, "mfcc": mfcc_distance}
    measures |= zip(("mcd", "mcd_level"), mcd_distances())
    report = {}
    for name, distance in measures.items():
        led, alone = (
            np.array([distance(case.sounds[run], case.clip.sound, rate) for case in cases])
            for run in ("reference", "picture")
        )
        report[name] = {
            "with_reference": float(led.mean()),
            "without": float(alone.mean()),
            "lower_in": float((led < alone).mean()),
            "drop": float(1 - led.mean() / alone.mean()),
        }
    return report


def _case(system: System, seed: int, scene: Scene) -> Case:
    clip = clip_of(scene, system.sample_rate)
    video = None
    if system.row.video:
        picture = clip.seen_by(system.video_encoder)
        video = system.encode_video(picture, start=0.0, seconds=scene.seconds, to_end=False)
    asked = str(np.random.default_rng([seed, 5]).choice(IMPACT_MATERIALS))
    sounds = {"true sound": clip.sound}
    if system.config.latent.codes:
        with system.store.using("codec") as codec:
            sounds["true tokens"] = codec.decode(codec.encode(clip.sound[None]))[0]
    return Case(clip, video, asked, sounds)


def _generate(
    system: System, cases: Sequence[Case], run: str, settings: Settings, progress: Progress | None
) -> None:
    """Adds the sounds of one run, some clips at a time; noise of clip k is seeded by k."""
    made, steps = system.config.round_up_seconds(settings.seconds), settings.steps_of(system)
    for start in range(0, len(cases), _BATCH):
        group = cases[start : start + _BATCH]
        latents = system.sample(
            Conditions(_streams(system, group, run), made),
            cfg=settings.cfg_scale,
            steps=steps,
            noise=noise_of(system, [case.clip.scene.seed for case in group], made, steps),
        )
        waves = system.decode(latents)[..., : round(settings.seconds * system.sample_rate)]
        for case, wave in zip(group, waves, strict=True):
            case.sounds[run] = wave
        if progress:
            progress(run, start + len(group), len(cases))


def _streams(system: System, cases: Sequence[Case], run: str) -> dict[str, Tensor]:
    """What a run gives the network, one row a clip."""
    rows: list[dict[str, Tensor]] = []
    for case in cases:
        row = dict(case.video.streams) if case.video is not None and run != "blind" else {}
        if run in ("asked", "blind") and system.row.text:
            row |= system.encode_words(f"{case.asked} hit")[0]
        if run == "reference":
            sound = whole_reference(case.clip.reference, system.sample_rate, system.row)
            row |= system.encode_reference(sound)
        rows.append(row)
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def noise_of(system: System, seeds: Sequence[int], seconds: float, steps: int) -> Noise:
    """What takes of `seconds` draw, each by its own seed."""
    rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
    length, latent = system.latent_length(seconds), system.config.latent
    return system.dynamics.draw_each(rngs, latent, length, steps)


def _level_match(sound: Tensor, scene: Scene, rate: int) -> float:
    """Correlation of the sound's level with the true course of its sweeps, at 50 Hz."""
    hop = rate // 50
    level = sound.mean(0).unfold(0, 2 * hop, hop).square().mean(-1).sqrt().numpy()
    middles = (np.arange(len(level)) + 1) / 50
    truth = np.zeros(len(level))
    for event in scene.events:
        part = np.clip((middles - event.time) / max(event.duration, 1e-3), 0, 1)
        truth = np.maximum(truth, event.strength * np.sin(np.pi * part) ** 2)
    return float(np.corrcoef(level, truth)[0, 1]) if level.std() > 1e-9 and truth.std() > 0 else 0.0


def table(report: dict) -> str:
    """The report as text."""
    heads = (f"{head:>{width}}" for head, width, _ in _ONSET_FIGURES.values())
    lines = [
        f"{report['model']}: {headline(report)}",
        f"{'onsets within 60 ms':<22}" + "".join(heads),
    ]
    titles = _RUNS if "picture" in report["onsets"] else {"asked": "words alone"}
    for run, row in report["onsets"].items():
        cells = (f"{cell(row[k], d):>{width}}" for k, (_, width, d) in _ONSET_FIGURES.items())
        lines.append(f"{titles.get(run, run):<22}" + "".join(cells))
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
    for name in ("mcd", "mcd_level", "mfcc", "log_mel"):
        if name in report:
            what = name.replace("_level", " at equal level")
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
    from matplotlib.figure import Figure

    figure = Figure((11, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
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
    with write_beside(path) as sink:
        sink.draw(figure, dpi=100)
