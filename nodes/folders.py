"""Where weights are found: the models folder `foley`, beside what is bundled."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

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


def weights_files() -> list[str]:
    """Names of the weights files in the models folders, as `found_file` takes them."""
    found = {name for key in _folders() for name in folder_paths.get_filename_list(key)}
    return sorted(name for name in found if name.endswith(_SUFFIXES))


def found_file(name: str) -> str:
    """The path of a file that `weights_files` named."""
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
