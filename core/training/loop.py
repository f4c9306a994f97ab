"""One training loop for every recipe: EMA, resume after a kill, CSV log, the same result from
the same seed, by one process or by many.
"""

from __future__ import annotations

import copy
import csv
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import FoleyError
from .batches import on_device, share_of
from .checkpoint import RunState
from .config import LoopConfig, ema_keep, learning_rate_at
from .optimizers import make_optimizer

if TYPE_CHECKING:
    from accelerate import Accelerator


class Task(Protocol):
    """What is trained.

    `batch` is a whole batch on the CPU, see `batches`, and uses the generator it is given alone.
    `loss` is the mean over the takes of the batch, whatever share of it it is given, on the
    model's device; it draws nothing, and its measures are tensors without dimensions.
    """

    def model(self) -> nn.Module: ...

    def batch(self, step: int, rng: np.random.Generator) -> Any: ...

    def loss(self, model: Any, batch: Any, step: int) -> tuple[Tensor, dict[str, Tensor]]: ...

    def evaluate(self, model: Any) -> dict[str, float]: ...


def train(
    task: Task,
    config: LoopConfig,
    folder: Path,
    accelerator: Accelerator,
    *,
    stop_after: float | None = None,
) -> nn.Module:
    """Train `task` in `folder` (checkpoint, log.csv) and return the EMA model.

    accelerator: of `processes`. Each process takes its share of every batch, in as many parts as it
    accumulates; batches depend on (seed, step) only, so a resumed run, and a run of another number
    of processes, has the batches of an unbroken run of one. A run that finds a checkpoint of the
    same figures goes on from it. `stop_after` seconds it saves and stops early.

    Raises:
        FoleyError: the loss is not finite, a batch cannot be shared equally, or the checkpoint
            is of a run with other figures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, began = folder / "checkpoint.pt", time.monotonic()
    run, journal = _Run(task, config, accelerator), _Journal(task, config, folder / "log.csv")
    end, saved = config.stop_at or config.steps, began
    for step in range(run.resume(file), end):
        measures = run.step(step)
        last = step + 1 == end
        if accelerator.is_main_process:
            journal.add(step, measures, run.state.average, last)
        out_of_time = stop_after is not None and _any(
            accelerator, time.monotonic() - began > stop_after
        )
        if last or out_of_time or time.monotonic() - saved > config.save_seconds:
            if accelerator.is_main_process:
                run.state.save(file, config, step + 1)
            saved = time.monotonic()
        if out_of_time:
            break
    accelerator.wait_for_everyone()
    return run.state.average.eval()


class _Run:
    """Model, average and optimizer of a run, and one step of them."""

    def __init__(self, task: Task, config: LoopConfig, accelerator: Accelerator) -> None:
        self.task, self.config, self.accelerator = task, config, accelerator
        model = _initial(task, config.seed).to(accelerator.device)
        average = copy.deepcopy(model).requires_grad_(False)
        optimizer = make_optimizer(
            config.optimizer, model, config.learning_rate, config.betas, config.weight_decay
        )
        self.net, self.stepper = accelerator.prepare(_Loss(task, model), optimizer)
        self.state = RunState(model, average, optimizer, accelerator.scaler)

    def resume(self, file: Path) -> int:
        """The step to go on from, the same in every process."""
        start = self.state.resume(file, self.config)
        here = torch.tensor([start], device=self.accelerator.device)
        if len(set(self.accelerator.gather(here).tolist())) > 1:
            raise FoleyError(
                "Not all processes see the same checkpoint; give them one folder that all can read."
            )
        return start

    def step(self, step: int) -> dict[str, float]:
        """Train on the batch of a step; loss, the task's measures and the gradient's norm."""
        config, state = self.config, self.state
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate_at(step, config)
        batch = self.task.batch(step, np.random.default_rng([config.seed, step]))
        measures = _backward(self.accelerator, self.net, batch, step)
        norm = self.accelerator.clip_grad_norm_(state.model.parameters(), config.clip_norm)
        self.stepper.step()
        self.stepper.zero_grad()
        _average(state.average, state.model, ema_keep(step, config))
        return {"loss": measures["loss"], "norm": float(norm), **measures}


class _Loss(nn.Module):
    """A task's loss as a module: what wraps modules then wraps all of it."""

    def __init__(self, task: Task, model: nn.Module) -> None:
        super().__init__()
        self.task, self.model = task, model

    def forward(self, batch: Any, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.task.loss(self.model, batch, step)


def _initial(task: Task, seed: int) -> nn.Module:
    """The untrained model of a seed; torch's CPU generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return task.model()


def _backward(accelerator: Accelerator, net: nn.Module, batch: Any, step: int) -> dict[str, float]:
    """Gradients of a whole batch; its loss and measures, means over all processes' shares."""
    parts = accelerator.gradient_accumulation_steps
    first, count = accelerator.process_index * parts, accelerator.num_processes * parts
    sums: dict[str, Tensor] = {}
    for part in range(parts):
        share = on_device(share_of(batch, first + part, count), accelerator.device)
        with accelerator.accumulate(net):
            loss, measures = net(share, step)
            accelerator.backward(loss)
        for name, value in {"loss": loss, **measures}.items():
            value = value.detach().float() / parts
            sums[name] = sums[name] + value if name in sums else value
    means = accelerator.reduce(torch.stack(list(sums.values())), "mean").tolist()
    measured = dict(zip(sums, means, strict=True))
    if not math.isfinite(measured["loss"]):
        raise FoleyError(
            f"Training left the finite numbers at step {step}; lower the learning rate and "
            f"start again."
        )
    return measured


def _any(accelerator: Accelerator, here: bool) -> bool:
    """Whether something holds in at least one process."""
    if here:
        accelerator.set_trigger()
    return accelerator.check_trigger()


@torch.no_grad()
def _average(average: nn.Module, model: nn.Module, keep: float) -> None:
    for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
        slow.lerp_(fast.to(slow.dtype), 1 - keep)
    for slow, fast in zip(average.buffers(), model.buffers(), strict=True):
        slow.copy_(fast)


class _Journal:
    """The log of a run: means of the measures since the last row, and what `evaluate` says."""

    def __init__(self, task: Task, config: LoopConfig, path: Path) -> None:
        self.task, self.config, self.path = task, config, path
        self.began = time.monotonic()
        self.values: dict[str, list[float]] = {}

    def add(self, step: int, measures: dict[str, float], average: nn.Module, last: bool) -> None:
        for name, value in measures.items():
            self.values.setdefault(name, []).append(value)
        if (step + 1) % self.config.log_every and not last:
            return
        row = {name: float(np.mean(values)) for name, values in self.values.items()}
        if (step + 1) % self.config.evaluate_every == 0 or last:
            row |= self.task.evaluate(average.eval())
        seconds = round(time.monotonic() - self.began, 1)
        _write_row(self.path, {"step": step + 1, "seconds": seconds, **row})
        self.values = {}


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
