"""Reading and writing safetensors: memory-mapped, checked, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FoleyError


def read_metadata(path: Path | str) -> dict[str, str]:
    """The metadata of a safetensors file."""
    return _open(Path(path), lambda file: dict(file.metadata() or {}))


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
