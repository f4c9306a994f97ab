"""Any weights file to safetensors that says what it is and where it came from."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FoleyError
from .families import Family, Shapes
from .files import read_metadata
from .load import read_weights
from .registry import ENTRIES, Bundled, Entry

_CHUNK = 1 << 20


def convert(
    path: Path | str,
    out: Path | str | None = None,
    *,
    family_of: Callable[[Shapes], Family | None],
    dtype: torch.dtype | None = None,
) -> Path:
    """Writes the weights of `path` as safetensors, with metadata family, source, licence, sha256.

    out: file to write, beside `path` by default. family_of: what recognises a file by its shapes,
    `recognition.detect_shapes`; it knows all networks, so it stands above this folder. dtype: of
    the floating-point tensors, None as stored. Keys are kept. sha256 is that of `path`. Source and
    licence come from the registry where its hash or its name is known there; else they are
    "unknown".
    Raises FoleyError for a file that cannot be read, an `out` that exists or cannot be written.
    """
    from safetensors.torch import save_file

    path = Path(path)
    out = path.with_suffix(".safetensors") if out is None else Path(out)
    if out.suffix != ".safetensors":
        raise FoleyError(f"{out.name} must end in .safetensors.")
    if out.exists():
        raise FoleyError(f"{out} exists already; name another file to write.")
    tensors = _unshared(read_weights(path, dtype=dtype))
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    about = _metadata(path, family_of(shapes))
    beside = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, beside, about)
        os.replace(beside, out)
    except Exception as error:
        raise FoleyError(
            f"{out.name} cannot be written to {out.parent}: make room, or name another folder."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return out


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of their own, as the format needs them: copied only where they share memory."""
    seen: set[int] = set()
    whole = {}
    for key, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        shared = place in seen and tensor.numel() > 0
        seen.add(place)
        copy = torch.clone(tensor, memory_format=torch.contiguous_format) if shared else tensor
        whole[key] = copy.contiguous()
    return whole


def _metadata(path: Path, family: Family | None) -> dict[str, str]:
    sha256, md5 = _hashes(path)
    known = dict(read_metadata(path)) if path.suffix == ".safetensors" else {}
    row = _row(path, sha256, md5)
    about = {
        "format": "pt",
        "family": family.name if family else "unknown",
        "variant": family.variant if family else "",
        "source": f"{row.source} {row.source.file}" if row else "unknown",
        "licence": row.licence.name if row else "unknown",
        "sha256": sha256,
    }
    about.update({key: known[key] for key in known if about.get(key, "unknown") in ("unknown", "")})
    return dict(sorted(about.items()))


def _row(path: Path, sha256: str, md5: str) -> Entry | None:
    """The registry's row of a file: by a published hash, else by a name that only it has."""
    for row in ENTRIES:
        for source in row.sources:
            if not isinstance(source, Bundled) and (
                (source.sha256 and source.sha256 == sha256) or (source.md5 and source.md5 == md5)
            ):
                return row
    named = [
        row
        for row in ENTRIES
        if any(
            source.file.rsplit("/", 1)[-1] == path.name
            and not isinstance(source, Bundled)
            and not source.md5
            for source in row.sources
        )
    ]
    return named[0] if len(named) == 1 else None


def _hashes(path: Path) -> tuple[str, str]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
    return sha256.hexdigest(), md5.hexdigest()
