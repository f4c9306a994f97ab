"""What a busy neighbour costs: the same work alone, and beside a process that does it without end.

    python benchmarks/contention.py [--runs N]

The work: a decode of 0.5 s with mmaudio-44k at full size (random weights), and `foleystage
generate` of the bundled clip, both without the imports. The neighbour decodes with as many threads
as there are processors, either waiting awake, as torch has it by itself, or asleep, as FoleyStage
has it. "before" is the same work with threads that wait awake and the snake's pieces shared out
among them. Runs alone and beside it alternate, and medians are given, because a shared machine is
never quiet. Writes the table of `benchmarks/README.md` (between the marks of this benchmark).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import torch
from foleystage.core import threads
from measure import machine, write_table

SECONDS = 0.5
CLIP = Path(__file__).resolve().parents[1] / "workflows" / "media" / "example.mp4"
# A stalled run is ended here, and said to be longer.
PATIENCE = 30.0
WORK = {"decode": f"mmaudio-44k, {SECONDS:g} s of sound", "generate": "`foleystage generate`"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    lines = [
        "| work | neighbour | alone | beside it | times | before, alone | before, beside it |",
        "|---|---|---|---|---|---|---|",
    ]
    for work, title in WORK.items():
        for awake in (True, False):
            spent = _measure(work, awake, runs)
            alone, beside, *before = [statistics.median(times) for times in spent.values()]
            cells = [title, "awake" if awake else "asleep", f"{alone:.1f} s", f"{beside:.1f} s"]
            cells += [f"{beside / alone:.1f}", *(map(_old, before) if before else "--")]
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    write_table("contention", "\n".join([f"{machine()}, median of {runs}", "", *lines]))


def _old(seconds: float) -> str:
    return f"over {PATIENCE:.0f} s" if seconds >= PATIENCE else f"{seconds:.1f} s"


def _measure(work: str, awake: bool, runs: int) -> dict[tuple[str, bool], list[float]]:
    """Seconds of each run, by (way, whether beside the neighbour); "before" beside one awake."""
    ways = ("ours", "before") if awake else ("ours",)
    spent = {(way, beside): [] for way in ways for beside in (False, True)}
    for _ in range(runs):
        for (way, beside), seconds in spent.items():
            with _neighbour(awake) if beside else contextlib.nullcontext():
                seconds.append(_seconds(work, way))
    return spent


@contextlib.contextmanager
def _neighbour(awake: bool) -> Iterator[None]:
    command = [sys.executable, __file__, "--run", "neighbour", "before" if awake else "ours"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            process.stdout.readline()  # it has begun
            yield
        finally:
            process.kill()


def _seconds(work: str, way: str) -> float:
    command = [sys.executable, __file__, "--run", work, way]
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=PATIENCE + 5
        )
    except subprocess.TimeoutExpired:
        return PATIENCE
    return min(PATIENCE, json.loads(done.stdout.splitlines()[-1]))


def run_once(work: str, way: str) -> None:
    """Does the work in this process; prints its seconds."""
    with contextlib.ExitStack() as stack:
        if way == "before":
            _as_before(stack)
        else:
            threads.wait_briefly()
        if work == "generate":
            with tempfile.TemporaryDirectory() as folder:
                print(json.dumps(_generate(Path(folder) / "out.mp4")))
            return
        decode = _decoder()
        while True:
            began = time.perf_counter()
            decode()
            print(json.dumps(time.perf_counter() - began), flush=True)
            if work != "neighbour":
                return


def _as_before(stack: contextlib.ExitStack) -> None:
    from foleystage.cli import generate as generate_command
    from foleystage.core import loading
    from foleystage.core.codecs import activations

    def one_after_another(work, pieces) -> None:
        for piece in pieces:
            work(piece)

    for module, name, stand_in in (
        (loading, "wait_briefly", lambda device: None),
        (generate_command, "suit_threads", lambda system: None),
        (activations, "share_out", one_after_another),
        (activations, "PIECE", 65536),
    ):
        stack.enter_context(mock.patch.object(module, name, stand_in))


def _decoder():
    from foleystage.core.codecs.public import CODECS

    torch.manual_seed(0)
    codec = CODECS["mmaudio-44k"](decode_only=True).eval().requires_grad_(False)
    latent = torch.randn(1, round(SECONDS * codec.latent_rate), codec.latent_dim)
    return lambda: codec.decode(latent)


def _generate(path: Path) -> float:
    from foleystage import cli

    began = time.perf_counter()
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        if cli.main(["generate", str(CLIP), "-o", str(path)]):
            raise SystemExit("generate failed")
    return time.perf_counter() - began


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_once(*sys.argv[2:])
    else:
        main()
