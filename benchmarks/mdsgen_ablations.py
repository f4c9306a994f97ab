"""MDSGen's ablations in miniature, on our scenes: a table for docs/evidence.md.

    python benchmarks/mdsgen_ablations.py --folder runs [--seeds 4] [--steps 400]

Every variant is the recipe `mdsgen_mini`, narrower, with some figures replaced, trained for few
steps with each seed, then measured on held-out test scenes, given their true events. Runs of one
seed have the same clips, times and noise, so they are compared in pairs. Runs that are done are
kept in the folder and not repeated.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from measure import compared, write_evidence

SCENES, SECONDS, SAMPLING_STEPS, GUIDANCE = 40, 5.12, 15, 2.0

BASE = {
    "mask": "temporal",
    "masked_share": 0.5,
    "pooling": "none",
    "batch": 8,
    "hidden_dim": 96,
    "num_heads": 4,
}
VARIANTS = {
    "full features, temporal mask, S": {},
    "Reducer, learned weights": {"pooling": "learned"},
    "random mask": {"mask": "random"},
    "frequency mask": {"mask": "frequency"},
    "no mask": {"mask": "none"},
    "T (half as wide)": {"hidden_dim": 48, "num_heads": 2},
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    results: dict[str, list[dict]] = {name: [] for name in VARIANTS}
    for seed in range(options.seeds):
        for name in VARIANTS:
            results[name].append(_result(name, seed, options))
    table = _table(results, options.steps)
    write_evidence("mdsgen ablations", table, "MDSGen's ablations in miniature")


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
    from foleystage.core.training.config import LoopConfig
    from foleystage.core.training.loop import train
    from foleystage.core.training.mdsgen import MDSGenFigures, MDSGenTask, SceneData
    from foleystage.core.training.processes import processes
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
    with processes(precision=loop.precision if loop.autocast else "no") as accelerator:
        model = train(task, loop, run, accelerator)
    return {**_onsets(model), **task.evaluate(model)}


def _onsets(model) -> dict:
    """Onset F1 within 60 ms on held-out scenes, and with the sounds of other scenes."""
    from foleystage.core.codecs.mel_picture import MelPictureCodec
    from foleystage.core.encoders.foley_mini import sync_from_events
    from foleystage.core.generators import Conditions
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets, pool, shuffled_f1
    from foleystage.core.sampling import power_cosine, sample

    events, true = _scenes()
    given = Conditions({"sync": sync_from_events(events)}, SECONDS)
    latents = sample(model, given, power_cosine(GUIDANCE), steps=SAMPLING_STEPS, seed=0)
    codec = MelPictureCodec.load()
    found = [detect_onsets(wave, codec.sample_rate) for wave in codec.decode(latents)]
    both = pool([match_onsets(a, b) for a, b in zip(found, true, strict=True)])
    return {"f1": both.f1, "shuffled": shuffled_f1(found, true)}


@cache
def _scenes() -> tuple[torch.Tensor, list[np.ndarray]]:
    """What a model is given of the test scenes, and when their events are."""
    from foleystage.core.encoders.foley_mini import BIN_RATE
    from foleystage.core.scenes import CONTINUOUS, KINDS, sample_scene
    from foleystage.core.training.clips import event_targets

    kinds = tuple(kind for kind in KINDS if kind not in CONTINUOUS)
    scenes = [sample_scene(k, "test", seconds=SECONDS, kinds=kinds) for k in range(SCENES)]
    targets = torch.from_numpy(np.stack([event_targets(scene, BIN_RATE) for scene in scenes]))
    return targets, [np.array([event.time for event in scene.events]) for scene in scenes]


def _table(results: dict[str, list[dict]], steps: int) -> str:
    first = next(iter(results.values()))
    plural = "s" if len(first) > 1 else ""
    lines = [
        f"{steps} steps of {BASE['batch']} clips each, {len(first)} seed{plural}, 95 % intervals "
        f"over the seeds (Student); {SCENES} held-out scenes told the true events, "
        f"{SAMPLING_STEPS} steps, guidance {GUIDANCE:g}. The rows after the first differ from it "
        "in what they name; differences are those of runs of the same seed.",
        "",
        "| variant | onset F1, 60 ms | difference | shuffled | noise error | difference |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *compared(results, ("f1", "validation"))])


if __name__ == "__main__":
    main()
