"""Networks that are local but for their group norms, in tiles that share the whole's statistics.

A tile does not know the mean and the variance of the whole, so they are gathered first: every tile
is run up to the first norm whose statistics are not known, then up to the next, and so on. The
result is that of one piece up to rounding; the price is a pass over the tiles for every norm.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .tiling import Progress, tiles

# How a network applies one of its norms to x.
Norm = Callable[[nn.Module, Tensor], Tensor]


def plain(norm: nn.Module, x: Tensor) -> Tensor:
    """The norm with the statistics of x itself."""
    return norm(x)


def run_in_tiles(
    network: Callable[[Tensor, Norm], Tensor],
    x: Tensor,
    *,
    tile: int,
    context: int,
    axis: int,
    frame: int = 1,
    progress: Progress | None = None,
) -> Tensor:
    """What `network` makes of the picture x `[B, C, H, W]`, tile by tile along `axis`.

    Args:
        network: called with a picture and what to apply its norms with; makes every `frame` rows or
            columns the same whole number of them.
        tile, context: frames kept of a tile, and added on each of its sides.
        frame: rows or columns of `axis` that are never parted.
        progress: called while statistics are gathered, with no place done; what it raises ends
            the work.
    """
    length = x.shape[axis] // frame
    norms = SharedNorms()
    spans = list(tiles(length, tile))
    out = None
    while out is None:
        for start, stop in spans:
            low, high = max(0, start - context), min(length, stop + context)
            norms.kept = (axis, high - low, start - low, stop - start)
            try:
                piece = norms.cut(network(x.narrow(axis, low * frame, (high - low) * frame), norms))
            except _NotKnownYet:
                piece = None
            if progress is not None:
                progress(0, length)
            if piece is None:
                continue
            if out is None:
                shape = list(piece.shape)
                shape[axis] = length * (piece.shape[axis] // (stop - start))
                out = piece.new_empty(shape)
            rate = out.shape[axis] // length
            out.narrow(axis, start * rate, (stop - start) * rate).copy_(piece)
        norms.settle()
    return out


class _NotKnownYet(Exception):
    """The statistics of a norm are still being gathered."""


class SharedNorms:
    """Applies group norms whose statistics are known, gathers those of the next one.

    kept: axis, length of the tile with its context, and first place and length of what is kept.
    """

    kept: tuple[int, int, int, int]

    def __init__(self) -> None:
        self._known: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._gathering: nn.Module | None = None
        self._count = 0
        # float64 on the CPU: mean and sum of squared distances from it, [B, groups].
        self._mean = self._spread = torch.zeros(())

    def __call__(self, norm: nn.Module, x: Tensor) -> Tensor:
        if norm not in self._known:
            self._gather(norm, self.cut(x))
            raise _NotKnownYet
        mean, deviation = (s.to(x.device) for s in self._known[norm])
        each = x.shape[1] // norm.num_groups
        dtype = torch.promote_types(x.dtype, torch.float32)
        weight, bias = (p.to(x.device, dtype) for p in (norm.weight, norm.bias))
        scale = (1 / deviation).to(dtype).repeat_interleave(each, 1) * weight
        shift = bias - mean.to(dtype).repeat_interleave(each, 1) * scale
        y = torch.addcmul(shift[..., None, None], x.to(dtype), scale[..., None, None])
        return y.to(x.dtype)

    def cut(self, x: Tensor) -> Tensor:
        """What is kept of a tile, at whatever size the network has it."""
        axis, length, first, size = self.kept
        rate = x.shape[axis] // length
        return x.narrow(axis, first * rate, size * rate)

    def settle(self) -> None:
        """What was gathered from all tiles is known from now on."""
        if self._gathering is not None:
            deviation = (self._spread / self._count + self._gathering.eps).sqrt()
            self._known[self._gathering] = (self._mean, deviation)
        self._gathering, self._count = None, 0

    def _gather(self, norm: nn.Module, x: Tensor) -> None:
        """Joins a tile's mean and variance to those of the tiles before it (Chan et al. 1979)."""
        self._gathering = norm
        groups = x.unflatten(1, (norm.num_groups, -1)).flatten(2)
        groups = groups.to(torch.promote_types(x.dtype, torch.float32))
        variance, mean = (s.cpu().double() for s in torch.var_mean(groups, 2, correction=0))
        count = groups.shape[2]
        if not self._count:
            self._mean, self._spread = mean, variance * count
        else:
            total = self._count + count
            apart = mean - self._mean
            self._mean = self._mean + apart * (count / total)
            shared = self._count * count / total
            self._spread = self._spread + variance * count + apart.square() * shared
        self._count += count
