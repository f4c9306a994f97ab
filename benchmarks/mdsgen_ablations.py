"""MDSGen's ablations in miniature, on our scenes: a table for docs/evidence.md.

    python benchmarks/mdsgen_ablations.py --folder runs [--seeds 3] [--steps 200]

Every variant is the recipe `mdsgen_mini` with some figures replaced, trained for few steps with
each seed (weights, order of the data and noise), then measured on held-out test scenes that it is
told the true events of. Runs that are done are kept in the folder and not repeated.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

EVIDENCE = Path(__file__).resolve().parents[1] / "docs" / "evidence.md"
BEGIN, END = "<!-- mdsgen ablations -->", "<!-- /mdsgen ablations -->"
SCENES, SECONDS, SAMPLING_STEPS, GUIDANCE = 24, 5.12, 15, 2.0
# Quantiles of Student's t for a two-sided interval of 95 %, by degrees of freedom.
STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78}

BASE = {"mask": "temporal", "masked_share": 0.5, "pooling": "none", "batch": 8}
VARIANTS = {
    "full features, temporal mask, S": {},
    "Reducer, learned weights": {"pooling": "learned"},
    "Reducer, average": {"pooling": "average"},
    "Reducer, attention": {"pooling": "attention"},
    "random mask": {"mask": "random"},
    "frequency mask": {"mask": "frequency"},
    "no mask": {"mask": "none"},
    "T (half as wide)": {"hidden_dim": 64, "num_heads": 2},
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    results: dict[str, list[dict]] = {name: [] for name in VARIANTS}
    for seed in range(options.seeds):
        for name in VARIANTS:
            results[name].append(_result(name, seed, options))
    _write(_table(results, options.steps))


def _result(name: str, seed: int, options) -> dict:
    run = options.folder / "ablations" / f"{name.replace(' ', '_').replace(',', '')}_{seed}"
    done = run / f"result_{options.steps}.json"
    if not done.exists():
        figures = _measured(name, seed, options, run)
        run.mkdir(parents=True, exist_ok=True)
        done.write_text(json.dumps(figures), "utf-8")
        print(name, seed, figures, flush=True)
    return json.loads(done.read_text("utf-8"))


def _measured(name: str, seed: int, options, run: Path) -> dict:
    from foleystage.core.training.loop import LoopConfig, train
    from foleystage.core.training.mdsgen import MDSGenFigures, MDSGenTask, SceneData
    from foleystage.core.training.recipes import read_recipe

    recipe = read_recipe("mdsgen_mini")
    loop = {k: tuple(v) if isinstance(v, list) else v for k, v in recipe["loop"].items()}
    loop = replace(
        LoopConfig(**loop),
        steps=options.steps,
        seed=seed,
        warm_up=30,
        ema=0.98,
        evaluate_every=options.steps,
    )
    figures = MDSGenFigures(**{**recipe["figures"], **BASE, **VARIANTS[name], "seed": seed})
    task = MDSGenTask(figures, SceneData(figures, options.folder / "cache"))
    model = train(task, loop, run)
    return {**_onsets(model), **task.evaluate(model)}


def _onsets(model) -> dict:
    """Onset F1 within 60 ms on held-out scenes, and with the sounds of other scenes."""
    from foleystage.core.codecs.mel_picture import MelPictureCodec
    from foleystage.core.encoders.foley_mini import BIN_RATE, sync_from_events
    from foleystage.core.evaluation.attacks import detect_onsets
    from foleystage.core.evaluation.matching import match_onsets, pool, shuffled_f1
    from foleystage.core.sampling import power_cosine, sample
    from foleystage.core.training.clips import event_targets
    from foleystage.core.training.scenes import CONTINUOUS, KINDS, sample_scene

    kinds = tuple(kind for kind in KINDS if kind not in CONTINUOUS)
    scenes = [sample_scene(k, "test", seconds=SECONDS, kinds=kinds) for k in range(SCENES)]
    told = torch.from_numpy(np.stack([event_targets(scene, BIN_RATE) for scene in scenes]))
    latents = sample(
        model,
        {"sync": sync_from_events(told)},
        power_cosine(GUIDANCE),
        seconds=SECONDS,
        steps=SAMPLING_STEPS,
        seed=0,
    )
    codec = MelPictureCodec.load()
    found = [detect_onsets(wave, codec.sample_rate) for wave in codec.decode(latents)]
    true = [np.array([event.time for event in scene.events]) for scene in scenes]
    both = pool([match_onsets(a, b) for a, b in zip(found, true, strict=True)])
    return {"f1": both.f1, "shuffled": shuffled_f1(found, true)}


def _interval(values: list[float]) -> str:
    """Mean and half the width of its 95 % interval over the seeds."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return f"{mean:.3f}"
    half = STUDENT.get(count - 1, 1.96) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return f"{mean:.3f} ± {half:.3f}"


def _table(results: dict[str, list[dict]], steps: int) -> str:
    seeds = len(next(iter(results.values())))
    lines = [
        f"{steps} steps of 8 clips each, {seeds} seeds, 95 % intervals over the seeds (Student); "
        f"{SCENES} held-out scenes told the true events, {SAMPLING_STEPS} steps, guidance "
        f"{GUIDANCE:g}. The rows after the first differ from it in what they name.",
        "",
        "| variant | onset F1, 60 ms | shuffled | noise error |",
        "|---|---|---|---|",
    ]
    for name, runs in results.items():
        columns = (
            _interval([run[key] for run in runs]) for key in ("f1", "shuffled", "validation")
        )
        lines.append(f"| {name} | {' | '.join(columns)} |")
    return "\n".join(lines)


def _write(table: str) -> None:
    text = EVIDENCE.read_text("utf-8")
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n## MDSGen: ablations in miniature\n\n{BEGIN}\n{END}\n"
    head, rest = text.split(BEGIN)
    EVIDENCE.write_text(f"{head}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}", "utf-8")
    print(table)


if __name__ == "__main__":
    main()
