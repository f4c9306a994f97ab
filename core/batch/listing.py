"""The clips of a batch, of a folder of videos or of a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..cues import read_cues
from ..errors import FoleyError
from ..media.formats import SOUND_FILES, VIDEO_FILES
from ..request import Request
from .jobs import Clip, Settings

# Containers that are read and not written; what a suffix does not tell fails with its sentence.
_READ_ONLY = (
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".m2ts",
    ".wmv",
    ".flv",
    ".mxf",
    ".3gp",
    ".ogv",
)
_SUFFIXES = frozenset((*VIDEO_FILES, *_READ_ONLY))
_WRITTEN = (*VIDEO_FILES, *SOUND_FILES)
# What holds the pictures of those that are not written.
_FALLBACK = ".mkv"
_SHOWN = 40  # characters of a wrong cell in a message


@dataclass(frozen=True)
class Listing:
    """clips: in the order of the folder's names or of the table. others: files of the folder that
    are no videos."""

    clips: tuple[Clip, ...]
    others: int = 0


def list_clips(source: Path | str, settings: Settings, request: Request, form: str = "") -> Listing:
    """The clips of a folder of videos, or of a table (.csv). request: for all of them, unless a row
    says otherwise. form: suffix of the outputs without its dot; "" is that of each video where it
    can be written, and mkv otherwise.

    Raises:
        FoleyError: neither of both, no video, a table that is not right, a row without its files,
            outputs that are the same or a source.
    """
    source = Path(source)
    if source.is_dir():
        listing = _read_folder(source, settings.out, request, form)
    elif source.suffix.lower() == ".csv":
        listing = Listing(tuple(_read_table(source, request, form)))
    elif source.exists():
        raise FoleyError(
            f"'{source}' is neither a folder of videos nor a table (.csv) of them: one video alone "
            "is what the command generate takes."
        )
    else:
        raise FoleyError(f"There is no folder or table '{source}': check the path.")
    _check_outputs(listing.clips, settings)
    return listing


def _read_folder(folder: Path, out: Path, request: Request, form: str) -> Listing:
    if _same(folder, out):
        raise FoleyError(
            f"'{out}' is the folder of the videos themselves: give the new ones a folder of their "
            "own."
        )
    videos, others = videos_of(folder, out)
    names = [path.relative_to(folder).as_posix() for path in videos]
    clips = [
        Clip(path, name, _output_of(name, form), request)
        for path, name in zip(videos, names, strict=True)
    ]
    return Listing(tuple(clips), others)


def videos_of(folder: Path, out: Path | None = None) -> tuple[list[Path], int]:
    """The videos below a folder, but for those of the folder `out`, by their names; and how many
    other files there are.

    Raises:
        FoleyError: there is no video.
    """
    paths = sorted(_files(folder, out))
    videos = [path for path in paths if path.suffix.lower() in _SUFFIXES]
    if not videos:
        raise FoleyError(f"'{folder}' has no video in it: choose another folder.")
    return videos, len(paths) - len(videos)


def _files(folder: Path, out: Path | None) -> Iterator[Path]:
    """All files below a folder, but for hidden ones and those of `out`."""
    for place, folders, names in os.walk(folder):
        here = Path(place)
        shown = [name for name in folders if name[:1] != "."]
        folders[:] = [name for name in shown if out is None or not _same(here / name, out)]
        yield from (here / name for name in names if name[:1] != ".")


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _output_of(name: str, form: str) -> str:
    """The output of a video, beside its name or below its folder."""
    path = Path(name)
    suffix = f".{form}" if form else path.suffix
    return path.with_suffix(suffix if suffix.lower() in _WRITTEN else _FALLBACK).as_posix()


Cell = Callable[[str], Any]


def _text(cell: str) -> str:
    return cell


def _whole(cell: str) -> int:
    try:
        return int(cell)
    except ValueError:
        raise FoleyError(f"a seed is a whole number, not '{cell[:_SHOWN]}'.") from None


def _seconds(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise FoleyError(f"seconds are a number, as 2.5, not '{cell[:_SHOWN]}'.") from None


# What a column sets of a request; files are looked for beside the table.
_FIELDS: Mapping[str, Cell] = {
    "prompt": _text,
    "negative": _text,
    "reference": _text,
    "cues": read_cues,
    "seed": _whole,
    "start": _seconds,
    "seconds": _seconds,
}
_FILES = ("reference", "cues")
COLUMNS = ("video", *_FIELDS, "output")


def _read_table(table: Path, request: Request, form: str) -> Iterator[Clip]:
    rows = _rows(table)
    _check_files(table, rows)
    for said, row in rows:
        values = {name: cell for name, cell in row.items() if name in _FIELDS and cell}
        values |= {name: str(table.parent / values[name]) for name in _FILES if name in values}
        try:
            asked = replace(request, **{k: _FIELDS[k](cell) for k, cell in values.items()})
            asked.check()
        except FoleyError as error:
            raise FoleyError(f"{said}{error}") from None
        name = row["video"]
        output = _named_output(row.get("output", ""), name, form, said)
        yield Clip(table.parent / name, name, output, asked, said)


def _rows(table: Path) -> list[tuple[str, dict[str, str]]]:
    """Where each row is, for messages, and its cells by column, without spaces around them."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except UnicodeDecodeError:
        raise FoleyError(f"'{table}' is not UTF-8 text: save it as CSV in UTF-8.") from None
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise FoleyError(f"'{table}' cannot be read as CSV ({reason}): export it again.") from None
    if len(lines) < 2:
        raise FoleyError(
            f"'{table}' has no rows: its first line names the columns, and each other is a clip."
        )
    columns = [name.strip().lower() for name in lines[0][1]]
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or "video" not in columns or len(set(columns)) < len(columns):
        what = f"the column '{unknown[0][:_SHOWN]}'" if unknown else "no column video"
        if not unknown and "video" in columns:
            what = "the same column twice"
        raise FoleyError(
            f"'{table}' has {what}: it needs video and may have {', '.join(COLUMNS[1:])}."
        )
    found = []
    for number, cells in lines[1:]:
        said = f"Line {number} of {table.name}: "
        if len(cells) > len(columns):
            raise FoleyError(
                f"{said}it has {len(cells)} cells for {len(columns)} columns; put text with a "
                "comma in quotes."
            )
        cells += [""] * (len(columns) - len(cells))
        found.append((said, dict(zip(columns, map(str.strip, cells)))))
    return found


def _check_files(table: Path, rows: Sequence[tuple[str, Mapping[str, str]]]) -> None:
    """FoleyError unless every row names a video and all its files are there."""
    wrong = []
    for said, row in rows:
        if not row["video"]:
            wrong.append(f"{said}it names no video")
        for name in ("video", *_FILES):
            if row.get(name) and not os.path.isfile(table.parent / row[name]):
                wrong.append(f"{said}there is no file '{row[name]}'")
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise FoleyError(f"{wrong[0]}{more}; paths are relative to the table.")


def _named_output(given: str, video: str, form: str, said: str) -> str:
    """The output that a row names, or that follows from its video."""
    if not given:
        path = Path(os.path.normpath(video))
        inside = not path.is_absolute() and path.parts[0] != ".."
        return _output_of(path.as_posix() if inside else path.name, form)
    path = Path(os.path.normpath(given))
    if "\0" in given or path == Path() or path.is_absolute() or path.parts[0] == "..":
        raise FoleyError(
            f"{said}the output '{given}' leads out of the folder for outputs; name a file in it."
        )
    if not path.suffix:
        path = Path(_output_of(f"{path.as_posix()}{Path(video).suffix}", form))
    if path.suffix.lower() not in _WRITTEN:
        raise FoleyError(f"{said}the output '{given}' must end in {', '.join(_WRITTEN)}.")
    return path.as_posix()


def _check_outputs(clips: Sequence[Clip], settings: Settings) -> None:
    """FoleyError where a file would be written twice, or read by another clip."""
    read = {os.path.realpath(clip.source): clip for clip in clips}
    for clip in clips:
        for sound in (clip.request.reference, clip.request.context):
            if isinstance(sound, (str, os.PathLike)):
                read.setdefault(os.path.realpath(sound), clip)
    written: dict[str, Clip] = {}
    for clip in clips:
        for path in settings.files(clip):
            place = os.path.realpath(path)
            if place in read:
                raise FoleyError(
                    f"{clip.said}'{path}' would be written over, and it is a source of this batch: "
                    "choose another folder for the outputs."
                )
            # Names in other cases are one file to some disks.
            other = written.setdefault(place.casefold(), clip)
            if other is not clip:
                raise FoleyError(
                    f"{clip.said}'{clip.name}' and '{other.name}' would both be written to "
                    f"'{clip.output}'; give each an output of its own (column output of a table)."
                )
