"""Where weights are found: the models folder `foley`, beside what is bundled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import folder_paths

from .parts import Part

FOLDER = "foley"
_SUFFIX = ".safetensors"


def register_folder() -> None:
    """Makes `models/foley` known; folders of extra_model_paths.yaml stay."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))


def choices(table: Mapping[str, Part]) -> list[str]:
    """Names of the rows, then the weights files in the models folder."""
    found = [name for name in folder_paths.get_filename_list(FOLDER) if name.endswith(_SUFFIX)]
    return [*table, *sorted(set(found) - set(table))]


def found_file(name: str) -> str:
    """The path of a file that `choices` named."""
    return folder_paths.get_full_path_or_raise(FOLDER, name)


def stamp(path: Path) -> str:
    """Changes when the file does."""
    try:
        info = os.stat(path)
    except OSError:
        return f"{path} missing"
    return f"{path} {info.st_size} {info.st_mtime_ns}"


def licences(table: Mapping[str, Part]) -> str:
    """A line for each row, for a tooltip."""
    return "\n".join(part.about for part in table.values())
