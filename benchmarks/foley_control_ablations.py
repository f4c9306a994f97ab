"""Foley Control's claims in miniature, on our scenes: tables for docs/evidence.md.

    python benchmarks/foley_control_ablations.py --folder runs [--seeds 4] [--steps 600]

The bridge of the recipe `foley_control_mini` for few steps with each seed, into the bundled
backbone that is frozen: as bundled, with positions counted by index and without any, and trained
with whole clips dropped. Then features of the mini video encoder before it looks for events, the
mean over the picture or in a grid of 2 x 2 places. Onsets and material of hard held-out scenes;
runs of one seed have the same batches and noise, so they are compared in pairs. Runs that are done
are kept in the folder and not repeated; `--only NAME` makes the runs of one variant alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from held_out import HEADING, given_of, scores
from measure import compared, short_run, write_evidence
from picture_places import places_run, register_places

BASE = "with the bridge (positions in time)"
DROPPED = "whole clips dropped in 20 %"
# How each variant is trained: figures of the recipe, or places of the picture.
VARIANTS: dict[str, dict] = {
    BASE: {},
    "positions by index": {"positions": "index"},
    "no positions": {"positions": "none"},
    DROPPED: {"drop_clip": 0.2},
    "features, mean of the picture": {"places": 1},
    "features, 2 x 2 places": {"places": 4},
}
OVER_PICTURE = f"{DROPPED}, guidance over the picture too"
ALONE = "backbone alone"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=[str(i) for i in range(len(VARIANTS))])
    options = parser.parse_args()
    register_places()
    chosen = list(VARIANTS) if options.only is None else [list(VARIANTS)[int(options.only)]]
    found: dict[str, list[dict]] = {name: [] for name in chosen}
    for seed in range(options.seeds):
        for name in chosen:
            found[name].append(_result(name, seed, options))
    if options.only is None:
        write_evidence(
            "foley_control", _table(found, options), "Foley Control's claims in miniature"
        )


def _result(variant: str, seed: int, options) -> dict[str, dict[str, float]]:
    name = f"bridge_{list(VARIANTS).index(variant)}_{seed}"
    kept = options.folder / name / f"result_{options.clips}.json"
    if not kept.exists():
        loop = {"steps": options.steps, "seed": seed, "evaluate_every": 100_000}
        figures = VARIANTS[variant]
        if "places" in figures:
            weights = places_run(name, options.folder, options.device, figures["places"], loop)
        else:
            made = {"figures": figures, "loop": loop}
            weights = short_run(name, "foley_control_mini", options.folder, options.device, **made)
        kept.write_text(json.dumps(_measured(weights, variant, options.clips)), "utf-8")
        print(name, kept.read_text("utf-8"), flush=True)
    return json.loads(kept.read_text("utf-8"))


def _measured(weights: Path, variant: str, clips: int) -> dict[str, dict[str, float]]:
    """F1 and material of every way to sample one network."""
    from foleystage.core.evaluation.protocols import held_out
    from foleystage.core.evaluation.report import Settings
    from foleystage.core.loading import Loading, load_model
    from foleystage.core.sampling import cfg

    system = load_model(str(weights), loading=Loading(keep=True))
    given = given_of(system, held_out(Settings(clips, seconds=4.0)))
    own = system.row.sampling
    picture = system.config.bridge.stream
    words_alone = cfg(own.scale, kept=(picture,))
    ways = {"": (words_alone, own.steps, True)}
    if variant == BASE:
        ways[ALONE] = (cfg(own.scale), own.steps, False)
    if variant == DROPPED:
        ways[OVER_PICTURE] = (cfg(own.scale), own.steps, True)
    return {way: scores(system, given, *settings) for way, settings in ways.items()}


def _table(found: dict[str, list[dict]], options) -> str:
    rows = {name: [run[""] for run in runs] for name, runs in found.items()}
    rows[ALONE] = [run[ALONE] for run in found[BASE]]
    rows[OVER_PICTURE] = [run[OVER_PICTURE] for run in found[DROPPED]]
    lines = [
        f"Bridges of {options.steps} steps, {options.seeds} seeds; {options.clips} hard held-out "
        "scenes of 4 s, words of the true material; mean and 95 % interval over the seeds "
        "(Student). Differences are to the first row, of runs of the same seed. The picture is on "
        "both sides of guidance but in the row that says so.",
        *HEADING,
    ]
    return "\n".join([*lines, *compared(rows, ("f1", "material"))])


if __name__ == "__main__":
    main()
