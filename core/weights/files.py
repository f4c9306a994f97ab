"""Reading and writing safetensors: memory-mapped, checked, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import FoleyError


def read_metadata(path: Path | str) -> dict[str, str]:
    """The metadata of a safetensors file."""
    return _open(Path(path), lambda file: dict(file.metadata() or {}))


def read_tensors(path: Path | str, dtype: torch.dtype | None = torch.float32) -> dict[str, Tensor]:
    """All tensors of a safetensors file; floating-point ones in `dtype` (None: as stored).

    Raises:
        FoleyError: no such file, or not a whole safetensors file.
    """

    def take(file) -> dict[str, Tensor]:
        tensors = {}
        for key in file.keys():  # noqa: SIM118 - a file handle, not a mapping
            tensor = file.get_tensor(key)
            tensors[key] = tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor
        return tensors

    return _open(Path(path), take)


def load_into(module: nn.Module, path: Path | str, *, prefix: str = "") -> nn.Module:
    """Load the tensors under `prefix` into a module, strictly; returns the module in eval mode.

    Raises:
        FoleyError: a key is missing, left over or of another shape; at most three are named.
    """
    path = Path(path)
    tensors = {k[len(prefix) :]: v for k, v in read_tensors(path).items() if k.startswith(prefix)}
    wanted = module.state_dict()
    missing, extra = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    wrong = sorted(k for k in wanted.keys() & tensors.keys() if wanted[k].shape != tensors[k].shape)
    for keys, what in ((missing, "lacks"), (extra, "has unknown"), (wrong, "has wrongly shaped")):
        if keys:
            named = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
            raise FoleyError(
                f"{path.name} {what} weights ({named}), so it is not a file of this model; use "
                f"the right one."
            )
    module.load_state_dict(tensors)
    return module.eval()


def save(
    path: Path | str,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a safetensors file beside its place, then move it there; floats in `dtype`."""
    from safetensors.torch import save_file

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    stored = {
        k: (v.to(dtype) if v.is_floating_point() else v).contiguous().clone()
        for k, v in tensors.items()
    }
    save_file(stored, beside, dict(sorted(metadata.items())))
    os.replace(beside, path)


def _open(path: Path, use):
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FoleyError(f"There is no weights file at {path}; check the path or the name.")
    try:
        with safe_open(path, "pt") as file:
            return use(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise FoleyError(
            f"{path.name} is damaged or is no safetensors file; get it again."
        ) from error
