"""Takes of tokens longer than a network was trained on: a window that slides over the take.

Each window begins with the last tokens of the one before, which stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..generators.base import LATENT, Conditions, Generator, GeneratorConfig
from .dynamics import Noise, dynamics_of
from .known import Start
from .maskgit import GumbelNoise

Progress = Callable[[int, int], None]


def sliding_times(
    config: GeneratorConfig, seconds: float, overlap: float
) -> list[tuple[float, float]]:
    """Start and end of each window, in seconds; neighbours share at least `overlap` of one. Starts
    lie on the grid of `config.window_step`, as do takes of `round_up_seconds`."""
    length, step = config.trained_seconds, config.window_step
    steps = round((seconds - length) / step)
    hop = max(math.floor(length * (1 - overlap) / step + 1e-6), 1)
    starts = [*range(0, max(steps, 0), hop), max(steps, 0)]
    return [(start * step, start * step + length) for start in starts]


def slide(
    window: Callable[..., Tensor],
    generator: Generator,
    conditions: Conditions,
    times: list[tuple[float, float]],
    start: Start | None,
    takes: int,
    steps: int,
    rng: torch.Generator,
    progress: Progress | None = None,
) -> Tensor:
    """Ids of long takes, of which those that are known stay.

    window(generator, conditions, start=, noise=, steps=, progress=): the ids of one window, as
    `sample`. times: of the windows, in seconds. start: of the whole take.
    What a window draws depends on the take and on the windows before it alone.
    """
    latent = generator.config.latent
    length = generator.lengths(conditions.positive, conditions.seconds)[LATENT]
    shape = (takes, length, latent.dim) if latent.dim > 1 else (takes, length)
    device = next(generator.parameters()).device
    ids = torch.full(shape, latent.codes, device=device)
    if start is not None:
        ids = start.latent.to(device).expand(shape).clone()
    seeds = torch.randint(2**62, (takes,), generator=rng).tolist()
    own = [torch.Generator().manual_seed(seed) for seed in seeds]
    for index, (first, stop) in enumerate(times):
        part, away = (
            generator.window(streams, conditions.seconds, first, stop)
            for streams in (conditions.positive, conditions.negative)
        )
        count = part.span.stop - part.span.start
        drawn = [dynamics_of("tokens").draw(rng, latent, 1, count, steps) for rng in own]

        def tell(step: int, steps: int, before: int = index * steps) -> None:
            if progress is not None:
                progress(before + step, len(times) * steps)

        ids[:, part.span] = window(
            generator,
            Conditions(part.streams, stop - first, away.streams),
            start=Start(ids[:, part.span]),
            noise=_joined(drawn, steps),
            steps=steps,
            progress=tell,
        )
    return ids


def _joined(drawn: list[Noise], steps: int) -> Noise:
    """The noise of several takes."""
    tokens, confidence = (
        torch.cat([getattr(noise.later, name) for noise in drawn])
        for name in ("tokens", "confidence")
    )
    return Noise(None, GumbelNoise(tokens, confidence), steps)
