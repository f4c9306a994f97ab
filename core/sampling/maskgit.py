"""MaskGIT's loop: all tokens are guessed at once, the surest are kept, the rest is guessed again.

Source: MaskGIT (arXiv 2202.04200, section 3.2), the rule of MAGE (arXiv 2211.09117): a cosine
schedule, Gumbel noise on the confidence that falls to 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import FoleyError
from .solver import Hook, unchanged

# Of uniform float32 numbers and from 1: Gumbel noise from -2.8 to 16.6.
_LEAST = 2.0**-24
PredictTokens = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True, eq=False)
class GumbelNoise:
    """Standard Gumbel noise of a run: `tokens` [B, steps, N, codes], `confidence` [B, steps, N]."""

    tokens: Tensor
    confidence: Tensor


def draw_gumbel(
    rng: torch.Generator, takes: int, steps: int, length: int, codes: int
) -> GumbelNoise:
    """Noise of each take after that of the take before, on the CPU: take k is the same however many
    takes are drawn."""

    def draw(*shape: int) -> Tensor:
        uniform = torch.rand(shape, generator=rng).clamp_(_LEAST, 1 - _LEAST)
        return uniform.log_().neg_().log_().neg_()

    drawn = [(draw(steps, length, codes), draw(steps, length)) for _ in range(takes)]
    tokens, confidence = zip(*drawn, strict=True)
    return GumbelNoise(torch.stack(tokens), torch.stack(confidence))


def masked_after(step: int, steps: int, at_first: int, now: int) -> int:
    """Tokens that are masked after a step, counted from 0: the cosine schedule, at least one fewer
    than `now`, and none before the last step only where no more are left."""
    wanted = math.floor(at_first * math.cos(math.pi / 2 * (step + 1) / steps))
    return max(min(max(wanted, 1), now - 1), 0)


@torch.no_grad()
def maskgit(
    predict: PredictTokens,
    ids: Tensor,
    noise: GumbelNoise,
    *,
    mask_id: int,
    temperature: float,
    hook: Hook = unchanged,
) -> Tensor:
    """Token ids in which every `mask_id` of `ids` is filled in; the others never change.

    Args:
        predict: logits `[*ids, codes]` of ids at a share 0 to 1 of the steps, guided.
        ids: `[B, N]` or `[B, N, C]`.
        noise: of as many steps as are to be made, for the N C tokens of each take.
        temperature: of the confidence's noise at first; it falls to 0 over the steps.
        hook: see `solver.Hook`; in its ids what is not settled yet is masked.

    Raises:
        FoleyError: noise of another shape, a temperature below 0.
    """
    if not (math.isfinite(temperature) and temperature >= 0):
        raise FoleyError(f"The temperature of tokens must be 0 or more, not {temperature:g}.")
    steps, shape = noise.tokens.shape[1], ids.shape
    if noise.confidence.shape != (len(ids), steps, ids[0].numel()):
        raise FoleyError(
            f"The noise is for {list(noise.confidence.shape)} takes, steps and tokens, but "
            f"{list(shape)} are to be filled in."
        )
    ids = hook(0, ids).flatten(1)
    at_first = (ids == mask_id).sum(1).tolist()
    left = list(at_first)  # counted here: asking a GPU at every step would stop it
    for i in range(steps):
        masked = ids == mask_id
        logits = predict(ids.view(shape), i / max(steps - 1, 1)).float().flatten(1, -2)
        guessed = (logits + noise.tokens[:, i].to(logits)).argmax(-1)
        filled = torch.where(masked, guessed, ids)
        sure = logits.log_softmax(-1).gather(-1, guessed[..., None])[..., 0]
        sure = sure + temperature * (1 - (i + 1) / steps) * noise.confidence[:, i].to(logits)
        sure = sure.masked_fill(~masked, math.inf)
        again = torch.zeros_like(masked)
        for row, first in enumerate(at_first):
            left[row] = masked_after(i, steps, first, left[row])
            again[row, sure[row].topk(left[row], largest=False).indices] = True
        ids = filled.masked_fill(again, mask_id)
        ids = hook(i + 1, ids.view(shape)).flatten(1)
    return torch.where(ids == mask_id, filled, ids).view(shape)
