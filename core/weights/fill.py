"""Giving a network its weights: the one way, for every part, checked before anything is changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import FoleyError
from .load import read_weights

# Counters of batch norms, which inference does not use; some checkpoints lack them.
_COUNTER = "num_batches_tracked"


def fill(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path | str,
    *,
    twin: nn.Module | None = None,
) -> nn.Module:
    """Gives a network exactly these tensors; ready for inference.

    A network that has memory keeps its types and device; one on the meta device takes the tensors
    as they are. Tensors that fit are not copied, so they may be views of a mapped file.

    Args:
        path: of the file they are from, for messages.
        twin: the same network on the meta device, whose names and shapes count. It is needed where
            layers have no weights yet, as under ComfyUI's dynamic VRAM.

    Raises:
        FoleyError: a weight is missing, unknown or of another shape; names the file and at most
            three weights.
    """
    there = module.state_dict()
    wanted = there if twin is None else twin.state_dict()
    needed = {key for key in wanted if not key.endswith(_COUNTER)}
    found = {key: value for key, value in tensors.items() if not key.endswith(_COUNTER)}
    wrong = [k for k in needed & found.keys() if wanted[k].shape != found[k].shape]
    _refuse(needed - found.keys(), path, "lacks weights")
    _refuse(found.keys() - needed, path, "has unknown weights")
    _refuse(wrong, path, "has weights of another shape")
    for key, value in found.items():
        like = there.get(key)
        if like is not None and not like.is_meta:
            found[key] = value.to(like.device, like.dtype)
        elif twin is not None:
            found[key] = value.to(wanted[key].dtype)
    found |= {key: torch.zeros((), dtype=torch.int64) for key in wanted.keys() - needed}
    module.load_state_dict(found, assign=True)
    return module.eval().requires_grad_(False)


def fill_from(module: nn.Module, path: Path | str, *, prefix: str = "") -> nn.Module:
    """`fill` with the tensors of a file whose names start with `prefix`.

    Raises:
        FoleyError: as `fill`, and for a file that cannot be read.
    """
    tensors = read_weights(path, keep=lambda key: key.startswith(prefix))
    return fill(module, {k.removeprefix(prefix): v for k, v in tensors.items()}, path)


@contextlib.contextmanager
def building(what: str) -> Iterator[None]:
    """Turns what a network raises about sizes that come from a file into one sentence.

    what: whose they are, such as the file's name.
    """
    try:
        yield
    except (FoleyError, torch.OutOfMemoryError):
        raise
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError) as e:
        raise FoleyError(
            f"{what} has sizes that do not fit together: it is not a file of this model; use the "
            "right one."
        ) from e


def _refuse(keys, path: Path | str, what: str) -> None:
    if keys:
        first = ", ".join(sorted(keys)[:3]) + (", ..." if len(keys) > 3 else "")
        raise FoleyError(
            f"{Path(path).name} {what} ({first}): it is not a file of this model; use the right "
            "one."
        )
