"""What there is to choose from, as plain data: the systems with their parts, and all weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from .catalog import SYSTEMS
from .tables import strictest
from .weights.entries import Entry, Licence
from .weights.registry import ENTRIES, entry
from .weights.store import Folders, find

_STREAM = ("name", "width", "rate", "required", "meaning")


def describe_systems(folders: Folders | None = None) -> dict[str, Any]:
    """The catalogue and the registry of weights, of values that JSON holds.

    folders: where else weights may lie, see `weights.store.find`.

    "systems" lists, for each: name, title, tasks, bundled, sample_rate (Hz), channels, streams
    (name, width, rate in Hz or null, required, meaning), sampling (solver, steps, guidance, scale,
    rescale, temperature), licence and parts (role, name, title, licence, files). A part's file has
    its role in the part, its name in the registry, its path where it was `found` (or null), and its
    source. A part's licence is the strictest one of its files, null where none is stated of a file
    of one's own.

    "weights" lists the registry: name, part, licence, `found`, bytes of the file there, size as the
    source states it, source, the file's name there, and `how` it gets here ("bundled",
    "download", "by hand"). A licence is {name, spdx or null, commercial, terms, sentence}.
    """
    return {
        "systems": [_system(row, folders) for row in SYSTEMS.values()],
        "weights": [_weights(row, folders) for row in ENTRIES],
    }


def _system(row, folders: Folders | None) -> dict[str, Any]:
    return {
        **_fields(row, "name", "title", "bundled", "sample_rate", "channels"),
        "tasks": list(row.tasks),
        "streams": [_fields(stream, *_STREAM) for stream in row.follows],
        "sampling": asdict(row.sampling),
        "licence": _licence(row.licence),
        "parts": [_part(role, part, folders) for role, part in row.parts().items()],
    }


def _part(role: str, part, folders: Folders | None) -> dict[str, Any]:
    files = []
    for inside, file in part.files.items():
        own = isinstance(file, Path)
        found = file if own else find(file, folders)
        files.append(
            {
                "role": inside,
                "name": file.stem if own else file,
                "found": None if found is None else str(found),
                "source": "your own" if own else str(entry(file).source),
            }
        )
    licences = part.licences
    return {
        "role": role,
        **_fields(part, "name", "title"),
        "licence": _licence(strictest(licences)) if licences else None,
        "files": files,
    }


def _weights(row: Entry, folders: Folders | None) -> dict[str, Any]:
    path = find(row.name, folders)
    return {
        **_fields(row, "name", "part"),
        "licence": _licence(row.licence),
        "found": None if path is None else str(path),
        "bytes": None if path is None else path.stat().st_size,
        "size": row.about,
        "source": str(row.source),
        "file": row.source.file,
        "how": row.source.how,
    }


def _licence(licence: Licence) -> dict[str, Any]:
    return _fields(licence, "name", "spdx", "commercial", "terms", "sentence")


def _fields(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
