"""Recipe of the mini video encoder: hits, strengths and continuous sounds from motion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..encoders.foley_mini import BIN_RATE, FRAME_RATE, MiniVideoEncoder
from ..encoders.local_motion import mirrored
from ..encoders.mini_video import peaks
from ..scenes import CONTINUOUS
from ..scenes.scene import Split
from ..weights.schema import Count, Natural, Seconds
from .batches import device_of
from .clips import MAP_STEP, MotionRow, map_scenes

_BINS_A_FRAME = int(BIN_RATE / FRAME_RATE)
_NEAR = 0.6  # of the bump at a hit: a moment whose strength counts


@dataclass(frozen=True)
class EncoderFigures:
    """Data of the run. filmed: how many of ten scenes look filmed. `left_out` kinds are never
    trained on."""

    clips: Count = 6000
    validation_clips: Count = 400
    clip_seconds: Seconds = 4.0
    crop_seconds: Seconds = 2.56
    batch: Count = 16
    filmed: Natural = 7
    left_out: tuple[str, ...] = ()
    workers: Natural = 2


class EncoderTask:
    """Trains `MiniVideoEncoder` on cached maps of local motion."""

    def __init__(self, figures: EncoderFigures, cache: Path):
        self.figures = figures
        self.train = self._scenes("train", figures.clips, cache)
        self.validation = self._scenes("validation", figures.validation_clips, cache)
        self.chosen = np.flatnonzero(~np.isin(self.train["kind"], figures.left_out))

    def _scenes(self, split: Split, count: int, cache: Path) -> dict[str, np.ndarray]:
        seconds, filmed = self.figures.clip_seconds, self.figures.filmed
        note = {"split": split, "seconds": seconds, "filmed": filmed, "version": 4}
        make = MotionRow(split, seconds, filmed, BIN_RATE)
        return map_scenes(make, count, cache / f"motion_{split}", note, self.figures.workers)

    def model(self) -> nn.Module:
        return MiniVideoEncoder()

    def batch(self, step: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Maps `[B, T, C, 32, 32]`, camera `[B, T, 4]`, targets `[B, bins, 3]`, near hits `[B]`."""
        figures = self.figures
        length = round(figures.crop_seconds * FRAME_RATE)
        rows = rng.choice(self.chosen, figures.batch)
        first = rng.integers(0, int(figures.clip_seconds * FRAME_RATE) - length + 1, figures.batch)
        maps, camera, targets = (
            torch.from_numpy(
                np.stack(
                    [
                        self.train[name][row, start * rate : (start + length) * rate]
                        for row, start in zip(rows, first, strict=True)
                    ]
                )
            ).float()
            for name, rate in (("maps", 1), ("camera", 1), ("targets", _BINS_A_FRAME))
        )
        maps = maps * MAP_STEP
        return mirrored(maps) if rng.random() < 0.5 else maps, camera, targets, near_hits(targets)

    def loss(
        self, model: MiniVideoEncoder, batch: tuple[Tensor, ...], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        maps, camera, targets, near = batch
        return event_loss(model.from_maps(maps, camera).float(), targets, near)

    @torch.no_grad()
    def evaluate(self, model: MiniVideoEncoder) -> dict[str, float]:
        """Onset F1 at +-60 ms on validation scenes: of the kinds of the test scenes, of those that
        look filmed, and of kinds that are left out."""
        kinds, left_out = self.validation["kind"], self.figures.left_out
        filmed = np.arange(len(kinds)) % 10 < self.figures.filmed
        out = np.isin(kinds, left_out)
        groups = {"f1": ~filmed & ~out, "f1_filmed": filmed & ~out, "f1_left_out": out}
        device, scores = device_of(model), {}
        for name, rows in groups.items():
            chances, truths = [], []
            for row in np.flatnonzero(rows & ~np.isin(kinds, CONTINUOUS)):
                maps, camera = (
                    torch.from_numpy(self.validation[k][row : row + 1].copy()).to(device).float()
                    for k in ("maps", "camera")
                )
                logits = model.from_maps(maps * MAP_STEP, camera)[0, :, 0]
                chances.append(logits.float().sigmoid().cpu().numpy())
                truths.append(peaks(self.validation["targets"][row, :, 0], 0.4))
            if chances:
                scores[name] = max(
                    _f1(chances, truths, threshold) for threshold in (0.2, 0.3, 0.4, 0.5)
                )
        return scores


def near_hits(targets: Tensor) -> Tensor:
    """How many moments of targets `[B, bins, 3]` are near a hit, the mean of all takes, `[B]`.

    Each share of a batch then weighs the strengths as the whole does.
    """
    count = (targets[..., 0] > _NEAR).float().sum().clamp_min(1)
    return (count / len(targets)).expand(len(targets))


def event_loss(
    logits: Tensor, targets: Tensor, near_mean: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of hits, strengths and continuous levels; logits and targets `[B, bins, 3]`, and
    `near_hits` `[B]`.
    """
    bump, strength, level = targets.unbind(-1)
    hit = F.binary_cross_entropy_with_logits(logits[..., 0], bump, weight=1 + 4 * bump)
    near = (bump > _NEAR).float()
    force = ((logits[..., 1].sigmoid() - strength) ** 2 * near).sum() / near_mean.sum()
    swish = F.binary_cross_entropy_with_logits(logits[..., 2], level, weight=1 + 4 * level)
    parts = {"hit": hit, "strength": force, "swish": swish}
    return hit + 0.5 * force + 0.5 * swish, {name: part.detach() for name, part in parts.items()}


def _f1(
    chances: list[np.ndarray], truths: list[np.ndarray], threshold: float, within: float = 0.06
) -> float:
    """F1 over all clips with greedy one-to-one matching in time order."""
    hits = total = 0
    for chance, truth in zip(chances, truths, strict=True):
        found = list(peaks(chance, threshold))
        total += len(found) + len(truth)
        for time in truth:
            near = [f for f in found if abs(f - time) <= within]
            if near:
                found.remove(min(near, key=lambda f: abs(f - time)))
                hits += 1
    return 2 * hits / max(total, 1)
