"""What the terms of a guidance are conditioned on, kept over the steps of ComfyUI's samplers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import comfy.conds
import torch

from ...core.generators import Generator, Prepared, Streams
from ...core.sampling import windows_for
from ...core.sampling.windows import Piece, pieces_of
from ..values import ConditioningEntry


@dataclass(frozen=True, eq=False)
class PreparedTerm:
    """One term's prepared conditions, for each piece of the take.

    Not a tensor, so that ComfyUI neither casts it nor joins it anew at every step.
    """

    pieces: Sequence[Piece]
    prepared: Sequence[Prepared]
    _joined: dict = field(default_factory=dict)

    def fits(self, other: PreparedTerm) -> bool:
        """Whether terms of both can run in one batch."""
        shapes = [
            [{k: v.shape for k, v in (p.batched | p.shared).items()} for p in term.prepared]
            for term in (self, other)
        ]
        spans = [[piece.span for piece in term.pieces] for term in (self, other)]
        return spans[0] == spans[1] and shapes[0] == shapes[1]

    def together(
        self,
        others: Sequence[PreparedTerm],
        generator: Generator,
        takes: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> list[Prepared]:
        """Conditions of each piece, for a batch of this term's takes and then those of the others;
        found once a run."""
        key = (takes, device, dtype, *map(id, others))
        if key not in self._joined:
            joined = []
            for parts in zip(*(term.prepared for term in (self, *others)), strict=True):
                each = [p if p.batch == takes else Prepared.cat([p] * takes) for p in parts]
                joined.append(generator.settled(Prepared.cat(each).to(device, dtype)))
            # The others are kept, so that no later object is taken for one of them.
            self._joined[key] = (others, joined)
        return self._joined[key][1]


class PreparedTermCond(comfy.conds.CONDConstant):
    """A `PreparedTerm` among a term's conditions; several become a tuple in the batch's order."""

    def can_concat(self, other) -> bool:
        return self.cond.fits(other.cond)

    def concat(self, others) -> tuple[PreparedTerm, ...]:
        return (self.cond, *(other.cond for other in others))


def prepare(generator: Generator, streams: Streams, entry: ConditioningEntry) -> PreparedTerm:
    """The conditions of a term. streams: those of the entry, on the device that computes."""
    seconds = entry.seconds
    windows = windows_for(generator.config, seconds, entry.long)
    pieces = pieces_of(generator, entry.every, seconds, windows)
    prepared = [piece.prepare(generator, streams, 1) for piece in pieces]
    return PreparedTerm(pieces, prepared)
