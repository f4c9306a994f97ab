"""Takes longer than a network was trained on: overlapping windows, blended at every step.

Each window is predicted on its own part of the conditions, and the velocities are cross-faded
into one (MultiDiffusion, arXiv 2302.08113, over time), so all windows share one path and the cost
of attention grows with the length, not its square.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from ..errors import FoleyError
from ..generators.base import Generator, Window
from .guidance import Guidance, Guided, rescale

# How a take beyond the trained length is made.
Long = Literal["windows", "one pass"]
# Up to so many trained lengths one pass keeps time as well and costs less (docs/evidence.md).
ONE_PASS_SPAN = 2.5


class Lengths(Protocol):
    """What a generator's config says of lengths. any_length: one pass makes more than it was
    trained on."""

    trained_seconds: float
    any_length: bool


def windows_for(config: Lengths, seconds: float, long: Long | None = None) -> Windows | None:
    """How a take of `seconds` is cut; None: in one pass. long: None is what suits the length."""
    if long is None:
        suits = config.any_length and seconds <= ONE_PASS_SPAN * config.trained_seconds + 1e-6
        long = "one pass" if suits else "windows"
    return None if long == "one pass" else Windows()


@dataclass(frozen=True)
class Windows:
    """How a long take is cut.

    Attributes:
        seconds: length of a window; None for the length the generator was trained on.
        overlap: shortest overlap of neighbours, as a fraction of the window, in [0, 0.9].
    """

    seconds: float | None = None
    overlap: float = 0.25

    def length(self, generator: Generator) -> float:
        """Seconds of one window for this generator."""
        return self.seconds or generator.trained_seconds

    def needed(self, generator: Generator, seconds: float) -> bool:
        """Whether a take of `seconds` needs more than one window."""
        return seconds > self.length(generator) + generator.window_slack

    def cut(self, generator: Generator, seconds: float) -> list[tuple[float, float]]:
        """Evenly spread (start, stop) in seconds; starts lie on the generator's grid."""
        if not 0.0 <= self.overlap <= 0.9:
            raise FoleyError(f"The overlap of windows must be 0 to 0.9, not {self.overlap:g}.")
        length = self.length(generator)
        if not self.needed(generator, seconds):
            return [(0.0, seconds)]
        step = generator.window_step
        count = math.ceil((seconds - length) / max(length * (1 - self.overlap), step)) + 1
        spread = (seconds - length) / (count - 1)
        starts = [math.floor(i * spread / step + 1e-6) * step for i in range(count)]
        return [(start, start + length) for start in starts[:-1]] + [(starts[-1], seconds)]


def crossfades(windows: list[Window], length: int) -> list[Tensor]:
    """Blending weights `[n, 1]` of each window; at every latent frame they sum to 1.

    Linear ramps over the overlaps, never 0 inside a window.
    """
    ramps = []
    for i, window in enumerate(windows):
        position = torch.arange(window.first, window.last) + 0.5
        ramp = torch.ones(len(position))
        if i > 0:
            overlap = windows[i - 1].last - window.first
            ramp = ramp.minimum((position - window.first) / max(overlap, 1))
        if i < len(windows) - 1:
            overlap = window.last - windows[i + 1].first
            ramp = ramp.minimum((window.last - position) / max(overlap, 1))
        ramps.append(ramp)
    total = torch.zeros(length)
    for window, ramp in zip(windows, ramps, strict=True):
        total[window.first : window.last] += ramp
    return [
        (ramp / total[window.first : window.last])[:, None]
        for window, ramp in zip(windows, ramps, strict=True)
    ]


class Windowed:
    """The guided prediction of a long take: `windowed(x, t)`, float32 `[B, N, C]`.

    Every window's conditions are prepared once. Arguments as of `Guided`.
    """

    def __init__(
        self,
        generator: Generator,
        conditions: Mapping[str, Tensor],
        guidance: Guidance,
        seconds: float,
        windows: Windows,
        *,
        batch: int = 1,
        batched: bool = True,
    ) -> None:
        self.parts: list[Window] = []
        self.predictions: list[Guided] = []
        for start, stop in windows.cut(generator, seconds):
            part = generator.window(conditions, seconds, start, stop)
            terms = [
                replace(t, replace=generator.window(t.replace, seconds, start, stop).conditions)
                for t in guidance
            ]
            self.parts.append(part)
            self.predictions.append(
                Guided(
                    generator,
                    part.conditions,
                    terms,
                    lengths=part.lengths,
                    batch=batch,
                    batched=batched,
                )
            )
        self.weights = crossfades(self.parts, self.parts[-1].last)

    def __call__(self, x: Tensor, t: float) -> Tensor:
        sums = [
            predict.sums(x[:, part.first : part.last], t)
            for part, predict in zip(self.parts, self.predictions, strict=True)
        ]
        totals, leads = zip(*sums, strict=True)
        # Windows share their guidance, so at any t all of them have a leading velocity or none has.
        leading = None if leads[0] is None else self._blended(leads, x)
        return rescale(self._blended(totals, x), leading, x, t, self.predictions[0].share)

    def _blended(self, velocities: Sequence[Tensor], x: Tensor) -> Tensor:
        """Velocities of the windows, cross-faded into one of the shape of x."""
        total = torch.zeros_like(x, dtype=torch.float32)
        for part, velocity, weight in zip(self.parts, velocities, self.weights, strict=True):
            total[:, part.first : part.last] += weight.to(x.device) * velocity
        return total
