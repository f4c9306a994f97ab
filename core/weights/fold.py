"""State dicts of public files as pure functions: weight norm folded, prefixes taken off.

Nothing here changes its argument or loads anything; tensors that need no change are passed on as
they are, so that memory-mapped files stay mapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from ..errors import FoleyError

# Old weight norm, torch.nn.utils.parametrizations.weight_norm: (gain, direction) beside `weight`.
WEIGHT_NORM_NAMES = (
    (".weight_g", ".weight_v"),
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
)


def fold_weight_norm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Plain `weight` for every weight-normed layer, under either naming; all else unchanged.

    weight = gain * direction / |direction|, the norm over all axes but the first, which for a
    transposed convolution is the input channel. Computed in float32, returned in the direction's
    dtype.

    Raises:
        FoleyError: a gain without its direction, or the reverse.
    """
    folded = dict(tensors)
    for pair in WEIGHT_NORM_NAMES:
        for half, other in (pair, pair[::-1]):
            for key in [key for key in folded if key.endswith(half)]:
                stem = key.removesuffix(half)
                if stem + other not in folded:
                    raise FoleyError(
                        f"The weights have {key} but not {stem + other}; get the file again."
                    )
                gain, direction = (folded.pop(stem + name) for name in pair)
                folded[stem + ".weight"] = _direct(gain, direction)
    return folded


def _direct(gain: Tensor, direction: Tensor) -> Tensor:
    wide = direction.float()
    axes = tuple(range(1, wide.ndim))
    norm = torch.linalg.vector_norm(wide, dim=axes, keepdim=True)
    return (wide * (gain.float() / norm)).to(direction.dtype)


def strip_prefix(tensors: Mapping[str, Tensor], prefixes: Iterable[str]) -> dict[str, Tensor]:
    """Only the keys under the first of `prefixes` that occurs, without it; all if none occurs."""
    for prefix in prefixes:
        kept = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
        if kept:
            return kept
    return dict(tensors)
