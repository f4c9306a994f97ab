"""Figures of a run's optimisation, and its learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LoopConfig:
    """Figures of the optimisation. `precision` is that of autocast, where it is on."""

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
    precision: Literal["bf16", "fp16"] = "bf16"
    log_every: int = 25
    evaluate_every: int = 500
    save_seconds: float = 120.0


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
