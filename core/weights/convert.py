"""Any weights file to safetensors that says what it is and where it came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from ..errors import FoleyError
from .entries import Entry
from .families import Family, Shapes
from .files import digests, read_metadata, save
from .load import read_weights
from .registry import ENTRIES


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

    Raises:
        FoleyError: a file that cannot be read, an `out` that exists or cannot be written.
    """
    path = Path(path)
    out = path.with_suffix(".safetensors") if out is None else Path(out)
    if out.suffix != ".safetensors":
        raise FoleyError(f"{out.name} must end in .safetensors.")
    if out.exists():
        raise FoleyError(f"{out} exists already; name another file to write.")
    tensors = read_weights(path, dtype=dtype)
    family = family_of({key: tuple(value.shape) for key, value in tensors.items()})
    about = _metadata(path, family)
    try:
        save(out, tensors, about, dtype=None)
    except Exception as error:
        raise FoleyError(
            f"{out.name} cannot be written to {out.parent}: make room, or name another folder."
        ) from error
    return out


def _metadata(path: Path, family: Family | None) -> dict[str, str]:
    found = digests(path)
    known = read_metadata(path)
    row = _row(path, found["sha256"], found["md5"])
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


def _row(path: Path, sha256: str, md5: str) -> Entry | None:
    """The registry's row of a file: by a published hash, else by a name that only it has."""
    every = ((row, source) for row in ENTRIES for source in row.sources)
    published = [(row, source) for row, source in every if source.how != "bundled"]
    for row, source in published:
        if sha256 == source.sha256 or md5 == source.md5:
            return row
    named = {
        row.name: row for row, source in published if source.name == path.name and not source.md5
    }
    return next(iter(named.values())) if len(named) == 1 else None
