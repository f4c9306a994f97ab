"""Tokens near those of a take: a share of them is masked and filled in anew.

A little new noise, as takes of the other kinds have it, would not do: which tokens stay is decided
by small differences, and everything after depends on it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..generators.base import LatentSpec
from .dynamics import Like, dynamics_of

Fill = Callable[[torch.Generator, Tensor], Tensor]


def fill_like(
    fill: Fill,
    rng: torch.Generator,
    like: Like,
    ids: Tensor,
    latent: LatentSpec,
    steps: int,
    *,
    slid: bool,
) -> Tensor:
    """Ids `[B, N]` or `[B, N, C]` of takes near one of the generator, of which those that are known
    stay; take k is the same however many there are.

    fill(rng, ids): ids of which the masked ones are filled in, as a run of one take or more does
    it; slid: by `slide`, which draws a seed for each take.
    """
    masked = ids == latent.codes
    if slid:
        torch.randint(2**62, (like.take - 1,), generator=rng)
    else:
        for _ in range(like.take - 1):
            dynamics_of("tokens").draw(rng, latent, 1, ids[0].numel() // latent.dim, steps)
    near = fill(rng, ids[:1])
    fresh = like.fresh(rng)
    # A generator of its own, so that what a take draws does not depend on their number.
    own = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=fresh)))
    drawn = torch.stack([torch.rand(ids.shape[1:], generator=own) for _ in ids])
    anew = masked & (drawn.to(ids.device) < like.variation)
    return fill(fresh, torch.where(masked, near.to(ids), ids).masked_fill(anew, latent.codes or 0))
