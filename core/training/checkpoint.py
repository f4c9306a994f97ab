"""What a run goes on from: one file, written whole or not at all."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import FoleyError
from ..weights.pickles import check_pickled
from .config import LoopConfig

log = logging.getLogger(__name__)

# How often a run logs and saves, and where it leaves its schedule, does not decide its steps.
_FREE = ("log_every", "evaluate_every", "save_seconds", "stop_at")


@dataclass(frozen=True)
class RunState:
    """The parts of a run that change. The file says nothing of processes or devices."""

    model: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: Any = None  # of the loss, in fp16

    def save(self, path: Path, config: LoopConfig, step: int) -> None:
        """Write beside `path`, then move it there. One process of a run does this."""
        state = {
            "config": json.dumps(asdict(config), sort_keys=True),
            "step": step,
            **{name: part.state_dict() for name, part in self._parts().items()},
        }
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)

    def resume(self, path: Path, config: LoopConfig) -> int:
        """Fill the parts from `path`, where it is there; the number of steps that are done.

        Raises:
            FoleyError: the file cannot be read, or is of a run with other figures.
        """
        if not path.exists():
            return 0
        try:
            check_pickled(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds on a file that is not its own
            raise FoleyError(f"{path} cannot be read; remove it to start again.") from error
        if _figures(json.loads(state["config"]), config) != _figures(asdict(config), config):
            raise FoleyError(
                f"{path} is of a run with other figures; remove it or train in another folder."
            )
        try:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise FoleyError(
                f"{path} is of a run with another network; remove it or train in another folder."
            ) from error
        log.info("resumed at step %d", state["step"])
        return state["step"]

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "average": self.average, "optimizer": self.optimizer}
        return parts if self.scaler is None else {**parts, "scaler": self.scaler}


def _figures(stored: dict[str, Any], config: LoopConfig) -> dict[str, Any]:
    """The figures that decide the result; one that a file is too old to name has its default."""
    defaults = {field.name: field.default for field in fields(config)}
    figures = {k: v for k, v in {**defaults, **stored}.items() if k not in _FREE}
    return json.loads(json.dumps(figures))
