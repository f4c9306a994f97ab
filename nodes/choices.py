"""What the loaders' lists offer: rows of the catalogue, and the weights files in the folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.catalog import SystemSpec, system_of_file
from ..core.errors import FoleyError
from ..core.parts import Part
from ..core.recognition import detect
from ..core.weights.store import download
from .folders import found_file, model_folders, weights_files
from .progress import progress_bar, stop_if_cancelled

Table = Mapping[str, Any]


def part_of(row: SystemSpec | Part) -> Part:
    """The part that a row is loaded as: of a system its generator."""
    return row.generator if isinstance(row, SystemSpec) else row


def choices(table: Table, *, absent: bool = False) -> list[str]:
    """Names of the rows whose files are there, then the weights files in the models folders.

    absent: then those of the other rows too.
    """
    rows = [name for name, row in table.items() if present(row)]
    return list(dict.fromkeys([*rows, *weights_files(), *(table if absent else ())]))


def present(row: SystemSpec | Part) -> bool:
    """Whether every file of a row is on this machine."""
    return not part_of(row).missing(model_folders())


def fetch(row: SystemSpec | Part) -> None:
    """Downloads what a row lacks into `models/foley`, with a bar on the running node. Raises
    FoleyError, one sentence, when that is not possible."""
    for name in part_of(row).missing(model_folders()):
        download(name, progress_bar(), folders=model_folders(), cancelled=stop_if_cancelled)


def licences(table: Table) -> str:
    """A line for each row, for a tooltip."""
    return "\n".join(part_of(row).about for row in table.values())


def find_row(table: Table, choice: str) -> tuple[Any, dict[str, Path]]:
    """The row that a loader's choice means, and its files by role, its own one first.

    A choice is a row's name, or a file in the models folders.

    Raises:
        FoleyError: a file is of another family, or not there.
    """
    if choice in table:
        row = table[choice]
        files = part_of(row).locate(model_folders())
        is_system = isinstance(row, SystemSpec)
        return (row.of_file(*files.values()) if is_system else row), files
    path = Path(found_file(choice))
    row = _row_of(table, path)
    part = part_of(row)
    return row, part.locate(model_folders(), {next(iter(part.files)): path})


def _row_of(table: Table, path: Path) -> Any:
    """The row of a file, by what is in it."""
    if any(isinstance(row, SystemSpec) for row in table.values()):
        return system_of_file(path)
    found = detect(path)
    for row in table.values():
        family = row.families.get(next(iter(row.files)))
        fits = family is not None and found is not None and family.name == found.name
        if fits and family.variant in ("", found.variant):
            return row
    fitting = ", ".join(name for name, row in table.items() if present(row))
    raise FoleyError(
        f"{path.name} is not a file that this node can load: choose one of {fitting}, or a file "
        "trained from one of their recipes."
    )


def require(part: str, wanted: str, what: str, loader: str) -> None:
    """FoleyError that names the part that fits, when another one is connected."""
    if part != wanted:
        raise FoleyError(
            f"{what} was made with {part}, but this model was trained with {wanted}: choose "
            f"{wanted} in {loader}."
        )
