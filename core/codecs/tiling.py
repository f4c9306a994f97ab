"""Long audio in pieces: tiles with a receptive field's context.

A tile's context is thrown away, so what is kept is what the network makes of the whole: equal up
to the rounding of another summation order. That holds for networks whose outputs depend on a
bounded neighbourhood. Those with group norms over the whole length use `whole_norms`.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

Progress = Callable[[int, int], None]
Network = Callable[[Tensor], Tensor]

_divisor = contextvars.ContextVar("tile divisor", default=1)


def upsampling_reach(stages: Sequence[tuple[int, int, int]], *, before: int, after: int) -> int:
    """Input frames to each side that an upsampling network's output depends on.

    `stages`: (rate, kernel of the upsampler, reach of what follows it at its rate), first to last;
    `before`, `after`: reach of the first layer (input frames) and of the last (samples).
    """
    reach = after
    for rate, kernel, inner in reversed(stages):
        reach = math.ceil((reach + inner + kernel) / rate)
    return reach + before


def downsampling_reach(stages: Sequence[tuple[int, int, int]], *, before: int, after: int) -> int:
    """Latents to each side that a downsampling network's output depends on.

    `stages`: (rate, kernel of the downsampler, reach of what comes before it at its rate).
    """
    reach, hop = after, 1
    for rate, kernel, inner in reversed(stages):
        reach = reach * rate + kernel + inner
        hop *= rate
    return math.ceil((reach + before) / hop)


@dataclass(frozen=True)
class Section:
    """A part of an upsampling network whose outputs depend on a bounded neighbourhood.

    `rate`: outputs an input frame. `context`: input frames to each side that an output depends on.
    `tile`: input frames given to it at a time.
    """

    run: Network
    rate: int
    context: int
    tile: int


def two_sections(
    runs: tuple[Network, Network],
    stages: Sequence[tuple[int, int, int]],
    cut: int,
    tiles: tuple[int, int],
    *,
    before: int,
    after: int,
) -> tuple[Section, Section]:
    """Sections of an upsampling network that is cut after `cut` of its stages.

    `stages`, `before`, `after`: as `upsampling_reach`; `tiles`: frames given at a time to each.
    """
    coarse, fine = stages[:cut], stages[cut:]
    reaches = (
        upsampling_reach(coarse, before=before, after=0),
        upsampling_reach(fine, before=0, after=after),
    )
    rates = (math.prod(stage[0] for stage in part) for part in (coarse, fine))
    first, second = (Section(*part) for part in zip(runs, rates, reaches, tiles))
    return first, second


def through(sections: Sequence[Section], x: Tensor, *, progress: Progress | None = None) -> Tensor:
    """What the sections, one after another, make of x `[..., N]`: `[..., N * product of rates]`.

    Tiles are nested: the output of a tile of one section goes through the next in tiles of its
    own. Late sections, which have the most frames and the smallest reach, so get small tiles, and
    the large context that only the first ones need costs little.
    """
    first, *rest = sections
    n_frames = x.shape[-1]
    spans = tiles(n_frames, first.tile)

    def piece(part: Tensor) -> Tensor:
        if not rest:
            return first.run(part)
        start, stop = next(spans)

        def inner(done: int, total: int) -> None:
            if progress is not None:
                progress(start + (stop - start) * done // total, n_frames)

        return through(rest, first.run(part), progress=inner)

    return tiled(
        piece,
        x,
        tile=first.tile,
        context=reach(sections),
        per_frame=total_rate(sections),
        progress=None if rest else progress,
    )


def reach(sections: Sequence[Section]) -> int:
    """Input frames to each side that an output of the last section depends on."""
    frames = 0
    for section in reversed(sections):
        frames = math.ceil(frames / section.rate) + section.context
    return frames


def total_rate(sections: Sequence[Section]) -> int:
    """Outputs of the last section an input frame of the first."""
    return math.prod(section.rate for section in sections)


@contextlib.contextmanager
def smaller_tiles(divisor: int) -> Iterator[None]:
    """Within it, tiles are so many times smaller: slower, for less memory."""
    before = _divisor.set(divisor)
    try:
        yield
    finally:
        _divisor.reset(before)


def tiles(length: int, tile: int) -> Iterator[tuple[int, int]]:
    """[0, length) in the fewest pieces of at most `tile`, as equal as whole numbers allow."""
    count = max(1, math.ceil(length / max(1, tile // _divisor.get())))
    for index in range(count):
        yield length * index // count, length * (index + 1) // count


def tiled(
    network: Network,
    x: Tensor,
    *,
    tile: int,
    context: int,
    per_frame: int = 1,
    frame: int = 1,
    progress: Progress | None = None,
) -> Tensor:
    """What `network` makes of x `[..., N * frame]`, tile by tile: `[..., N * per_frame]`.

    Args:
        tile, context: frames kept of a piece, and frames added on each of its sides.
        per_frame: outputs a frame. A piece's outputs beyond that (a tail) are left out.
        frame: inputs a frame.
        progress: called with (frames done, frames in all); what it raises ends the work.
    """
    n_frames = x.shape[-1] // frame
    out = None
    for start, stop in tiles(n_frames, tile):
        low, high = max(0, start - context), min(n_frames, stop + context)
        piece = network(x[..., low * frame : high * frame])
        piece = piece[..., (start - low) * per_frame : (stop - low) * per_frame]
        if stop - start == n_frames:
            out = piece
        else:
            if out is None:
                out = piece.new_empty(*piece.shape[:-1], n_frames * per_frame)
            out[..., start * per_frame : stop * per_frame] = piece
        if progress is not None:
            progress(stop, n_frames)
    return out
