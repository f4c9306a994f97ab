"""Files that say what they are: hashes and metadata, and writing that is whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from ..errors import FoleyError
from ..leftovers import sweep_once, temporary_folder
from .load import PICKLED, reading

_CHUNK = 1 << 20
# Of the header of a safetensors file.
_RESERVED = "__metadata__"
_SHOWN = 60


def read_metadata(path: Path | str) -> dict[str, str]:
    """The metadata of a safetensors file, none of a pickled one. Raises as `read_weights`."""
    path = Path(path)
    with reading(path):
        if path.suffix in PICKLED:
            return {}
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})


def digests(path: Path, each: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """{"bytes", "sha256", "md5"} of a file. each: called before each megabyte."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            each()
            sha256.update(chunk)
            md5.update(chunk)
    size = path.stat().st_size
    return {"bytes": size, "sha256": sha256.hexdigest(), "md5": md5.hexdigest()}


def save(
    path: Path | str,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    dtype: torch.dtype | None = torch.float16,
) -> None:
    """Write a safetensors file; floats in `dtype`, None as they are.

    Raises:
        FoleyError: a name or a type of numbers that the format cannot hold.
    """
    from safetensors.torch import save_file

    _check_names_and_types(tensors)
    stored = {
        key: value.to(dtype or value.dtype) if value.is_floating_point() else value
        for key, value in tensors.items()
    }
    with _beside(Path(path)) as beside:
        save_file(_unshared(stored), beside, dict(sorted(metadata.items())))


def _check_names_and_types(tensors: Mapping[str, Tensor]) -> None:
    for key, value in tensors.items():
        if key == _RESERVED or not key.isprintable():
            raise FoleyError(
                f"A tensor is named {ascii(key)[:_SHOWN]}, which safetensors files cannot hold: it "
                "is no weight of a network here."
            )
        if value.layout != torch.strided or value.is_quantized or value.is_complex():
            raise FoleyError(
                f"The tensor {key[:_SHOWN]} is sparse, quantized or complex, which no network here "
                "takes: get its plain version."
            )


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON, sorted by its keys."""
    with _beside(path) as beside:
        beside.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A path in the same folder, which is made; what was written there is moved to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_once(path.parent)
    with temporary_folder(path.parent) as folder:  # safetensors writes a second file beside its own
        yield folder / path.name
        os.replace(folder / path.name, path)


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of their own, as the format needs them: copied only where they share memory."""
    places: set[int] = set()
    whole = {}
    for key, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        shared = place in places and tensor.numel() > 0
        places.add(place)
        copy = torch.clone(tensor, memory_format=torch.contiguous_format) if shared else tensor
        whole[key] = copy.contiguous()
    return whole
