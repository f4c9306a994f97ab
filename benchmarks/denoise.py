"""Denoising AC-Foley at full size on a CPU, against the published way; memory of a whole take.

    python benchmarks/denoise.py [--steps 2] [--seconds 8] [--only speed|memory] [--fast]
        [--takes bfloat16 float32] [--take-seconds 8]

Random weights. The published way is two separate forwards a step of the plain network in float32.
Each run is a process of its own; a take measures its peak memory itself, with 10.5 GB of weights
files beside in a temporary folder, against the same take with all parts kept in float32; looking at
8 s takes a CPU minutes in bfloat16, a quarter of an hour in float32. Writes the tables of
`benchmarks/README.md`. `--fast` is a small network, to see that everything runs, and prints alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from full_size import (
    PARAMETERS,
    STEPS_IN_ALL,
    conditions,
    network,
    our_way,
    published_way,
    request_of,
    write_files,
)
from measure import machine, resident, restart_peak, write_table

RUNS = 3
PRECISIONS = ("bfloat16", "float32")
RESIDENT = "all parts kept, float32"


def main() -> None:
    options = _options()
    if options.child:
        print(json.dumps(CHILDREN[options.child](options)))
        return
    tables = {}
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        if options.only != "memory":
            speed = {name: _run(name, options) for name in ("published", *PRECISIONS)}
            tables["denoise"] = _speed_table(speed, options)
        if options.only != "speed":
            _run("files", options)
            peaks = {name: _run(f"take {name}", options) for name in (RESIDENT, *options.takes)}
            tables["denoise-memory"] = _memory_table(peaks, options)
    for name, lines in tables.items():
        text = "\n".join(lines)
        print(text, "\n") if options.fast else write_table(name, text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--takes", nargs="+", default=["bfloat16"], choices=PRECISIONS)
    parser.add_argument("--take-seconds", type=float, default=8.0)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--only", choices=("speed", "memory"), help="one half")
    parser.add_argument("--child", default="")
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


def _run(name: str, options: argparse.Namespace) -> dict:
    command = [sys.executable, str(Path(__file__)), "--child", name]
    command += ["--folder", str(options.folder)]
    command += ["--steps", str(options.steps), "--seconds", str(options.seconds)]
    command += ["--take-seconds", str(options.take_seconds)]
    command += ["--fast"] if options.fast else []
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    print(f"{name}: {time.perf_counter() - start:.0f} s in all", file=sys.stderr)
    return json.loads(done.stdout.splitlines()[-1])


@torch.no_grad()
def _published(options: argparse.Namespace) -> dict:
    net = network(options.fast, torch.float32)
    streams = conditions(net.config, options.seconds)
    return _timed(published_way(net, streams, options.seconds, options.steps), "", options)


@torch.no_grad()
def _ours(options: argparse.Namespace, name: str) -> dict:
    from foleystage.core.generators.packed import MMAUDIO_KINDS, can_pack, pack

    dtype = getattr(torch, name)
    net = network(options.fast, dtype)
    if can_pack(dtype, "cpu"):
        pack(net, MMAUDIO_KINDS)
    streams = {k: v.to(dtype) for k, v in conditions(net.config, options.seconds).items()}
    return _timed(our_way(net, streams, options.seconds, options.steps), name, options)


def _timed(sample, name: str, options: argparse.Namespace) -> dict:
    x = sample()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        x = sample()
        times.append(time.perf_counter() - start)
    report = {"seconds": min(times)}
    reference = options.folder / "published.pt"
    if not name:
        torch.save(x, reference)
    else:
        exact = torch.load(reference, weights_only=True)
        report["max"] = float((x - exact).abs().max() / exact.abs().max())
        report["l2"] = float((x - exact).norm() / exact.norm())
    return report


def _files(options: argparse.Namespace) -> dict:
    write_files(options.folder, options.fast)
    return {}


def _take(options: argparse.Namespace, loading: dict) -> dict:
    """Peak memory of a take from files on disk, of one step: more need no more memory."""
    from foleystage.core.loading import Loading, load_model
    from foleystage.core.pipeline import generate

    os.environ["FOLEYSTAGE_MODELS"] = str(options.folder)
    source, request = request_of(options.take_seconds, 1)
    restart_peak()
    generate(source, load_model("ac_foley", loading=Loading(**loading)), request)
    return {"peak": resident("VmHWM")}


CHILDREN = {
    "published": _published,
    **{p: lambda options, p=p: _ours(options, p) for p in PRECISIONS},
    "files": _files,
    **{f"take {p}": lambda options, p=p: _take(options, {"precision": p}) for p in PRECISIONS},
    f"take {RESIDENT}": lambda options: _take(options, {"precision": "float32", "keep": True}),
}


def _speed_table(results: dict, options: argparse.Namespace) -> list[str]:
    base = results["published"]["seconds"]
    lines = [
        f"AC-Foley, {options.seconds:g} s, guidance on, {options.steps} of {STEPS_IN_ALL} steps, "
        f"{machine()}; best of {RUNS}.",
        "",
        "| | seconds | times as fast | largest relative difference | relative error |",
        "|---|---|---|---|---|",
        f"| published way, float32 | {base:.2f} | 1 | | |",
    ]
    for name in ("float32", "bfloat16"):
        r = results[name]
        lines.append(
            f"| ours, {name} | {r['seconds']:.2f} | {base / r['seconds']:.2f} | {r['max']:.1e} | "
            f"{r['l2']:.1e} |"
        )
    return lines


def _memory_table(peaks: dict, options: argparse.Namespace) -> list[str]:
    lines = [
        f"A whole take of {options.take_seconds:g} s from files, one step, weights included, "
        f"{machine()}:",
        "",
        "| | peak memory | of the first | of the weights in float32 |",
        "|---|---|---|---|",
    ]
    for name, run in peaks.items():
        shares = [run["peak"] / peaks[RESIDENT]["peak"], run["peak"] / (4 * PARAMETERS)]
        lines.append(f"| {name} | {run['peak'] / 1e9:.2f} GB | {shares[0]:.0%} | {shares[1]:.0%} |")
    return lines


if __name__ == "__main__":
    main()
