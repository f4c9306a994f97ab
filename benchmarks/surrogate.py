"""What masks on the picture are worth to timbre transfer by a surrogate: FoleyGenEx's M-1 and M-2.

    python benchmarks/surrogate.py --folder runs [--seeds 4] [--steps 400] [--clips 32]

The recipe `foleygenex_mini` for few steps, with each seed once without masks on the picture and
once with it unseen where the sound is known; contexts are of the same scene alone, as published.
Then `ac-vta` on held-out scenes, under a surrogate and with nothing seen there. Runs of one seed
have the same batches and noise, so they are compared in pairs. Runs that are done are not repeated.
Writes the table of docs/evidence.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from measure import interval, short_run, write_evidence

MASKS = {"none": "M-1, the sound alone is masked", "context": "M-2, the picture is masked with it"}
FIGURES = ("F1", "F1, surrogate unseen", "material of the reference")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--clips", type=int, default=32)
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {mask: [] for mask in MASKS}
    for seed in range(options.seeds):
        for mask in MASKS:
            found[mask].append(_result(mask, seed, options))
    heading = "What masks on the picture are worth under a surrogate"
    write_evidence("surrogate", _table(found, options), heading)


def _result(mask: str, seed: int, options) -> dict[str, float]:
    name = f"masks_{mask}_{seed}"
    kept = options.folder / name / "tasks.json"
    if not kept.exists():
        weights = _trained(name, mask, seed, options)
        kept.write_text(json.dumps(_measured(weights, options.clips)), "utf-8")
    return json.loads(kept.read_text("utf-8"))


def _trained(name: str, mask: str, seed: int, options) -> Path:
    figures = {"masking": mask, "masked": 1.0, "stray": 0.0, "joined": 0.0, "batch": 1}
    loop = {"steps": options.steps, "seed": seed, "warm_up": 50, "ema": 0.99}
    loop["evaluate_every"] = 100_000
    return short_run(name, "foleygenex_mini", options.folder, figures=figures, loop=loop)


def _measured(weights: Path, clips: int) -> dict[str, float]:
    from foleystage.core.evaluation.report import Settings
    from foleystage.core.evaluation.tasks import measure_task
    from foleystage.core.loading import load_model

    return measure_task("ac-vta", load_model(str(weights)), Settings(clips))


def _table(found: dict[str, list[dict[str, float]]], options) -> str:
    lines = [
        f"{options.seeds} seeds, {options.steps} steps, {options.clips} hard clips of 4 s; mean "
        "and 95 % interval over the seeds",
        "",
        "| masks in training | " + " | ".join(FIGURES) + " |",
        "|---" * (len(FIGURES) + 1) + "|",
    ]
    for mask, title in MASKS.items():
        lines.append(_row(title, [[run[name] for run in found[mask]] for name in FIGURES]))
    pairs = list(zip(found["context"], found["none"], strict=True))
    differences = [[a[name] - b[name] for a, b in pairs] for name in FIGURES]
    lines.append(_row("M-2 less M-1", differences, "+"))
    return "\n".join(lines)


def _row(title: str, columns: list[list[float]], sign: str = "") -> str:
    cells = [interval(np.array(values), sign) for values in columns]
    return f"| {title} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
