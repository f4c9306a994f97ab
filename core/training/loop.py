"""One training loop for every recipe: EMA, resume after a kill, CSV log, the same result from
the same seed.
"""

from __future__ import annotations

import csv
import json
import logging
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import FoleyError
from .optimizers import make_optimizer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopConfig:
    """Figures of the optimisation."""

    steps: int
    learning_rate: float
    optimizer: str = "muon"
    seed: int = 0
    stop_at: int | None = None  # leave the schedule here
    restart_at: int | None = None  # the rate rises once more here, to `restart_rate`
    restart_rate: float = 0.0
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.02
    warm_up: int = 50
    final_factor: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.995
    autocast: bool = True
    log_every: int = 25
    evaluate_every: int = 500
    save_seconds: float = 120.0


class Task(Protocol):
    """What is trained. `batch` may only use the generator it is given, so that runs repeat."""

    def model(self) -> nn.Module: ...

    def batch(self, step: int, rng: np.random.Generator) -> Any: ...

    def loss(self, model: nn.Module, batch: Any, step: int) -> tuple[Tensor, dict[str, float]]: ...

    def evaluate(self, model: nn.Module) -> dict[str, float]: ...


def learning_rate_at(step: int, config: LoopConfig) -> float:
    """Linear warm-up, then a cosine down to `final_factor` of the peak; after `restart_at` the same
    again (SGDR, arXiv 1608.03983).
    """
    peak, end = config.learning_rate, config.restart_at or config.steps
    if step >= end:
        peak, end, step = config.restart_rate, config.steps - end, step - end
    if step < config.warm_up:
        return peak * (step + 1) / config.warm_up
    done = (step - config.warm_up) / max(end - config.warm_up, 1)
    low = config.final_factor
    return peak * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def train(
    task: Task,
    config: LoopConfig,
    folder: Path,
    *,
    device: str = "cpu",
    stop_after: float | None = None,
) -> nn.Module:
    """Train `task` in `folder` (checkpoint, log.csv) and return the EMA model.

    A run that finds a checkpoint of the same figures goes on from it. `stop_after` seconds it saves
    and stops early. Batches depend on (seed, step) only, so a resumed run sees what an unbroken
    one sees.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    model = task.model().to(device)
    average = _copy_of(model)
    optimizer = make_optimizer(
        config.optimizer, model, config.learning_rate, config.betas, config.weight_decay
    )
    start = _resume(folder / "checkpoint.pt", config, model, average, optimizer)
    rows: dict[str, Any] = {}
    began, saved = time.monotonic(), time.monotonic()
    end = config.stop_at or config.steps
    for step in range(start, end):
        rng = np.random.default_rng([config.seed, step])
        torch.manual_seed(config.seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config)
        batch = task.batch(step, rng)
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=config.autocast):
            loss, metrics = task.loss(model, batch, step)
        if not torch.isfinite(loss):
            raise FoleyError(
                f"Training left the finite numbers at step {step}; lower the learning rate and "
                f"start again."
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        _average(average, model, min(config.ema, (1 + step) / (10 + step)))
        for name, value in {"loss": float(loss.detach()), "norm": float(norm), **metrics}.items():
            rows.setdefault(name, []).append(value)
        last = step + 1 == end
        out_of_time = stop_after is not None and time.monotonic() - began > stop_after
        if (step + 1) % config.log_every == 0 or last:
            row = {name: float(np.mean(values)) for name, values in rows.items()}
            if (step + 1) % config.evaluate_every == 0 or last:
                row |= task.evaluate(average.eval())
            _write_row(
                folder / "log.csv",
                {"step": step + 1, "seconds": round(time.monotonic() - began, 1), **row},
            )
            rows = {}
        if last or out_of_time or time.monotonic() - saved > config.save_seconds:
            _save(folder / "checkpoint.pt", config, step + 1, model, average, optimizer)
            saved = time.monotonic()
        if out_of_time:
            break
    return average.eval()


def _copy_of(model: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(model).requires_grad_(False)


@torch.no_grad()
def _average(average: nn.Module, model: nn.Module, keep: float) -> None:
    for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
        slow.lerp_(fast.to(slow.dtype), 1 - keep)
    for slow, fast in zip(average.buffers(), model.buffers(), strict=True):
        slow.copy_(fast)


def _save(path: Path, config: LoopConfig, step: int, model, average, optimizer) -> None:
    state = {
        "config": json.dumps(asdict(config), sort_keys=True),
        "step": step,
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    os.replace(beside, path)


def _resume(path: Path, config: LoopConfig, model, average, optimizer) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    if _numbers(json.loads(state["config"])) != _numbers(asdict(config)):
        raise FoleyError(
            f"{path} is of a run with other figures; remove it or train in another folder."
        )
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    log.info("resumed at step %d", state["step"])
    return state["step"]


def _numbers(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures that decide the result; how often a run logs and saves does not."""
    free = ("log_every", "evaluate_every", "save_seconds", "stop_at")
    return json.loads(json.dumps({k: v for k, v in figures.items() if k not in free}))


def _write_row(path: Path, row: dict[str, float]) -> None:
    """Append to a CSV whose columns may grow: a new column rewrites the header."""
    old = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            old = [r for r in csv.DictReader(file) if int(r["step"]) < row["step"]]
    columns = list(dict.fromkeys([*(old[0] if old else []), *row]))
    beside = path.with_suffix(".part")
    with beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(old)
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    os.replace(beside, path)
