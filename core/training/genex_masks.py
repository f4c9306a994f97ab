"""FoleyGenEx's masks (arXiv 2606.14049, section 3): which frames of a latent are to be made, and
where the picture counts as unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ..errors import FoleyError
from ..weights.schema import Share
from .masking import random_span

Masking = Literal["none", "context", "target"]
Ablation = Literal["", "M-1", "M-2", "M-3"]


@dataclass(frozen=True, kw_only=True)
class MaskFigures:
    """Masks of a run.

    hidden: least and largest share of the latent that is to be made. drop_context: chance that
    nothing of it is known. masking: where the picture is unseen: nowhere, where the sound is known
    (the paper's mask as we read it), or where it is to be made (to the letter). masked: chance that
    it is. embedding: whether what is known enters the network, through its InputEmbedding.

    ablation: a row of the paper's table, in place of masking and embedding; "" for none. M-1: the
    loss is masked, and nothing else is. M-2: the picture is masked as well, as `masking` says (as
    we read it where that is "none"). M-3: M-1 with the InputEmbedding.
    """

    hidden: tuple[float, float] = (0.7, 1.0)
    drop_context: Share = 0.3
    masking: Masking = "context"
    masked: Share = 1.0
    embedding: bool = True
    ablation: Ablation = ""

    def __post_init__(self) -> None:
        for name, known in (("masking", Masking), ("ablation", Ablation)):
            if getattr(self, name) not in get_args(known):
                choices = ", ".join(repr(one) for one in get_args(known))
                raise FoleyError(
                    f"There is no {name} '{getattr(self, name)}'; choose one of: {choices}."
                )

    @property
    def picture(self) -> Masking:
        """Where the picture is unseen, the ablation heeded."""
        if self.ablation in ("M-1", "M-3"):
            return "none"
        return "context" if self.ablation and self.masking == "none" else self.masking

    @property
    def embeds(self) -> bool:
        """Whether the network is given what is known, the ablation heeded."""
        return self.ablation == "M-3" if self.ablation else self.embedding


def hidden_frames(
    figures: MaskFigures,
    size: int,
    length: int,
    rng: np.random.Generator,
    real: np.ndarray | None = None,
) -> Tensor:
    """Bool `[size, length]`, the frames that are to be made: a span of each row, or all of it.

    real: int `[size]`, frames of each row that are sound and not padding; others are never hidden.
    """
    hidden = random_span(size, length if real is None else real, figures.hidden, rng, length)
    everything = torch.from_numpy(rng.random(size) < figures.drop_context)
    if real is None:
        hidden[everything] = True
        return hidden
    return hidden | (everything[:, None] & real_frames(real, length))


def real_frames(real: np.ndarray, length: int) -> Tensor:
    """Bool `[size, length]`: the first `real` frames of each row."""
    return torch.arange(length) < torch.from_numpy(np.asarray(real))[:, None]


def unseen_frames(
    figures: MaskFigures, hidden: Tensor, known: Tensor, rng: np.random.Generator
) -> Tensor:
    """Bool `[B, N]`, where the picture is masked in step with the sound. hidden, known: the frames
    that are to be made and those that are given."""
    chosen = torch.from_numpy(rng.random(len(hidden)) < figures.masked)
    where = {"none": torch.zeros_like(hidden), "context": known, "target": hidden}
    return where[figures.picture] & chosen[:, None]


def masked_error(predicted: Tensor, target: Tensor, hidden: Tensor, each: float) -> Tensor:
    """Mean squared error over the hidden frames of a batch (eq. 3 and 4).

    predicted, target: `[B, N, C]`; hidden: `[B, N, 1]`, 1 where a frame counts, else 0. each:
    hidden frames a take in the whole batch, of which this may be a share.
    """
    errors = (predicted.float() - target).square().mean(-1, keepdim=True)
    return (errors * hidden).sum() / (each * len(hidden))


def hidden_each(hidden: Tensor) -> float:
    """What `masked_error` needs of a whole batch, bool `[B, N]`."""
    return max(int(hidden.sum()), 1) / len(hidden)
