"""What a ranking of takes is worth: the first of eight against their mean, by the true hits.

    python benchmarks/ranking.py --folder runs [--models NAME ...] [--clips 64] [--first 3000]

Hard held-out scenes of 8 s with hits, eight takes of each as an artist makes them. They are ranked
by what the system has seen, and scored by what is true: onset F1 within 60 ms. Weights of
`core/ranking.py` were chosen on the scenes from 2000 on. Clips that are done are not repeated.
Writes the table of docs/evidence.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from hard_clips import asked_of, hard_clip
from measure import bootstrap, write_evidence

MODELS = ("ac_foley_mini", "foleygenex_mini", "mdsgen_mini", "specmaskfoley_mini")
TAKES = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs"))
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--first", type=int, default=3000, help="seed of the first scene")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(options.first, options.first + options.clips)
    lines = [
        f"{options.clips} hard clips of 8 s, {TAKES} takes each; 95 % intervals by bootstrap over "
        "the clips",
        "",
        "| model | mean of 8 | ranked first | difference | ranked last | best by the truth | "
        "clips where it is better, worse |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in options.models:
        lines.append(_row(model, _records(model, seeds, options.folder / "ranking")))
    write_evidence("ranking", "\n".join(lines), "What the ranking of takes is worth")


def _records(model: str, seeds: range, folder: Path) -> list[dict]:
    """Of each scene the true F1 of its takes, the best ranked first."""
    from foleystage.core.loading import Loading, load_model

    folder.mkdir(parents=True, exist_ok=True)
    system, records = None, []
    for seed in seeds:
        kept = folder / f"{model}_{seed}.json"
        if not kept.exists():
            system = system or load_model(model, loading=Loading(keep=True))
            kept.write_text(json.dumps(_record(system, seed)), "utf-8")
        records.append(json.loads(kept.read_text("utf-8")))
    return records


def _record(system, seed: int) -> dict:
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets
    from foleystage.core.pipeline import generate
    from foleystage.core.ranking import rank
    from foleystage.core.request import Request

    clip = hard_clip(seed, 8.0, system.sample_rate)
    picture, prompt = asked_of(system, clip)
    request = Request(prompt, seed=seed, takes=TAKES)
    takes = generate(picture, system, request)
    waveforms, rate = takes.waveforms, takes.sample_rate
    ranked = rank(
        waveforms, rate, chance=takes.chance, asked=request.loudness, loudness=takes.loudness
    )
    true = [match_onsets(detect_onsets(take, rate), clip.times).f1 for take in waveforms]
    return {
        "f1": [true[one.take - 1] for one in ranked],
        "takes": [one.take for one in ranked],
        "reasons": [one.reason for one in ranked],
    }


def _row(model: str, records: list[dict]) -> str:
    f1 = np.array([record["f1"] for record in records])  # [clips, takes], best ranked first
    gain = f1[:, 0] - f1.mean(1)
    best = f1.max(1).mean()
    return (
        f"| `{model}` | {f1.mean():.3f} | {f1[:, 0].mean():.3f} | "
        f"{bootstrap(gain, 4)} | {f1[:, -1].mean():.3f} | {best:.3f} | "
        f"{np.mean(gain > 1e-9):.0%}, {np.mean(gain < -1e-9):.0%} |"
    )


if __name__ == "__main__":
    main()
