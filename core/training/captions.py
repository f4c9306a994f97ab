"""Tables of sounds and their captions, CSV with a header; the files they name; new captions."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from ..errors import FoleyError
from ..media.files import write_beside

FILE_COLUMNS = (
    *("file", "file_name", "filename", "file_path", "filepath", "path"),
    *("audio", "audio_file", "audio_path", "audio_filepath", "wav", "sound", "source"),
    *("video", "video_path", "video_id", "youtube_id", "ytid", "name", "id"),
)
CAPTION_COLUMNS = ("caption", "captions", "text", "label", "description", "sentence")
_START_COLUMNS = ("start_time", "start", "start_seconds")
# What AudioCaps, Clotho, VGGSound and WavCaps come as.
SUFFIXES = (
    *(".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff"),
    *(".mp4", ".mkv", ".webm", ".mov", ".m4v", ".avi"),
)
# What a caption must not speak of: how the sound was made out of another.
_PROCESSING = re.compile(
    r"\b(?:reverb\w*|playback|low[- ]pass\w*|filtered|resampl\w*|augment\w*|pitch[- ]shift\w*|"
    r"audio effects?|edited|processed|manipulated|modified|"
    r"(?:original|source|input) (?:audio|clip|recording|sound))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Captioned:
    """One row of a table: a file by name, as written there, and its caption; where in a longer
    video it was cut from, "" when that is not said."""

    file: str
    caption: str
    start: str = ""


@dataclass(frozen=True)
class Derived:
    """One row of a written table: a sound beside it, its caption, the sound that it was made from,
    and how."""

    file: str
    caption: str
    source: str
    operation: str


@dataclass(frozen=True)
class NewCaptions:
    """Captions by source and operation; `refused` of the rows were of no use."""

    captions: dict[tuple[str, str], list[str]]
    refused: int = 0


def read_captions(path: Path | str) -> list[Captioned]:
    """The rows of a table (.csv, or .tsv) with a file and a caption, in its order.

    A row with several captions (caption_1, caption_2, ..., as Clotho comes) is that many rows.

    Raises:
        FoleyError: not to be read, no column of files or of captions, no row.
    """
    path = Path(path)
    columns, rows = _read_table(path)
    file = _column(columns, FILE_COLUMNS)
    texts = [c for c in columns if re.sub(r"_\d+$", "", c) in CAPTION_COLUMNS]
    if file is None or not texts:
        missing = f"file names ({', '.join(FILE_COLUMNS[:4])}, youtube_id, ...)"
        if file is not None:
            missing = f"captions ({', '.join(CAPTION_COLUMNS)})"
        raise FoleyError(
            f"{path.name} has no column of {missing}; its header is: {', '.join(columns)}."
        )
    start = _column(columns, _START_COLUMNS)
    found = [
        Captioned(row[file], row[text], row.get(start, "") if start else "")
        for row in rows
        for text in texts
        if row[file] and row[text]
    ]
    if not found:
        raise FoleyError(f"{path.name} has no row with both a file name and a caption.")
    return found


def read_new_captions(path: Path | str, most_words: int) -> NewCaptions:
    """Captions that somebody else wrote, by (source, operation).

    Left out and counted: rows without one of the three, longer ones, and those that speak of how
    the sound was made. Raises FoleyError for a table that cannot be read or lacks a column.
    """
    path = Path(path)
    columns, rows = _read_table(path)
    named = [
        _column(columns, names)
        for names in (("source", *FILE_COLUMNS), ("operation",), CAPTION_COLUMNS)
    ]
    if None in named:
        raise FoleyError(
            f"{path.name} needs the columns source, operation and caption; its header is: "
            f"{', '.join(columns)}."
        )
    captions: dict[tuple[str, str], list[str]] = {}
    refused = 0
    for row in rows:
        source, operation, caption = (row[name] for name in named if name)
        good = source and operation and caption and not _PROCESSING.search(caption)
        if not good or len(caption.split()) > most_words:
            refused += 1
        else:
            captions.setdefault((source, operation), []).append(caption)
    return NewCaptions(captions, refused)


def write_captions(path: Path, rows: Sequence[Derived]) -> None:
    """A table of file, caption, source, operation, whole or not at all."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "caption", "source", "operation"))
    writer.writerows((row.file, row.caption, row.source, row.operation) for row in rows)
    with write_beside(path) as sink:
        sink.write(text.getvalue().encode("utf-8", "surrogateescape"))


def find_sound(folder: Path, row: Captioned) -> Path | None:
    """The file of a row: by its name, with any of `SUFFIXES`, or as AudioCaps and VGGSound call it
    (`NAME_START`, `YNAME`). None where there is none, or where the name leads out of the folder.
    """
    named = folder / row.file
    if is_inside(named, folder):
        return named
    starts = (row.start, row.start.zfill(6)) if row.start else ()
    stems = (row.file, *(f"{row.file}_{start}" for start in starts), f"Y{row.file}")
    candidates = (folder / f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES)
    return next((path for path in candidates if is_inside(path, folder)), None)


def is_inside(path: Path, folder: Path) -> bool:
    """Whether it is a file of a folder, by name: a folder of links to files elsewhere is as good as
    one of files."""
    try:
        return path.is_file() and relative(path, folder) is not None
    except (OSError, ValueError):  # too long a name, a null byte
        return False


def relative(path: Path, folder: Path) -> str | None:
    """A path as seen from a folder, with "/"; None where it leads out of it."""
    place, home = (Path(os.path.abspath(one)) for one in (path, folder))
    return place.relative_to(home).as_posix() if place.is_relative_to(home) else None


def _read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns, in lower case, and rows without spaces at either end of a cell."""
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file, delimiter=separator) if line]
    except UnicodeDecodeError as error:
        raise FoleyError(f"The table {path} is not UTF-8 text; save it as CSV in UTF-8.") from error
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise FoleyError(f"The table {path} cannot be read ({reason}); give a CSV.") from error
    if not lines:
        raise FoleyError(f"The table {path} is empty; its first line names the columns.")
    columns = [re.sub(r"\s+", "_", name.strip().lower()) for name in lines[0]]
    padding = [""] * len(columns)
    rows = [dict(zip(columns, [c.strip() for c in line] + padding)) for line in lines[1:]]
    return columns, rows


def _column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)
