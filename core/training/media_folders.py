"""Folders of sounds and of videos that need no captions: every file in them, or those of a list."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from ..errors import FoleyError
from ..media.formats import VIDEO_FILES
from ..weights.schema import Depth, Size, Unfit, fitted
from .captions import SUFFIXES, relative
from .genex_clips import CaptionedClip, find_table, is_list
from .video_folder import read_list

Config = TypeVar("Config")

_DEEP = ("depth", "control_depth", "blocks")


def as_folders(named: str | Sequence[str]) -> tuple[str, ...]:
    """One folder or many, as a recipe may name them."""
    return (named,) if isinstance(named, str) else tuple(named)


def is_of_folders(figures: Mapping[str, Any]) -> bool:
    """Whether a recipe's figures are of folders, and not of scenes."""
    return "videos" in figures or "sounds" in figures


def own_names(kind: str, folders: Sequence[str]) -> list[str]:
    """A name for what is kept of each folder; those in different places may be called the same."""
    found: list[str] = []
    for place, folder in enumerate(folders):
        name = Path(folder).name
        again = [Path(other).name for other in folders[:place]].count(name)
        found.append(f"{kind}_{name}" + (f"_{again + 1}" if again else ""))
    return found


def read_media(kind: str, folders: Sequence[str]) -> list[list[CaptionedClip]]:
    """The files of each folder, see `read_files`. kind: "videos", or "sounds", which videos may be
    as well.

    Raises:
        FoleyError: a folder is missing, and one sentence names all of them; one is empty.
    """
    missing = [str(Path(name).absolute()) for name in folders if not Path(name).is_dir()]
    if missing:
        raise FoleyError(
            f"This recipe needs folders of {kind}, and these are missing: {'; '.join(missing)}; "
            f"put or link them there, or name your own as '{kind}' in a copy of the recipe."
        )
    return [read_files(Path(name), has_picture=kind == "videos") for name in folders]


def read_files(folder: Path, *, has_picture: bool) -> list[CaptionedClip]:
    """All sounds and videos of a folder and the folders in it, sorted by name; with `has_picture`
    videos alone. Where VGGSound's list is in it or beside it, the videos of its split "train", in
    its order.

    Raises:
        FoleyError: there is none, or the list cannot be read.
    """
    table = find_table(folder)
    if table is not None and table.suffix == ".csv" and is_list(table):
        paths = [clip.path for clip in read_list(table, folder)]
    else:
        paths = sorted(_walk(folder, tuple(VIDEO_FILES) if has_picture else SUFFIXES))
    if not paths:
        what = "video" if has_picture else "sound or video"
        raise FoleyError(f"{folder.absolute()} has no {what} in it; choose another folder.")
    names = [relative(path, folder) or path.name for path in paths]
    return [CaptionedClip(name, path, (), has_picture) for name, path in zip(names, paths)]


def _walk(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    found = []
    for place, _, names in os.walk(folder):
        found += [
            Path(place, name)
            for name in names
            if Path(name).suffix.lower() in suffixes and not name.startswith(".")
        ]
    return found


def resized(config: Config, network: Mapping[str, Any], known: Sequence[str]) -> Config:
    """The config of a network with the sizes that a recipe gives it.

    Raises:
        FoleyError: a size that is not `known`, or is none.
    """
    if not isinstance(network, Mapping) or set(network) - set(known):
        raise FoleyError(f"The figure 'network' of this recipe may have: {', '.join(known)}.")
    schema = get_type_hints(type(config), include_extras=True)
    try:
        sizes = fitted(network, {name: _bounded(name, schema[name]) for name in known})
    except Unfit as error:
        raise FoleyError(f"The 'network' of this recipe is not right: {error}.") from error
    return replace(config, **sizes)  # type: ignore[type-var]


def _bounded(name: str, kind: Any) -> Any:
    return kind if kind is not int else Depth if name in _DEEP else Size
