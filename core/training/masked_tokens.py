"""Training on masked tokens: what SpecMaskGIT and SpecMaskFoley share, on scenes or on folders.

Source: SpecMaskFoley (arXiv 2505.16195, section 3.1); what is masked of the backbone's tokens is
MAGE's (arXiv 2211.09117, section 4).
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..generators.specmaskfoley import SpecMaskFoleyConfig
from ..generators.specmaskfoley_checkpoint import record
from ..weights.schema import Count, Share
from .batches import device_of, on_device

PICTURE = ("sync", "clip")
_LEAST_MASKED = 0.5


@dataclass(frozen=True)
class MaskedFigures:
    """Masks and condition dropout of a run.

    masked: mean and deviation of the share of tokens that is masked, cut off at 0.5 and 1. spans:
    chance that all tokens of a range of time are, instead of tokens here and there. smoothing: of
    the labels. drop_text: chance that the mask vector stands where the embedding would.
    """

    batch: Count = 24
    masked: tuple[float, float] = (0.55, 0.25)
    spans: Share = 0.0
    smoothing: Share = 0.1
    drop_text: Share = 0.1
    drop_video: Share = 0.1


class MaskedTokenTask(abc.ABC):
    """Masks, loss and evaluation of a task whose model has `generator` and `branch`, whether the
    branch of the picture is trained.

    A batch has `tokens` `[B, N, rows]`, `masked` like them, `masked_each`, how many of a
    take are in the mean, `drop_text` and `drop_video` `[B]`, and the streams of the picture.
    """

    figures: MaskedFigures
    validation: Any
    evaluated: ClassVar[int] = 8  # batches

    @abc.abstractmethod
    def batch(self, step: int, rng: np.random.Generator, rows: Any = None) -> dict:
        """Of `rows`, those of training where none are given."""

    @abc.abstractmethod
    def words(self, model: Any, batch: dict) -> Tensor:
        """The embeddings `[B, N, words_dim]` that stand at masked places."""

    def masks(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Bool, like the tokens `[B, N, rows]`."""
        mean, deviation = self.figures.masked
        size, columns, rows = shape
        masked = np.zeros((size, columns * rows), bool)
        for row in masked:
            share = mean + deviation * rng.standard_normal()
            while not _LEAST_MASKED <= share <= 1:
                share = mean + deviation * rng.standard_normal()
            if rng.random() < self.figures.spans:
                length = max(round(share * columns), 1)
                first = rng.integers(columns - length + 1)
                row[first * rows : (first + length) * rows] = True
            else:
                row[rng.permutation(len(row))[: int(np.ceil(share * len(row)))]] = True
        return masked.reshape(shape)

    def masked(self, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, Any]:
        """What a batch of tokens of a shape has of masks."""
        masks = self.masks(shape, rng)
        return {"masked": torch.from_numpy(masks), "masked_each": float(masks.sum()) / len(masks)}

    def drops(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """Which takes of a batch go without a condition, bool `[B]`."""
        figures = self.figures
        chances = {"drop_text": figures.drop_text, "drop_video": figures.drop_video}
        return {k: torch.from_numpy(rng.random(figures.batch) < p) for k, p in chances.items()}

    def loss(self, model: Any, batch: dict, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross entropy of the masked tokens."""
        generator, tokens, masked = model.generator, batch["tokens"], batch["masked"]
        config = generator.config
        said = generator.words_proj(self.words(model, batch)).mean(1, keepdim=True)
        mask = torch.where(batch["drop_text"][:, None, None], generator.mask_token, said)
        prepared = generator.prepare({}, config.trained_seconds, batch=len(tokens))
        conditions = {**prepared.batched, "masked": mask}
        if model.branch:
            picture = {name: batch[name] for name in PICTURE if name in batch}
            aligned = generator.control.zero_in(generator.aligner(picture))
            conditions |= {"aligned": aligned, "seen": (~batch["drop_video"]).to(aligned)}
        ids = tokens.masked_fill(masked, config.codes)
        prepared = type(prepared)(conditions, prepared.shared)
        logits = generator(ids, torch.zeros(()), prepared).float()
        smoothing = self.figures.smoothing
        losses = F.cross_entropy(
            logits.flatten(0, 2), tokens.flatten(), label_smoothing=smoothing, reduction="none"
        )
        right = logits.detach().argmax(-1) == tokens
        # Per masked token of the whole batch, of which this may be a share.
        count = batch["masked_each"] * len(tokens)
        loss = (losses * masked.flatten()).sum() / count
        return loss, {"right": (right & masked).sum() / count}

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Cross entropy on what is not trained on, always the same draws."""
        losses = []
        for k in range(self.evaluated):
            batch = self.batch(10**9, np.random.default_rng([99, k]), self.validation)
            losses.append(float(self.loss(model, on_device(batch, device_of(model)), 0)[0]))
        return {"validation": float(np.mean(losses))}


def train_branch_alone(system: Any) -> None:
    """The branch of a system begins as the backbone's copy, and nothing else is trained."""
    system.generator.attach()
    system.requires_grad_(False)
    for part in system.generator.branch:
        part.requires_grad_(True)


def file_metadata(model: Any) -> dict[str, str]:
    """What the file says of its network, and of its words where they are trained with it."""
    config, text = model.generator.config, getattr(model, "text", None)
    words = {} if text is None else {"words": " ".join(text.words)}
    branch = isinstance(config, SpecMaskFoleyConfig)
    return {**words, **record(config), "family": "specmaskfoley" if branch else "specmaskgit"}
