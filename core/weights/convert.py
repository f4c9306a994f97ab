"""Any weights file to safetensors that says what it is and where it came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FoleyError
from .entries import Entry
from .families import Family, Shapes
from .files import digests, read_metadata, save
from .load import read_weights
from .registry import ENTRIES

ReadFolder = Callable[..., tuple[dict[str, Tensor], list[Path]]]


def convert(
    path: Path | str,
    out: Path | str | None = None,
    *,
    family_of: Callable[[Shapes], Family | None],
    read_folder: ReadFolder | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Writes the weights of `path` as safetensors, with metadata family, source, licence, sha256.

    out: file to write, beside `path` by default. family_of: what recognises a file by its shapes,
    `recognition.detect_shapes`; read_folder: what reads a folder as one file, and names its files,
    `diffusers_folder.read_folder`; they know all networks, so they stand above this folder. dtype:
    of the floating-point tensors, None as stored. A file's keys are kept. sha256 is that of `path`,
    or of a folder's first file. Source and licence come from the registry where its hash, or the
    name of a file, is known there; else they are "unknown".

    Raises:
        FoleyError: a file or folder that cannot be read, or holds what safetensors cannot; an `out`
            that exists or cannot be written.
    """
    path = Path(path)
    of_folder = read_folder if path.is_dir() else None
    stem = path.stem if of_folder is None else path.name
    out = path.with_name(f"{stem}.safetensors") if out is None else Path(out)
    if out.suffix != ".safetensors":
        raise FoleyError(f"{out.name} must end in .safetensors.")
    if out.exists():
        raise FoleyError(f"{out} exists already; name another file to write.")
    if of_folder is None:
        tensors = read_weights(path, dtype=dtype)
    else:
        tensors, (path, *_) = of_folder(path, dtype=dtype)
    family = family_of({key: tuple(value.shape) for key, value in tensors.items()})
    about = _metadata(path, family, by_name=of_folder is None)
    try:
        save(out, tensors, about, dtype=None)
    except FoleyError as error:
        raise FoleyError(f"{path.name} cannot be converted. {error}") from error
    except Exception as error:
        raise FoleyError(
            f"{out.name} cannot be written to {out.parent}: make room, or name another folder."
        ) from error
    return out


def _metadata(path: Path, family: Family | None, *, by_name: bool) -> dict[str, str]:
    found = digests(path)
    known = read_metadata(path)
    row = _row(found["sha256"], found["md5"], path.name if by_name else "")
    about = {
        "format": "pt",
        "family": family.name if family else "unknown",
        "variant": family.variant if family else "",
        "source": f"{row.source} {row.source.file}" if row else "unknown",
        "licence": row.licence.name if row else "unknown",
        "sha256": found["sha256"],
    }
    about.update({key: known[key] for key in known if about.get(key, "unknown") in ("unknown", "")})
    return about


def _row(sha256: str, md5: str, name: str) -> Entry | None:
    """The registry's row of a file: by a published hash, else by a name that only it has."""
    every = ((row, source) for row in ENTRIES for source in row.sources)
    published = [(row, source) for row, source in every if source.how != "bundled"]
    for row, source in published:
        if sha256 == source.sha256 or md5 == source.md5:
            return row
    named = {row.name: row for row, source in published if source.name == name and not source.md5}
    return next(iter(named.values())) if len(named) == 1 else None
