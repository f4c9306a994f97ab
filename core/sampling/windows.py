"""Takes longer than a network was trained on: overlapping windows, blended at every step.

Each window is predicted on its own part of the conditions, and the predictions are cross-faded
into one (MultiDiffusion, arXiv 2302.08113, over time), so all windows share one path and the cost
of attention grows with the length, not its square. A take that needs no cutting is one piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from ..errors import FoleyError
from ..generators.base import LATENT, Generator, GeneratorConfig, Lengths, Prepared, Streams

# How a take beyond the trained length is made.
Long = Literal["windows", "one pass"]
# Up to so many trained lengths one pass keeps time as well and costs less (docs/evidence.md).
ONE_PASS_SPAN = 2.5


@dataclass(frozen=True)
class Windows:
    """How a long take is cut.

    Attributes:
        seconds: length of a window; None for the length the generator was trained on.
        overlap: shortest overlap of neighbours, as a fraction of the window, in [0, 0.9].
    """

    seconds: float | None = None
    overlap: float = 0.25

    def cut(self, config: GeneratorConfig, seconds: float) -> list[tuple[float, float]]:
        """Evenly spread (start, stop) in seconds; starts lie on the generator's grid."""
        self._check()
        length = self.seconds or config.trained_seconds
        if seconds <= length + config.window_slack:
            return [(0.0, seconds)]
        step = config.window_step
        count = math.ceil((seconds - length) / max(length * (1 - self.overlap), step)) + 1
        spread = (seconds - length) / (count - 1)
        starts = [math.floor(i * spread / step + 1e-6) * step for i in range(count)]
        return [(start, start + length) for start in starts[:-1]] + [(starts[-1], seconds)]

    def slid(self, config: GeneratorConfig, seconds: float) -> list[tuple[float, float]]:
        """(start, stop) in seconds of windows made one after another; takes of `round_up_seconds`
        and all starts lie on the generator's grid."""
        self._check()
        length, step = self.seconds or config.trained_seconds, config.window_step
        last = max(round((seconds - length) / step), 0)
        hop = max(math.floor(length * (1 - self.overlap) / step + 1e-6), 1)
        return [(start * step, start * step + length) for start in [*range(0, last, hop), last]]

    def _check(self) -> None:
        if not 0.0 <= self.overlap <= 0.9:
            raise FoleyError(f"The overlap of windows must be 0 to 0.9, not {self.overlap:g}.")


def longest_seconds(config: GeneratorConfig, long: Long | None) -> float:
    """The longest take that can be made: one pass of some generators has one length alone."""
    one_length = long == "one pass" and not config.any_length
    return config.trained_seconds if one_length else math.inf


def windows_for(
    config: GeneratorConfig, seconds: float, long: Long | None = None
) -> Windows | None:
    """How a take of `seconds` is cut; None: in one pass. long: None is what suits the length.

    Raises:
        FoleyError: longer than `longest_seconds`.
    """
    longest = longest_seconds(config, long)
    if seconds > longest + config.window_slack:
        raise FoleyError(
            f"In one pass this model makes {longest:.2f} s alone, not {seconds:.2f} s: make long "
            "takes in windows, or a shorter part."
        )
    if long is None:
        suits = seconds <= ONE_PASS_SPAN * config.trained_seconds + 1e-6
        long = "one pass" if config.any_length and suits else "windows"
    return None if long == "one pass" else Windows()


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a take. span: its latents. lengths: of every stream in it. weight: `[n, 1]`, how it
    is blended with its neighbours. cut: what streams of the take hold for it."""

    span: slice
    lengths: Lengths
    weight: Tensor
    cut: Callable[[Streams], Streams]

    def prepare(self, generator: Generator, streams: Streams, batch: int) -> Prepared:
        """What a prediction of this part needs of streams of the take."""
        return generator.prepare(self.cut(streams), lengths=self.lengths, batch=batch)


def pieces_of(
    generator: Generator, streams: Streams, seconds: float, windows: Windows | None = None
) -> list[Piece]:
    """The parts of a take. streams: all of it, whose lengths every prediction shares."""
    tokens = generator.dynamics == "tokens"
    times: list[tuple[float, float]] = []
    if windows:
        times = (windows.slid if tokens else windows.cut)(generator.config, seconds)
    if len(times) < 2:
        lengths = generator.lengths(streams, seconds)
        length = lengths[LATENT]
        return [Piece(slice(0, length), lengths, torch.ones(length, 1), lambda streams: streams)]

    def cut(start: float, stop: float, streams: Streams) -> Streams:
        return generator.window(streams, seconds, start, stop).streams

    parts = [generator.window(streams, seconds, *time) for time in times]
    weights = crossfades([part.span for part in parts])
    return [
        Piece(part.span, part.lengths, weight, partial(cut, *time))
        for time, part, weight in zip(times, parts, weights, strict=True)
    ]


def crossfades(spans: Sequence[slice]) -> list[Tensor]:
    """Blending weights `[n, 1]` of windows, spans of latents; at every frame they sum to 1.

    Linear ramps over the overlaps, never 0 inside a window.
    """
    ramps = []
    for i, span in enumerate(spans):
        position = torch.arange(span.start, span.stop) + 0.5
        ramp = torch.ones(len(position))
        if i > 0:
            overlap = spans[i - 1].stop - span.start
            ramp = ramp.minimum((position - span.start) / max(overlap, 1))
        if i < len(spans) - 1:
            overlap = span.stop - spans[i + 1].start
            ramp = ramp.minimum((span.stop - position) / max(overlap, 1))
        ramps.append(ramp)
    total = torch.zeros(spans[-1].stop)
    for span, ramp in zip(spans, ramps, strict=True):
        total[span] += ramp
    return [(ramp / total[span])[:, None] for span, ramp in zip(spans, ramps, strict=True)]


def blend(parts: Sequence[Tensor], pieces: Sequence[Piece]) -> Tensor:
    """Predictions `[B, n, C]` of all pieces, cross-faded into one of the whole take, float32."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    total = first.new_zeros(first.shape[0], pieces[-1].span.stop, first.shape[2]).float()
    for piece, part in zip(pieces, parts, strict=True):
        total[:, piece.span] += piece.weight.to(part.device) * part
    return total
