"""How like a take those are that are made like it, by how far they are from it.

    python benchmarks/variations.py [--models NAME ...] [--clips 12]

Of hard held-out scenes of 4 s, as an artist makes them: take 3 of a seed, then two takes like it at
each variation. Distances to take 3 are in parts of those at variation 1, which has nothing of it:
MFCCs for the timbre, onsets within 60 ms for the timing. Writes the table of docs/evidence.md.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from hard_clips import asked_of, hard_clip
from measure import interval, write_evidence

MODELS = ("ac_foley_mini", "mdsgen_mini", "specmaskfoley_mini")
VARIATIONS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
TAKE = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--first", type=int, default=2000, help="seed of the first scene")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        f"{options.clips} hard clips of 4 s, two takes each; mean and 95 % interval over the clips",
        "",
        "| model | variation | MFCC distance | of an unrelated take's | onset F1 with take 3 |",
        "|---|---|---|---|---|",
    ]
    for model in options.models:
        lines += _rows(model, range(options.first, options.first + options.clips))
    heading = "How like a take its variations are"
    write_evidence("variations", "\n".join(lines), heading)


def _rows(model: str, seeds: range) -> list[str]:
    from foleystage.core.loading import load_model

    system = load_model(model)
    figures = np.array([_figures(system, seed) for seed in seeds])  # [clips, variations, 2]
    mfcc, f1 = figures[..., 0], figures[..., 1]
    rows = []
    for place, variation in enumerate(VARIATIONS):
        share = mfcc[:, place].mean() / mfcc[:, -1].mean()
        cells = interval(mfcc[:, place]), f"{share:.2f}", interval(f1[:, place])
        rows.append(f"| `{model}` | {variation:g} | {' | '.join(cells)} |")
    return rows


def _figures(system, seed: int) -> list[tuple[float, float]]:
    """Of each variation the mean MFCC distance to the take and the F1 with its onsets."""
    from foleystage.core.evaluation.distances import mfcc_distance
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    picture, prompt = asked_of(system, hard_clip(seed, 4.0, system.sample_rate))

    def made(takes: int, variation: float):
        asked = Request(prompt, seed=seed, takes=takes, like=TAKE, variation=variation)
        return generate(picture, system, asked).waveforms

    rate = system.sample_rate
    take = made(1, 0.0)[0]
    onsets = detect_onsets(take, rate)
    figures = []
    for variation in VARIATIONS:
        some = made(2, variation)
        distance = np.mean([mfcc_distance(one, take, rate) for one in some])
        f1 = np.mean([match_onsets(detect_onsets(one, rate), onsets).f1 for one in some])
        figures.append((float(distance), float(f1)))
    return figures


if __name__ == "__main__":
    main()
