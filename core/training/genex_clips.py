"""Folders of videos and of sounds with their captions, as FoleyGenEx is trained on (section 4.1).

A folder's table is `captions.csv` in it, as `foleystage augment` writes one, or `FOLDER.csv` beside
it: with a header, a column of file names and columns of captions (see `captions`), or without one
as VGGSound comes, name, start, label, split (see `video_folder`). One that ends in .json is as
WavCaps comes: "data", a list of "id" and "caption".
"""

from __future__ import annotations

import csv
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import FoleyError
from ..media import probe
from ..media.probe import sound_seconds
from ..weights.schema import read_json
from .captions import Captioned, find_sound, read_captions, relative
from .video_folder import read_list

log = logging.getLogger(__name__)

MOST_PIECES = 5
_LONGEST_TABLE = 256 << 20  # bytes of captions as JSON
_TABLES = (".csv", ".tsv", ".json")
_SPLITS = ("train", "test")
_VALIDATION_ONE_IN = 100


@dataclass(frozen=True)
class CaptionedClip:
    """A file that is there, by its name in its folder, and what may be said of it."""

    name: str
    path: Path
    captions: tuple[str, ...]
    has_picture: bool


def find_table(folder: Path) -> Path | None:
    """The table of a folder's captions, None where there is none."""
    own = [folder / f"captions{suffix}" for suffix in _TABLES]
    beside = [folder.parent / f"{folder.name}{suffix}" for suffix in _TABLES]
    return next((path for path in (*own, *beside) if path.is_file()), None)


def check_folders(videos: Sequence[str], sounds: Sequence[str]) -> None:
    """FoleyError, one sentence that names all that is missing, unless every folder is there and has
    its captions."""
    if not videos and not sounds:
        raise FoleyError("The recipe needs 'videos' or 'sounds', folders with captions.")
    missing = []
    for kind, names in (("videos", videos), ("sounds", sounds)):
        for path in (Path(name).absolute() for name in names):
            if not path.is_dir():
                missing.append(f"a folder of {kind} at {path}")
            elif find_table(path) is None:
                missing.append(f"the captions of {path}")
    if missing:
        raise FoleyError(
            "This recipe needs folders with captions (captions.csv in them, or FOLDER.csv beside "
            f"them), and these are missing: {'; '.join(missing)}; put or link them there, or name "
            "your own as 'videos' and 'sounds' in a copy of the recipe."
        )


def read_folder(folder: Path, *, has_picture: bool) -> list[CaptionedClip]:
    """The files of a folder that its table names, each once with all its captions, in the table's
    order; rows without a file are counted and logged.

    Raises:
        FoleyError: no table, one that cannot be read, or no row has a file.
    """
    table = find_table(folder)
    if table is None:
        raise FoleyError(f"{folder} has no captions.csv, nor is {folder.name}.csv beside it.")
    rows = _rows(table, folder)
    captions: dict[Path, list[str]] = {}
    for path, caption in rows:
        if path is not None and caption not in captions.setdefault(path, []):
            captions[path].append(caption)
    if not captions:
        raise FoleyError(
            f"None of the {len(rows)} files that {table.name} names is in {folder}; check both."
        )
    lost = sum(path is None for path, _ in rows)
    if lost:
        log.warning("%d of %d files that %s names are not there.", lost, len(rows), table.name)
    return [
        CaptionedClip(relative(path, folder) or path.name, path, tuple(texts), has_picture)
        for path, texts in captions.items()
    ]


def _rows(table: Path, folder: Path) -> list[tuple[Path | None, str]]:
    """File and caption of each row that is to be trained on."""
    if table.suffix == ".json":
        return [(_find(folder, row.file), row.caption) for row in _read_json(table)]
    if not is_list(table):
        return [(find_sound(folder, row), row.caption) for row in read_captions(table)]
    clips = read_list(table, folder)
    unlabelled = next((clip.name for clip in clips if not clip.label), None)
    if unlabelled is not None:
        raise FoleyError(f"{table.name} has no label for {unlabelled}; give each row one.")
    return [(clip.path, clip.label) for clip in clips]


def _read_json(table: Path) -> list[Captioned]:
    try:
        rows = read_json(table, _LONGEST_TABLE)["data"]
        found = [Captioned(str(row["id"]), row["caption"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FoleyError(
            f'The captions {table} cannot be read; they need "data", a list of "id" and "caption".'
        ) from error
    if not all(isinstance(row.caption, str) and row.caption.strip() for row in found):
        raise FoleyError(f"{table.name} has a row whose caption is no text; give each one.")
    return found


def _find(folder: Path, name: str) -> Path | None:
    """The file of an id, which may have the suffix of what it was made from."""
    return find_sound(folder, Captioned(name, "")) or find_sound(
        folder, Captioned(Path(name).stem, "")
    )


def is_list(table: Path) -> bool:
    """Whether it is a list of name, start, label and split."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            first = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False  # `read_captions` says what is wrong
    return len(first) >= 4 and first[3].strip() in _SPLITS


def starts(clip: CaptionedClip, seconds: float) -> list[float]:
    """Where the parts of `seconds` begin that are trained on.

    Of a video the last; of a sound up to twice as long the first, of a longer one up to five, apart
    from each other and spread evenly. Raises FoleyError for a file that cannot be opened.
    """
    if clip.has_picture:
        return [max(0.0, probe(clip.path).seconds - seconds)]
    length = sound_seconds(clip.path)
    count = 1 if length <= 2 * seconds else min(MOST_PIECES, int(length / seconds))
    return [(length - seconds) * k / max(count - 1, 1) for k in range(count)] if count > 1 else [0]


def is_held_out(name: str) -> bool:
    """Whether a file is for validation: one in 100, whatever else there is."""
    return zlib.crc32(name.encode("utf-8", "surrogateescape")) % _VALIDATION_ONE_IN == 0
