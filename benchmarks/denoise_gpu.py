"""AC-Foley at full size on a GPU, against the published way; what dominates a take.

    python benchmarks/denoise_gpu.py [--steps 25] [--seconds 8] [--compile] [--device cpu --fast]

Random weights in bfloat16. Denoising is timed with guidance on, published way and ours in one run;
then whole takes with all parts kept on the device, by stage, the first (which loads, and compiles)
left out; then a profile of ours by kernel. Writes the table of `benchmarks/README.md` (between the
marks of this benchmark); with `--fast`, a small network, it prints alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from full_size import (
    STEPS_IN_ALL,
    conditions,
    network,
    our_way,
    published_way,
    request_of,
    write_files,
)
from measure import timed, wait, write_table

RUNS = 3
KERNELS = 12
DTYPE = torch.bfloat16


def main() -> None:
    options = _options()
    with torch.no_grad():
        speed, ours = _speed(options)
        parts = [speed, _profile(ours, options)]
    del ours
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), options.fast)
        parts.append(_take(Path(folder), options))
    text = "\n\n".join("\n".join(lines) for lines in parts)
    print(text) if options.fast else write_table("denoise_gpu", text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS_IN_ALL)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("This machine has no usable CUDA device.")
    return options


def _speed(options: argparse.Namespace) -> tuple[list[str], Callable]:
    net = network(options.fast, DTYPE, options.device)
    streams = conditions(net.config, options.seconds)
    streams = {k: v.to(options.device, DTYPE) for k, v in streams.items()}
    way = (streams, options.seconds, options.steps)
    published, of_published = timed(published_way(net, *way), RUNS, options.device)
    if options.compile:
        net.compile(dynamic=True)
    sample = our_way(net, *way)
    ours, of_ours = timed(sample, RUNS, options.device)
    error = (of_ours.float() - of_published.float()).norm() / of_published.float().norm()
    name = "ours, compiled" if options.compile else "ours"
    return [
        f"AC-Foley, {options.seconds:g} s, guidance on, {options.steps} steps, bfloat16, "
        f"{_device(options)}, torch {torch.__version__}; best of {RUNS}.",
        "",
        "| denoising | seconds | times as fast | relative difference |",
        "|---|---|---|---|",
        f"| published way | {published:.3f} | 1 | |",
        f"| {name} | {ours:.3f} | {published / ours:.2f} | {float(error):.1e} |",
    ], sample


def _profile(sample: Callable, options: argparse.Namespace) -> list[str]:
    """The kernels that take the most time of denoising, our way."""
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU]
    kinds += [ProfilerActivity.CUDA] if options.device == "cuda" else []
    with profile(activities=kinds) as seen:
        sample()
        wait(options.device)
    times = {}
    for event in seen.key_averages():
        on_gpu = options.device == "cuda"
        spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        # On a GPU, operations are listed beside the kernels that they start.
        if spent and (not on_gpu or event.device_type != torch.autograd.DeviceType.CPU):
            times[event.key] = (spent / 1e6, event.count)
    whole = sum(spent for spent, _ in times.values())
    ranked = sorted(times.items(), key=lambda item: -item[1][0])[:KERNELS]
    lines = ["| what dominates denoising, ours | share | seconds | calls |", "|---|---|---|---|"]
    for name, (spent, calls) in ranked:
        lines.append(f"| `{name[:70]}` | {spent / whole:.0%} | {spent:.4f} | {calls} |")
    return lines


def _take(folder: Path, options: argparse.Namespace) -> list[str]:
    """Stages of whole takes, from a batch of frames to the waveform."""
    from foleystage.core.loading import Loading, load_model
    from foleystage.core.pipeline import generate

    os.environ["FOLEYSTAGE_MODELS"] = str(folder)
    loading = Loading(precision="bfloat16", keep=True, compile=options.compile)
    model = load_model("ac_foley", options.device, loading)
    best = {}
    for seed in range(RUNS + 1):
        # Other pictures each time: features are remembered.
        source, request = request_of(options.seconds, options.steps, seed)
        stages = generate(source, model, request).stages
        if not best or sum(stages.values()) < sum(best.values()):
            best = stages
    lines = ["| a whole take | seconds |", "|---|---|"]
    lines += [f"| {name} | {spent:.3f} |" for name, spent in best.items()]
    lines.append(f"| together | {sum(best.values()):.3f} |")
    if options.device == "cuda":
        lines.append(f"| memory at its peak | {torch.cuda.max_memory_allocated() / 1e9:.2f} GB |")
    return lines


def _device(options: argparse.Namespace) -> str:
    return torch.cuda.get_device_name() if options.device == "cuda" else "CPU"


if __name__ == "__main__":
    main()
