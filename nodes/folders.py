"""Where weights are found: the models folder `foley`, beside what is bundled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import folder_paths

from ..core.weights.store import download
from .parts import Part, present, registered
from .progress import progress_bar, stop_if_cancelled

FOLDER = "foley"
# Where other packs keep files of the same networks.
OTHERS = ("mmaudio",)
_SUFFIXES = (".safetensors", ".pth", ".pt")


def register_folder() -> None:
    """Makes `models/foley` known; folders of extra_model_paths.yaml stay."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))


def model_folders() -> dict[str, list[str]]:
    """ComfyUI's folders as `core.weights.store` asks for them."""
    known = folder_paths.folder_names_and_paths
    named = {key: list(folder_paths.get_folder_paths(key)) for key in known}
    return {**named, "": [folder_paths.models_dir]}


def choices(table: Mapping[str, Part], *, absent: bool = False) -> list[str]:
    """Names of the rows whose file is there, then the weights files in the models folders.

    absent: then those of the other rows too.
    """
    rows = [name for name, part in table.items() if present(part)]
    found = {name for key in _folders() for name in folder_paths.get_filename_list(key)}
    files = sorted(name for name in found if name.endswith(_SUFFIXES))
    listed = dict.fromkeys([*rows, *files, *(table if absent else ())])
    return list(listed)


def fetch(part: Part) -> None:
    """Downloads what a row lacks into `models/foley`, with a bar on the running node.

    Raises FoleyError, one sentence, when that is not possible.
    """
    if present(part):
        return
    for name in registered(part):
        download(
            name,
            progress_bar(),
            folders=model_folders(),
            cancelled=stop_if_cancelled,
        )


def found_file(name: str) -> str:
    """The path of a file that `choices` named."""
    for key in _folders():
        path = folder_paths.get_full_path(key, name)
        if path:
            return path
    return folder_paths.get_full_path_or_raise(FOLDER, name)


def _folders() -> list[str]:
    """This pack's folder, and those of other packs that are there."""
    return [FOLDER, *(key for key in OTHERS if key in folder_paths.folder_names_and_paths)]


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
