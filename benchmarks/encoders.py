"""Time and memory of encoding 8 s of 720p video with every video encoder, on the CPU.

    python benchmarks/encoders.py [--whole] [ENCODER...]

Random weights, full width, float32; each run in a process of its own. Of a transformer's equal
blocks one is run and its time counted as often as the network has it; `--whole` runs them all (an
hour on two cores). Beside it the straightforward way: every frame of the file decoded to float,
then resized, then looked at in one batch; one pass over the file for each encoder. Processor time
is given, which other work on the machine does not change; memory is what encoding adds to the
loaded weights at its peak. Writes the table of `benchmarks/README.md`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import torch
from foleystage.core.encoders import cavp, clip, synchformer, vjepa2
from foleystage.core.encoders.base import VideoEncoder
from foleystage.core.encoders.video import encode_video
from foleystage.core.media.resize import frame_geometry
from foleystage.core.media.timing import frame_count
from measure import in_own_process, machine, resident, restart_peak, write_table
from torch import Tensor, nn

SECONDS = 8.0
WAYS = ("shared", "straightforward")
ALL = "all four"


@dataclass(frozen=True)
class Subject:
    """One encoder. make(layers): with so many blocks; layers: those of the public one, 0 where it
    has no equal ones; blocks: where they are; network(encoder, frames 0..1 (B, T, 3, H, W))."""

    make: Callable[[int], VideoEncoder]
    layers: int
    blocks: Callable[[VideoEncoder], nn.ModuleList | tuple[()]]
    network: Callable[[VideoEncoder, Tensor], Tensor]


def _normalised(frames: Tensor, mean: list[float], std: list[float]) -> Tensor:
    return (frames - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


SUBJECTS = {
    "CLIP ViT-H/14": Subject(
        # Text has no part in this: its tower is only built whole to be weighed.
        lambda layers: clip.DFN5BClip(
            clip.ClipConfig(vision_layers=layers, text_layers=min(24, layers))
        ),
        32,
        lambda encoder: encoder.visual.transformer.resblocks,
        lambda encoder, x: encoder.encode_images(_normalised(x[:, 0], clip.MEAN, clip.STD)),
    ),
    "Synchformer": Subject(
        lambda layers: synchformer.SynchformerVisual(depth=layers),
        synchformer.DEPTH,
        lambda encoder: encoder.blocks,
        lambda encoder, x: encoder.encode_segments(_normalised(x, [0.5] * 3, [0.5] * 3)),
    ),
    "CAVP": Subject(
        lambda layers: cavp.CavpVideo(),
        0,
        lambda encoder: (),
        lambda encoder, x: encoder.encode_frames(x),
    ),
    "V-JEPA 2 L": Subject(
        lambda layers: vjepa2.VJepa2({"num_hidden_layers": layers}),
        24,
        lambda encoder: encoder.encoder.layer,
        lambda encoder, x: encoder.encode_segments(_normalised(x, vjepa2.MEAN, vjepa2.STD)),
    ),
}


def main(names: list[str], whole: bool) -> None:
    lines = [
        "| encoder | weights | time | straightforward | memory | straightforward |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "clip.mp4"
        _render(video)
        passes = []
        for name in names or SUBJECTS:
            runs = [in_own_process(__file__, name, way, video, int(whole)) for way in WAYS]
            passes.append(runs[1])
            lines.append(_row(name, *runs))
            print(lines[-1], flush=True)
        if not names:
            shared = in_own_process(__file__, ALL, WAYS[0], video, int(whole))
            total = {"time": sum(run["time"] for run in passes)}
            total["memory"] = max(run["memory"] for run in passes)
            lines.append(_row(f"{ALL}, one decoding pass", shared, total))
            blocks = "every block" if whole else "one block of each transformer timed"
            write_table("encoders", "\n".join([f"{machine()}, {blocks}", "", *lines]))


def _row(name: str, ours: dict, plain: dict) -> str:
    cells = [f"{run['time']:.0f} s" for run in (ours, plain)]
    cells += [f"{run['memory']:.2f} GB" for run in (ours, plain)]
    return "| " + " | ".join([name, f"{ours['weights']:.2f} GB", *cells]) + " |"


def _render(path: Path) -> None:
    from foleystage.core.scenes import sample_scene
    from foleystage.core.scenes.files import write_picture

    scene = sample_scene(7, "test", seconds=SECONDS, hard=False, kinds=("hammer",))
    write_picture(scene, path, 720, silent=True)


class _Clock:
    """Processor time; that of a transformer's one block counts for all that it stands for."""

    def __init__(self) -> None:
        self.more = 0.0
        self._entered = 0.0

    def watch(self, block: nn.Module, times: float) -> None:
        def enter(*_) -> None:
            self._entered = time.process_time()

        def leave(*_) -> None:
            self.more += (times - 1) * (time.process_time() - self._entered)

        block.register_forward_pre_hook(enter)
        block.register_forward_hook(leave)


def run_once(name: str, way: str, video: str, whole: bool) -> None:
    """Encodes once in this process; prints figures as JSON."""
    torch.manual_seed(0)
    names = list(SUBJECTS) if name == ALL else [name]
    clock, encoders, weights = _Clock(), {}, 0
    for key in names:
        subject = SUBJECTS[key]
        with torch.device("meta"):
            full = subject.make(subject.layers)
        weights += sum(p.numel() * p.element_size() for p in full.state_dict().values())
        encoder = subject.make(subject.layers if whole else min(1, subject.layers))
        encoders[key] = encoder.eval().requires_grad_(False)
        for block in subject.blocks(encoder):
            clock.watch(block, subject.layers / len(subject.blocks(encoder)))
    before = restart_peak()
    began = time.process_time()
    if way == WAYS[0]:
        encode_video(Path(video), encoders, seconds=SECONDS)
    else:
        with torch.no_grad():
            _encode_straightforwardly(SUBJECTS[name], encoders[name], video)
    spent = time.process_time() - began + clock.more
    added = resident("VmHWM") - before
    print(json.dumps({"time": spent, "memory": added / 1e9, "weights": weights / 1e9}))


def _encode_straightforwardly(subject: Subject, encoder: VideoEncoder, video: str) -> Tensor:
    """Nothing is thrown away before the end of the step that uses it."""
    times, frames = [], []
    with av.open(video) as container:
        for frame in container.decode(video=0):
            times.append(frame.time)
            picture = torch.from_numpy(frame.to_ndarray(format="rgb24"))
            frames.append(picture.permute(2, 0, 1).float() / 255)
    clip_frames = torch.stack(frames)  # (T, 3, 720, 1280)
    del frames
    request = encoder.frame_request
    wanted = torch.arange(frame_count(SECONDS, request.fps)) / request.fps
    nearest = (torch.tensor(times)[None] - wanted[:, None]).abs().argmin(1)
    height, width = clip_frames.shape[2:]
    tall, wide, top, left, height, width = frame_geometry(
        height, width, request.target, request.crop, request.shorter_side
    )
    sized = nn.functional.interpolate(
        clip_frames[nearest], (tall, wide), mode=request.resample, antialias=True
    )
    sized = sized[:, :, top : top + height, left : left + width].clamp(0, 1)
    return subject.network(encoder, sized[encoder.windows(len(sized))])


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["--run"]:
        run_once(words[1], words[2], words[3], words[4] == "1")
    else:
        main([word for word in words if word != "--whole"], "--whole" in words)
