"""What the benchmarks share: memory of a process, a process for each run, intervals, the table of
results."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

# Quantiles of Student's t for a two-sided interval of 95 %, by degrees of freedom.
STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78}
README = Path(__file__).resolve().parent / "README.md"


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


def machine() -> str:
    """The processor, torch and how many threads it uses, in words."""
    threads = torch.get_num_threads()
    return f"{platform.machine()}, torch {torch.__version__}, {threads} threads"


def write_table(name: str, text: str) -> None:
    """Put `text` between the marks of a benchmark in README.md; print it."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = README.read_text("utf-8") if README.exists() else "# Benchmarks\n"
    if begin not in old:
        old += f"\n## {name}\n\n`python benchmarks/{name}.py`\n\n{begin}\n{end}\n"
    head, rest = old.split(begin)
    README.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}", "utf-8")
    print(text)
