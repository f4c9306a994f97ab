"""What the terms of a guidance are conditioned on, kept over the steps of ComfyUI's samplers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import comfy.conds
import torch
from torch import Tensor

from ...core.generators import Generator, Prepared, Window
from ...core.sampling import Long, windows_for
from ...core.sampling.windows import crossfades


@dataclass(frozen=True, eq=False)
class PreparedTerm:
    """One term's prepared conditions, for each window of the take.

    spans: latent frames [first, last) of each window. weights: how the windows are blended, [1, n]
    each. Not a tensor, so that ComfyUI neither casts it nor joins it anew at every step.
    """

    spans: tuple[tuple[int, int], ...]
    prepared: tuple[Prepared, ...]
    weights: tuple[Tensor, ...]
    _joined: dict = field(default_factory=dict)

    def fits(self, other: PreparedTerm) -> bool:
        """Whether terms of both can run in one batch."""
        shapes = [
            [{k: v.shape for k, v in (p.batched | p.shared).items()} for p in term.prepared]
            for term in (self, other)
        ]
        return self.spans == other.spans and shapes[0] == shapes[1]

    def together(
        self,
        others: Sequence[PreparedTerm],
        generator: Generator,
        takes: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> list[tuple[slice, Prepared, Tensor]]:
        """Place, conditions and weight of each window, for a batch of this term's takes and then
        those of the others; found once a run."""
        key = (takes, device, dtype, *map(id, others))
        if key not in self._joined:
            terms = (self, *others)
            joined = [
                generator.settled(
                    Prepared.cat([_of_takes(p, takes) for p in parts]).to(device, dtype)
                )
                for parts in zip(*(term.prepared for term in terms), strict=True)
            ]
            weights = [weight.to(device) for weight in self.weights]
            slices = [slice(*span) for span in self.spans]
            # The others are kept, so that no later object is taken for one of them.
            self._joined[key] = (others, list(zip(slices, joined, weights, strict=True)))
        return self._joined[key][1]


def _of_takes(prepared: Prepared, takes: int) -> Prepared:
    return prepared if prepared.batch == takes else prepared.repeat(takes)


class PreparedTermCond(comfy.conds.CONDConstant):
    """A `PreparedTerm` among a term's conditions; several become a tuple in the batch's order."""

    def can_concat(self, other) -> bool:
        return self.cond.fits(other.cond)

    def concat(self, others) -> tuple[PreparedTerm, ...]:
        return (self.cond, *(other.cond for other in others))


def prepare(
    generator: Generator,
    streams: Mapping[str, Tensor],
    every: Mapping[str, Tensor],
    seconds: float,
    length: int,
    long: Long | None = None,
) -> PreparedTerm:
    """The conditions of a take of `seconds` and `length` latent frames.

    streams: what this term is conditioned on, [1, N, D]. every: all streams of the take, whose
    lengths the terms share. long: see `core.sampling.windows_for`.
    """
    windows = windows_for(generator.config, seconds, long)
    spans = windows.cut(generator, seconds) if windows else [(0.0, seconds)]
    parts = _windows(generator, every, seconds, spans)
    own = _windows(generator, streams, seconds, spans)
    prepared = [
        generator.prepare(mine.conditions, lengths=part.lengths, batch=1)
        for part, mine in zip(parts, own, strict=True)
    ]
    return PreparedTerm(
        spans=tuple((part.first, part.last) for part in parts),
        prepared=tuple(prepared),
        weights=tuple(weight.T for weight in crossfades(parts, length)),
    )


def _windows(
    generator: Generator, streams: Mapping[str, Tensor], seconds: float, spans: list
) -> list[Window]:
    """The parts of a take; one that needs no cutting asks nothing of the generator."""
    if len(spans) > 1:
        return [generator.window(streams, seconds, *span) for span in spans]
    return [
        Window(streams, generator.lengths(streams, seconds), 0, generator.latent_shape(seconds)[0])
    ]
