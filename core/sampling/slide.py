"""Takes of tokens longer than a network was trained on: a window that slides over the take.

Each window begins with the last tokens of the one before, which stay as they are. The last one may
have fewer new frames than those before it, and takes as many fewer steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..generators.base import GeneratorConfig, LatentSpec
from .dynamics import Noise, dynamics_of

Progress = Callable[[int, int], None]
Make = Callable[[int, Tensor, Noise, Progress], Tensor]


def spans_of(config: GeneratorConfig, times: Sequence[tuple[float, float]]) -> list[slice]:
    """The frames of each window."""
    rate = config.latent.rate
    return [slice(*(round(time * rate) for time in pair)) for pair in times]


def slide(
    make: Make,
    spans: Sequence[slice],
    ids: Tensor,
    latent: LatentSpec,
    steps: int,
    rng: torch.Generator,
    progress: Progress | None = None,
) -> Tensor:
    """Ids of long takes, of which those that are known stay.

    make(index, ids, noise, progress): the ids of a window. ids: those of the whole takes, `[B, N]`
    or `[B, N, C]`; `noise` says how many steps the window takes. What a window draws depends on the
    take and on the windows before it alone.
    """
    ids = ids.clone()
    seeds = torch.randint(2**62, (len(ids),), generator=rng).tolist()
    own = [torch.Generator().manual_seed(seed) for seed in seeds]
    new = [after.stop - span.stop for span, after in zip(spans, spans[1:])]
    counts = [steps, *(math.ceil(steps * count / max(new)) for count in new)]
    for index, (span, count) in enumerate(zip(spans, counts, strict=True)):
        length, before = span.stop - span.start, sum(counts[:index])
        noise = dynamics_of("tokens").draw_each(own, latent, length, count)

        def tell(step: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + step, sum(counts))

        ids[:, span] = make(index, ids[:, span], noise, tell)
    return ids
