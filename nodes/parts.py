"""The parts that can be loaded, one table a kind, and how a loader's choice is found in them.

What lies in the models folder is told apart by the family written in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.errors import FoleyError
from ..core.weights.detect import detect
from ..core.weights.store import download, find, locate
from . import mdsgen_rows, mini_rows, mmaudio_rows
from .folders import model_folders, weights_files
from .progress import progress_bar, stop_if_cancelled
from .rows import CodecPart, GeneratorPart, Part, TextEncoderPart, VideoEncoderPart

_FAMILIES = (mini_rows, mdsgen_rows, mmaudio_rows)
GENERATORS: dict[str, GeneratorPart] = {}
VIDEO_ENCODERS: dict[str, VideoEncoderPart] = {}
TEXT_ENCODERS: dict[str, TextEncoderPart] = {}
CODECS: dict[str, CodecPart] = {}
for _rows in _FAMILIES:
    GENERATORS |= _rows.generators()
    VIDEO_ENCODERS |= _rows.video_encoders()
    TEXT_ENCODERS |= _rows.text_encoders()
    CODECS |= _rows.codecs()


def choices(table: Mapping[str, Part], *, absent: bool = False) -> list[str]:
    """Names of the rows whose file is there, then the weights files in the models folders.

    absent: then those of the other rows too.
    """
    rows = [name for name, part in table.items() if present(part)]
    listed = dict.fromkeys([*rows, *weights_files(), *(table if absent else ())])
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


def licences(table: Mapping[str, Part]) -> str:
    """A line for each row, for a tooltip."""
    return "\n".join(part.about for part in table.values())


def find_part(table: Mapping[str, Any], choice: str, found: Callable[[str], str]) -> tuple:
    """The row and the weights file that a loader's choice means.

    A choice is a row's name, or a file that `found` turns into a path. Raises FoleyError for a file
    of another family, or one that is not there.
    """
    if choice in table:
        part = table[choice]
        path = part.weights or locate_row(part)
    else:
        path = Path(found(choice))
        part = _row_of(table, path)
    adapt = getattr(part, "of_file", None)
    return (adapt(part, path) if adapt else part), path


def locate_row(part: Part) -> Path:
    """The file of a row that is not bundled; FoleyError says how to get what is missing."""
    return [locate(name, model_folders()) for name in registered(part)][0]


def present(part: Part) -> bool:
    """Whether every file of a row is on this machine."""
    if part.weights is not None:
        return True
    return all(find(name, model_folders()) is not None for name in registered(part))


def registered(part: Part) -> tuple[str, ...]:
    """What a row that is not bundled is called in the registry of weights."""
    return part.files or (part.name,)


def _row_of(table: Mapping[str, Any], path: Path) -> Part:
    """The row of a file, told by its mark or its keys; of several sizes the one that it is."""
    found = detect(path)
    rows = [part for part in table.values() if found is not None and part.family == found.name]
    if not rows:
        fitting = ", ".join(name for name, part in table.items() if present(part))
        raise FoleyError(
            f"{path.name} is not a file that this node can load: choose one of {fitting}, or a "
            "file trained from one of their recipes."
        )
    named = [part for part in rows if found.variant and part.name.endswith(found.variant)]
    return (named or rows)[0]


def text_encoder_of(part: GeneratorPart, choice: str) -> str:
    """The text encoder that a model was trained with, "" for none; it may lie in the model's own
    file. choice: what the model was loaded as."""
    inside = part.text and TEXT_ENCODERS[part.text].family == part.family
    return choice if inside and choice != part.name else part.text


def require(part: str, wanted: str, what: str, loader: str) -> None:
    """FoleyError that names the part that fits, when another one is connected."""
    if part != wanted:
        raise FoleyError(
            f"{what} was made with {part}, but this model was trained with {wanted}: choose "
            f"{wanted} in {loader}."
        )
