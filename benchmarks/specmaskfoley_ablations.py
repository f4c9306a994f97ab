"""SpecMaskFoley's claims in miniature, on our scenes: tables for docs/evidence.md.

    python benchmarks/specmaskfoley_ablations.py --folder runs [--seeds 4] [--steps 1500]

The branch of the recipe `specmaskfoley_mini` for few steps with each seed, on the bundled backbone
that is frozen: with the FT-Aligner, told in the first row of tokens alone, and told the average
over time. Then onsets of hard held-out scenes, and with the FT-Aligner also for each part of
multi-CFG, for several numbers of steps, and without any picture (the backbone alone). Runs of one
seed have the same batches and noise, so they are compared in pairs. Runs that are done are kept in
the folder and not repeated; `--device cuda` trains there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from held_out import HEADING, given_of, scores
from measure import compared, short_run, write_evidence

ALIGNMENTS = {
    "columns": "FT-Aligner, 12 steps, multi-CFG",
    "first row": "features in the first row of tokens alone",
    "average": "features averaged over time",
}
STEPS = (2, 4, 6, 12, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    found: dict[str, list[dict]] = {name: [] for name in ALIGNMENTS}
    for seed in range(options.seeds):
        for name in ALIGNMENTS:
            found[name].append(_result(name, seed, options))
    heading = "SpecMaskFoley's claims in miniature"
    write_evidence("specmaskfoley", _table(found, options), heading)


def _result(alignment: str, seed: int, options) -> dict[str, dict[str, float]]:
    name = f"branch_{alignment.replace(' ', '_')}_{seed}"
    kept = options.folder / name / f"result_{options.clips}.json"
    if not kept.exists():
        loop = {"steps": options.steps, "seed": seed, "evaluate_every": 100_000}
        changed = {"figures": {"alignment": alignment}, "loop": loop}
        recipe, folder, device = "specmaskfoley_mini", options.folder, options.device
        weights = short_run(name, recipe, folder, device, **changed)
        kept.write_text(json.dumps(_measured(weights, alignment, options.clips)), "utf-8")
        print(name, kept.read_text("utf-8"), flush=True)
    return json.loads(kept.read_text("utf-8"))


def _measured(weights: Path, alignment: str, clips: int) -> dict[str, dict[str, float]]:
    """F1 and material of every way to sample one network."""
    from foleystage.core.evaluation.protocols import held_out
    from foleystage.core.evaluation.report import Settings
    from foleystage.core.loading import Loading, load_model
    from foleystage.core.sampling import multi_cfg

    system = load_model(str(weights), loading=Loading(keep=True))
    given = given_of(system, held_out(Settings(clips, seconds=system.config.trained_seconds)))
    scale, words = system.row.sampling.scale, system.row.words
    streams = {words, *given[0][1]}
    both, *single = (
        multi_cfg(scale, words, streams, together=together, alone=alone)
        for together, alone in ((True, True), (True, False), (False, True))
    )
    ways: dict[str, tuple] = {"": (both, 12, True)}
    if alignment == "columns":
        ways |= {
            "without picture alone": (single[0], 12, True),
            "without picture and words": (single[1], 12, True),
            "backbone alone": (multi_cfg(scale, words, {words}), 12, False),
            **{f"{steps} steps": (both, steps, True) for steps in STEPS},
        }
    return {way: scores(system, given, *settings) for way, settings in ways.items()}


def _table(found: dict[str, list[dict]], options) -> str:
    runs = found["columns"]
    rows = {title: [run[""] for run in found[name]] for name, title in ALIGNMENTS.items()}
    rows |= {way: [run[way] for run in runs] for way in runs[0] if way}
    lines = [
        f"Branches of {options.steps} steps, {options.seeds} seeds; {options.clips} hard held-out "
        "scenes of 5.12 s, words of the true material; mean and 95 % interval over the seeds "
        "(Student). Differences are to the first row, of runs of the same seed.",
        *HEADING,
    ]
    return "\n".join([*lines, *compared(rows, ("f1", "material"))])


if __name__ == "__main__":
    main()
