"""Figures of a run's optimisation, and its learning rate."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from ..weights.schema import Count, Natural, Share, Within

Optimizer = Literal["muon", "adamw", "adan"]
Rate = Annotated[float, Within(0, 1000)]


@dataclass(frozen=True)
class LoopConfig:
    """Figures of the optimisation. `precision` is that of autocast, where it is on.

    drop_at: steps at which the rate is multiplied by drop_factor; where there are some, it stays as
    it is between them. ema: what the average of the weights keeps each step; ema_width, where it is
    above 0: the width of the average over the run so far, relative to its length, in place of that
    (arXiv 2312.02696, section 3.1: it keeps (1 - 1/t)^(gamma + 1)).
    """

    steps: Count
    learning_rate: Rate
    optimizer: Optimizer = "muon"
    seed: Natural = 0
    stop_at: Count | None = None  # leave the schedule here
    restart_at: Count | None = None  # the rate rises once more here, to `restart_rate`
    restart_rate: Rate = 0.0
    betas: tuple[Share, Share] = (0.9, 0.98)
    weight_decay: Rate = 0.02
    warm_up: Natural = 50
    final_factor: Share = 0.01
    drop_at: tuple[Natural, ...] = ()
    drop_factor: Share = 0.1
    clip_norm: Annotated[float, Within(0, 1e9)] = 1.0
    ema: Share = 0.995
    ema_width: Share = 0.0
    autocast: bool = True
    precision: Literal["bf16", "fp16"] = "bf16"
    log_every: Count = 25
    evaluate_every: Count = 500
    save_seconds: Annotated[float, Within(0, 1e9)] = 120.0


def learning_rate_at(step: int, config: LoopConfig) -> float:
    """Linear warm-up, then a cosine down to `final_factor` of the peak; after `restart_at` the same
    again (SGDR, arXiv 1608.03983). With `drop_at`, steps instead of the cosine.
    """
    peak, end = config.learning_rate, config.restart_at or config.steps
    if step >= end:
        peak, end, step = config.restart_rate, config.steps - end, step - end
    if step < config.warm_up:
        return peak * (step + 1) / config.warm_up
    if config.drop_at:
        return peak * config.drop_factor ** sum(step >= at for at in config.drop_at)
    done = (step - config.warm_up) / max(end - config.warm_up, 1)
    low = config.final_factor
    return peak * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def ema_keep(step: int, config: LoopConfig) -> float:
    """What the average of the weights keeps of itself at a step."""
    if config.ema_width:
        return (1 - 1 / (step + 1)) ** (_gamma(config.ema_width) + 1)
    return min(config.ema, (1 + step) / (10 + step))


@functools.lru_cache
def _gamma(width: float) -> float:
    """The exponent g of an average of a relative width: width^2 = (g + 1) / ((g + 2)^2 (g + 3))."""
    squared = width**-2
    return float(np.roots([1, 7, 16 - squared, 12 - squared]).real.max())
