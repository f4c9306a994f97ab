"""What a masked training step keeps: tokens (MDSGen, arXiv 2410.02130, section 3.3), or all but a
span (FoleyGenEx, arXiv 2606.14049, section 3.2)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import FoleyError
from ..generators.mdsgen_config import MDSGenConfig

Masking = Literal["temporal", "random", "frequency", "none"]


def kept_tokens(
    kind: Masking, config: MDSGenConfig, batch: int, ratio: float, rng: np.random.Generator
) -> Tensor:
    """Indices of the tokens that stay, `[batch, K]`, each row drawn on its own.

    temporal: whole moments are masked, all their frequencies together; frequency: whole bands over
    all time; random: single tokens. Of n, int(n (1 - ratio)) stay.
    """
    if not 0.0 < ratio < 1.0:
        raise FoleyError(f"The share of masked tokens must be between 0 and 1, not {ratio:g}.")
    height, width = config.grid
    tokens = torch.arange(config.tokens).view(height, width)
    by_time = tokens if config.time_first else tokens.T  # (time, frequency)
    groups = {"temporal": by_time, "frequency": by_time.T, "random": tokens.view(-1, 1)}
    if kind not in groups:
        raise FoleyError(
            f"There is no masking '{kind}'; choose temporal, random, frequency or none."
        )
    return kept_groups(
        groups[kind], torch.from_numpy(rng.random((batch, len(groups[kind])))), ratio
    )


def kept_groups(groups: Tensor, ranks: Tensor, ratio: float) -> Tensor:
    """Tokens of the groups `[G, n]` with the lowest ranks `[batch, G]`, `[batch, K]`."""
    count = int(len(groups) * (1 - ratio))
    return groups[ranks.argsort(dim=1)[:, :count]].flatten(1)


def random_span(
    batch: int,
    length: int | np.ndarray,
    share: tuple[float, float],
    rng: np.random.Generator,
    width: int | None = None,
) -> Tensor:
    """One span of each row, bool `[batch, width]`, of a share of it between two.

    length: of every row, or int `[batch]` of each. width: of the longest, `length` by default. Size
    and place are rounded down, as in F5-TTS (arXiv 2410.06885).
    """
    if not 0.0 < share[0] <= share[1] <= 1.0:
        raise FoleyError(f"The share of a hidden span must be above 0 and at most 1, not {share}.")
    sizes = np.floor(rng.uniform(*share, batch) * length)
    starts = np.floor((length - sizes) * rng.random(batch))
    places = np.arange(int(np.max(length)) if width is None else width)
    inside = (places >= starts[:, None]) & (places < (starts + sizes)[:, None])
    return torch.from_numpy(inside)
