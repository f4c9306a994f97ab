"""What the benchmarks share: memory of a process, a process for each run, intervals, the table of
results."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

# Quantiles of Student's t for a two-sided interval of 95 %, by degrees of freedom.
STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78}
MINIS = (
    "ac_foley_mini",
    "foleygenex_mini",
    "mdsgen_mini",
    "specmaskfoley_mini",
    "foley_control_mini",
)
DRAWS = 10_000  # of a bootstrap
README = Path(__file__).resolve().parent / "README.md"
EVIDENCE = README.parents[1] / "docs" / "evidence.md"


def resident(kind: str) -> int:
    """Bytes of memory of this process, now (VmRSS) or at its peak (VmHWM).

    `ru_maxrss` would not do: Linux hands it down from the process that started this one.
    """
    status = Path("/proc/self/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith(f"{kind}:"))
    return int(line.split()[1]) * 1024


def restart_peak() -> int:
    """VmHWM starts anew; returns what is in memory now."""
    Path("/proc/self/clear_refs").write_text("5", "utf-8")
    return resident("VmRSS")


def in_own_process(script: str, *arguments: object) -> dict:
    """What `script --run ARGUMENTS` prints as JSON on its last line."""
    command = [sys.executable, script, "--run", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def interval(values: np.ndarray, sign: str = "") -> str:
    """Mean and half the width of its 95 % interval over the seeds."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return f"{mean:{sign}.3f}"
    half = STUDENT.get(count - 1, 1.96) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return f"{mean:{sign}.3f} ± {half:.3f}"


def bootstrap(values: np.ndarray, decimals: int = 3) -> str:
    """Mean and 95 % interval of the mean over clips, by bootstrap."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    mean, low, high = (f"{value:+.{decimals}f}" for value in (values.mean(), low, high))
    return f"{mean} ({low} to {high})"


def machine() -> str:
    """The processor, torch and how many threads it uses, in words."""
    threads = torch.get_num_threads()
    return f"{platform.machine()}, torch {torch.__version__}, {threads} threads"


def timed(make: Callable[[], Any], runs: int, device: str) -> tuple[float, Any]:
    """The shortest of some runs in seconds, after one that warms up, and what the last made."""
    make()  # kernels are chosen, or compiled
    times = []
    for _ in range(runs):
        wait(device)
        start = time.perf_counter()
        made = make()
        wait(device)
        times.append(time.perf_counter() - start)
    return min(times), made


def wait(device: str) -> None:
    """Until a GPU has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def with_random_weights(net: torch.nn.Module) -> torch.nn.Module:
    """The network with weights of the size that trained ones have, the same each time."""
    rng = torch.Generator().manual_seed(0)
    for name, value in net.named_parameters():
        norm = "norm" in name and name.endswith("weight")
        scale = 0.2 if value.ndim < 2 else value[0].numel() ** -0.5
        drawn = torch.randn(value.shape, generator=rng) * scale
        value.copy_(drawn + 1 if norm else drawn)
    return net


def short_run(name: str, recipe: str, folder: Path, device: str = "cpu", **changed: dict) -> Path:
    """The weights of a recipe trained as `name`, unless they are in the folder already. changed:
    what of its `figures` and of its `loop` is replaced."""
    from foleystage.core.training.recipes import read_recipe, run_recipe

    weights = folder / name / f"{name}.safetensors"
    if weights.exists():
        return weights
    made = read_recipe(recipe)
    for part, values in changed.items():
        made[part] |= values
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(made), "utf-8")
    return run_recipe(str(path), folder, device)[0]


def compared(
    rows: Mapping[str, Sequence[Mapping[str, float]]], figures: Sequence[str]
) -> list[str]:
    """Rows of a table: of each variant the mean of two figures over the seeds with its interval and
    its difference to the first variant, and between them that of F1 with shuffled truths."""
    first, lines = next(iter(rows.values())), []
    for title, runs in rows.items():
        values = [np.array([run[key] for run in runs]) for key in figures]
        apart = [
            "-" if runs is first else interval(own - np.array([run[key] for run in first]), "+")
            for key, own in zip(figures, values, strict=True)
        ]
        shuffled = np.mean([run["shuffled"] for run in runs])
        (one, other), (apart_one, apart_other) = map(interval, values), apart
        cells = one, apart_one, f"{shuffled:.2f}", other, apart_other
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def write_table(name: str, text: str) -> None:
    """Put `text` between the marks of a benchmark in README.md; print it."""
    _write(README, name, text, f"## {name}\n\n`python benchmarks/{name}.py`")


def write_evidence(name: str, text: str, heading: str) -> None:
    """Put `text` between the marks of a name in docs/evidence.md, under a heading where there are
    none yet; print it."""
    _write(EVIDENCE, name, text, f"## {heading}")


def _write(path: Path, name: str, text: str, new: str) -> None:
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = path.read_text("utf-8")
    if begin not in old:
        old = f"{old.rstrip()}\n\n{new}\n\n{begin}\n{end}\n"
    head, rest = old.split(begin)
    path.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}", "utf-8")
    print(text)
