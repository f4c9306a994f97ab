"""Time and memory of `foleystage generate` on a short clip and inside a ten-minute 1080p file.

    python benchmarks/generate.py

Runs the whole command in a process of its own, three times each, and writes the table of
`benchmarks/README.md` (between the marks of this benchmark).
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import torch
from measure import resident, write_table

HERE = Path(__file__).resolve().parent
RUNS = 3
SECONDS = 8.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        short, long = Path(folder) / "short.mp4", Path(folder) / "long.mp4"
        _render(short, 720)
        _render(Path(folder) / "piece.mp4", 1080)
        _repeat(Path(folder) / "piece.mp4", long, 75)
        rows = [
            _measure("8 s, 720p", short, []),
            _measure(
                "8 s at 9:00 of a 10 min 1080p file", long, ["--start", "540", "--seconds", "8"]
            ),
        ]
    write_table("generate", _table(rows))


def _render(path: Path, height: int) -> None:
    from foleystage.core.scenes import sample_scene
    from foleystage.core.scenes.files import write_picture

    scene = sample_scene(7, "test", seconds=SECONDS, hard=False, kinds=("hammer",))
    write_picture(scene, path, height, silent=True)


def _repeat(source: Path, path: Path, times: int) -> None:
    """The packets of a clip, one round after the other: a long file without a long encode."""
    with av.open(str(source)) as piece, av.open(str(path), "w") as out:
        stream = piece.streams.video[0]
        target = out.add_stream_from_template(stream)
        span = int(Fraction(SECONDS) / stream.time_base)
        packets = [
            (bytes(p), p.pts, p.dts, p.duration, p.is_keyframe)
            for p in piece.demux(stream)
            if p.size
        ]
        for turn in range(times):
            for data, pts, dts, duration, key in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = target, stream.time_base
                packet.pts, packet.dts = pts + turn * span, dts + turn * span
                packet.duration = duration
                packet.is_keyframe = key
                out.mux(packet)


def _measure(name: str, video: Path, extra: list[str]) -> dict:
    runs = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, str(HERE / "generate.py"), "--run", str(video)]
            command += ["-o", str(Path(folder) / "out.mp4"), *extra]
            began = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            wall = time.perf_counter() - began
        runs.append({"wall": wall, **json.loads(done.stdout.splitlines()[-1])})
    middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return {"name": name, **middle}


def run_once(arguments: list[str]) -> None:
    """One command in this process; prints its stages and peak memory as JSON."""
    from foleystage import cli
    from foleystage.core import pipeline

    began = time.perf_counter()
    stages = {}
    generate = pipeline.generate

    def timed(*args, **kwargs):
        stages["start"] = time.perf_counter() - began
        takes = generate(*args, **kwargs)
        stages.update(takes.stages)
        return takes

    pipeline.generate = timed
    status = cli.main(["generate", *arguments])
    stages["all"] = time.perf_counter() - began
    peak = resident("VmHWM") / 1e9
    print(json.dumps({**stages, "peak_gb": peak}))
    raise SystemExit(status)


def _table(rows: list[dict]) -> str:
    stages = ["start", "reference", "video", "text", "sampling", "decoding", "finishing"]
    named = ["load" if stage == "start" else stage for stage in stages]
    heads = ["", *named, "mux", "whole command", "real-time factor", "peak memory"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        mux = row["all"] - sum(row[stage] for stage in stages)
        cells = [row["name"], *(f"{row[stage]:.2f} s" for stage in stages), f"{mux:.2f} s"]
        cells += [
            f"{row['wall']:.1f} s",
            f"{row['wall'] / SECONDS:.2f}",
            f"{row['peak_gb']:.2f} GB",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    machine = f"{os.cpu_count()} CPU cores ({platform.machine()}), torch {torch.__version__}"
    return "\n".join([f"{machine}, median of {RUNS}, 25 steps, default guidance", "", *lines])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_once(sys.argv[2:])
    else:
        main()
