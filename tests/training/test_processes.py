"""Two processes train as one does: the same batches, checkpoints that either goes on from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("torch.distributed.run")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
        reason="this torch has no gloo",
    ),
]
LAUNCHED = Path(__file__).with_name("launched.py")
STEPS = 4


@pytest.fixture
def recipe(tmp_path):
    """Writes the recipe, which a run leaves at `stop_at`."""
    few = {"clips": 4, "validation_clips": 2, "workers": 1}
    figures = {
        "foley_control": {},
        "flow": few,
        "video_encoder": {**few, "crop_seconds": 1.28, "batch": 4},
    }
    loop = {"steps": STEPS, "learning_rate": 1e-3, "optimizer": "adamw", "autocast": False}
    loop |= {"warm_up": 2, "log_every": 1, "evaluate_every": STEPS}

    def written(stop_at=STEPS, task="video_encoder", **others):
        path = tmp_path / "tiny.json"
        made = {"figures": {**figures[task], **others}, "loop": {**loop, "stop_at": stop_at}}
        path.write_text(json.dumps({"task": task, **made}))
        return str(path)

    return written


@pytest.fixture
def bridge(tmp_path):
    """Figures of a bridge on a folder of two videos of one length."""
    from bridge_files import write_mini_backbone
    from small_media import write_video

    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a", "b"):
        write_video(folder / f"{name}.mp4")
    (folder / "captions.csv").write_text("file,caption\na.mp4,metal\nb.mp4,dog\n")
    base = str(write_mini_backbone(tmp_path / "base.safetensors"))
    own = {"encoder": "mini_video_encoder", "seconds": 1.28, "batch": 4}
    return {"videos": [str(folder)], "base": base, **own}


def by_two(recipe: str, folder: Path, *options: str) -> subprocess.CompletedProcess:
    """`torchrun` with two processes on the CPU, on a port that is free."""
    command = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    return launched(command, recipe, folder, *options)


def by_one(recipe: str, folder: Path) -> None:
    """The same in one process, with as many threads: libraries round otherwise with more."""
    done = launched((), recipe, folder)
    assert done.returncode == 0, done.stderr


def launched(
    launcher: tuple[str, ...], recipe: str, folder: Path, *options: str
) -> subprocess.CompletedProcess:
    train = ["train", recipe, "--folder", folder, "--device", "cpu", *options]
    return subprocess.run(
        [sys.executable, *launcher, LAUNCHED, *train],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=180,
    )


def weights(folder: Path, part: str = "model") -> dict[str, torch.Tensor]:
    return torch.load(folder / "tiny" / "checkpoint.pt", weights_only=True)[part]


def assert_near(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """Tensors have moved by 0.01 to 0.3 in norm. A bias before a softmax has no effect, and drifts
    by rounding, which Adam enlarges."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        bound = 5e-4 if name.endswith("score.bias") else 5e-5
        assert (found[name] - value).norm() < bound, name


def test_two_processes_train_as_one_does(recipe, tmp_path):
    # Of this network a few weights have no gradient, which data parallelism has to know.
    done = by_two(recipe(task="flow"), tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.splitlines()] == [
        "tiny.safetensors",
        "log.csv",
        "log.png",
    ]
    by_one(recipe(task="flow"), tmp_path / "one")
    for part in ("model", "average"):
        assert_near(weights(tmp_path / "two", part), weights(tmp_path / "one", part))
    logs = [(tmp_path / name / "tiny" / "log.csv").read_text() for name in ("one", "two")]
    first, second = ([float(r.split(",")[2]) for r in t.splitlines()[1:]] for t in logs)
    assert len(first) == STEPS and second == pytest.approx(first, rel=1e-4)


def test_two_processes_train_a_bridge_as_one_does(recipe, bridge, tmp_path):
    made = recipe(task="foley_control", **bridge)
    done = by_two(made, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    by_one(made, tmp_path / "one")
    whole = weights(tmp_path / "one")
    assert all(name.startswith("bridge.") for name in whole)
    assert whole["bridge.blocks.1.to_out.weight"].norm() > 1e-3
    assert_near(weights(tmp_path / "two"), whole)


def test_one_process_goes_on_from_what_two_have_done(recipe, tmp_path):
    assert by_two(recipe(stop_at=2), tmp_path / "broken").returncode == 0
    by_one(recipe(), tmp_path / "broken")
    by_one(recipe(), tmp_path / "whole")
    assert_near(weights(tmp_path / "broken"), weights(tmp_path / "whole"))


def test_two_processes_go_on_from_what_one_has_done(recipe, tmp_path):
    by_one(recipe(stop_at=2), tmp_path / "broken")
    assert by_two(recipe(), tmp_path / "broken", "--accumulate", "2").returncode == 0
    by_one(recipe(), tmp_path / "whole")
    assert_near(weights(tmp_path / "broken"), weights(tmp_path / "whole"))


def test_a_batch_that_two_cannot_share_ends_both(recipe, tmp_path):
    done = by_two(recipe(batch=3), tmp_path)
    assert done.returncode != 0
    assert "3 takes of a batch cannot be shared equally by 2" in done.stderr
