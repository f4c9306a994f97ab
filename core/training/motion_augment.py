"""More scenes out of those that were rendered: at another speed, noisier, partly hidden, two at
once, and upside down as something that moves and makes no sound.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..encoders.local_motion import FLOW_CHANNELS

# Kinds that hit what is below them: upside down they stop at their top, which nothing sounds of.
FALLING = (
    "performer",
    "hammer",
    "drum",
    "chop",
    "tap",
    "footsteps",
    "walker",
    "bounce",
    "drops",
    "topple",
)
SLOWEST, FASTEST = 0.75, 1.35  # factors of time
_STRETCHED, _JOINED, _TURNED, _HIDDEN, _NOISY = 0.5, 0.3, 0.25, 0.3, 0.5  # shares
_FARTHEST = 10  # places by which a second clip is moved
_DOWN = tuple(channel + 1 for channel in FLOW_CHANNELS)


def stretch(rng: np.random.Generator) -> float:
    """A factor of time for a clip, 1 for half of them."""
    if rng.random() >= _STRETCHED:
        return 1.0
    return float(np.exp(rng.uniform(np.log(SLOWEST), np.log(FASTEST))))


def resampled(values: Tensor, count: int) -> Tensor:
    """`[T, ...]` as `count` even steps of the same time."""
    flat = values.reshape(len(values), -1).T[None]
    made = F.interpolate(flat, count, mode="linear", align_corners=False)
    return made[0].T.reshape(count, *values.shape[1:])


def varied(
    maps: Tensor, targets: Tensor, falling: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A batch of maps `[B, T, C, 32, 32]` and targets `[B, bins, 3]`, varied.

    falling `[B]`: whether a clip is of a kind that hits what is below it. A clip may get the next
    one of the batch beside it, whose hits count too; or the same upside down, whose hits do not.
    """
    count = len(maps)
    made, told = maps.clone(), targets.clone()
    for k in range(count):
        draw = rng.random()
        if draw < _JOINED + _TURNED:
            other = (k + 1) % count
            beside = _moved(maps[other], rng)
            if draw < _JOINED:
                told[k] = torch.maximum(told[k], targets[other])
            elif falling[other]:
                beside = beside.flip(-2)
                beside[:, list(_DOWN)] *= -1
            else:
                continue
            made[k] = torch.where(beside.abs() > made[k].abs(), beside, made[k])
        if rng.random() < _HIDDEN:
            top, left = rng.integers(0, 28, 2)
            tall, wide = rng.integers(3, 14, 2)
            made[k, :, :, top : top + tall, left : left + wide] = 0
    gains = torch.from_numpy(np.exp(0.2 * rng.standard_normal((count, 1, maps.shape[2], 1, 1))))
    made = made * gains.to(made)
    noisy = torch.from_numpy(rng.uniform(0, 0.4, count) * (rng.random(count) < _NOISY)).to(made)
    noise = torch.from_numpy(rng.standard_normal(made.shape, dtype=np.float32))
    made = made + noise * noisy.view(-1, 1, 1, 1, 1)
    # Sizes have no sign.
    made[:, :, :2] = made[:, :, :2].abs()
    return made, told


def _moved(maps: Tensor, rng: np.random.Generator) -> Tensor:
    """Maps `[T, C, 32, 32]` moved over the picture; what leaves it is gone."""
    dy, dx = (int(step) for step in rng.integers(-_FARTHEST, _FARTHEST + 1, 2))
    rolled = maps.roll((dy, dx), (-2, -1))
    if dy > 0:
        rolled[..., :dy, :] = 0
    elif dy < 0:
        rolled[..., dy:, :] = 0
    if dx > 0:
        rolled[..., :dx] = 0
    elif dx < 0:
        rolled[..., dx:] = 0
    return rolled
