"""Seconds that one take of each task costs, on a loaded system.

    python benchmarks/tasks.py [--model foleygenex_mini] [--seconds 4]

A clip of a synthetic scene is read from a file, encoded, sampled, decoded and finished each time;
the first round is not counted. Writes the table of `benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from measure import machine, write_table

RUNS = 5
STAGES = ("video", "sampling", "decoding")


def main() -> None:
    from foleystage.core.loading import load_model
    from foleystage.core.scenes.files import write_scene

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="foleygenex_mini")
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    torch.set_num_threads(1)  # as the command line does for a mini
    system = load_model(options.model)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_scene(7, clip, kind="hammer", seconds=options.seconds, hard=False)
        rows = [_row(system, name, clip, options.seconds) for name in system.row.tasks]
    lines = [
        f"{options.model}, {options.seconds:g} s, 25 steps, {machine()}; median of {RUNS}, warm",
        "",
        "| task | whole take | the picture | sampling | decoding |",
        "|---|---|---|---|---|",
        *rows,
    ]
    write_table("tasks", "\n".join(lines))


def _row(system, name: str, clip: Path, seconds: float) -> str:
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    bell = Path(__file__).resolve().parents[1] / "workflows" / "media" / "reference_bell.flac"
    asked = {
        "vta": {"prompt": "metal hit"},
        "tta": {"prompt": "metal hit", "seconds": seconds},
        "tc-vta": {"prompt": "glass hit"},
        "ac-vta": {"reference": bell},
        "extend": {"known": (0.0, 0.375 * seconds)},
        "edit": {"edit": (0.3 * seconds, 0.6 * seconds), "prompt": "glass hit"},
    }[name]
    whole, stages = [], []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        source = None if name == "tta" else clip
        takes = generate(source, system, Request(task=name, **asked))
        whole.append(time.perf_counter() - started)
        stages.append(takes.stages)
    cells = [statistics.median(whole[1:])]
    cells += [statistics.median(s.get(stage, 0.0) for s in stages[1:]) for stage in STAGES]
    return f"| {name} | " + " | ".join(f"{cell:.2f} s" for cell in cells) + " |"


if __name__ == "__main__":
    main()
