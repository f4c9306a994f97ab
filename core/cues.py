"""The cue sheet: what is heard when, as one small JSON that people and programs write.

All times are seconds from the start of the video, or of the take where there is none.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, TypeVar

import numpy as np

from .errors import FoleyError
from .media.files import write_beside
from .weights.schema import Unfit, Within, fitted, fitted_to, parse_json, read_json

FORMAT = "foleystage cues"
VERSION = 1
SLACK = 0.25  # seconds that a cue may reach past the end, where a last frame is held
_LONGEST = 16 << 20  # bytes of a sheet
_NAMED = ("prompts", "hits", "mutes", "takes", "levels")

Moment = Annotated[float, Within(0, 86400)]
Scale = Annotated[float, Within(0, 100)]
Decibels = Annotated[float, Within(-100, 24)]
Number = Annotated[int, Within(1, 64)]


@dataclass(frozen=True)
class Prompt:
    """What is heard from `start` to `end`: words, words to keep away, guidance scale (None: the
    system's own), the file of a reference sound."""

    start: Moment
    end: Moment
    prompt: str = ""
    negative: str = ""
    guidance: Scale | None = None
    reference: str = ""


@dataclass(frozen=True)
class Hit:
    """Something is struck. strength: 0 to 1. material: words for the sound of this hit alone, as
    reference, a file, is its timbre. removed: it was seen, but is not to be heard."""

    time: Moment
    strength: Annotated[float, Within(0, 1)] = 0.8
    material: str = ""
    reference: str = ""
    removed: bool = False


@dataclass(frozen=True)
class Mute:
    """Nothing is heard from `start` to `end`."""

    start: Moment
    end: Moment


@dataclass(frozen=True)
class TakeRange:
    """The number of the take that is heard from `start` to `end`; elsewhere it is take 1."""

    start: Moment
    end: Moment
    take: Number


@dataclass(frozen=True)
class Level:
    """A point of the level curve, a straight line in dB between points and level beyond them."""

    time: Moment
    gain: Decibels


Range = TypeVar("Range", Prompt, TakeRange)


@dataclass(frozen=True)
class CueSheet:
    """seconds: of the video that it was written for. hits: all that are heard; None leaves them to
    what the system sees. Entries are in order of time."""

    seconds: float | None = None
    prompts: tuple[Prompt, ...] = ()
    hits: tuple[Hit, ...] | None = None
    mutes: tuple[Mute, ...] = ()
    takes: tuple[TakeRange, ...] = ()
    levels: tuple[Level, ...] = ()

    def __post_init__(self) -> None:
        for name in _NAMED:
            entries = getattr(self, name)
            if entries is not None:
                object.__setattr__(self, name, tuple(sorted(entries, key=_start)))
        for name, what in (("prompts", "prompt"), ("mutes", "mute"), ("takes", "range of takes")):
            for one in getattr(self, name):
                if not one.start < one.end:
                    raise FoleyError(
                        f"A {what} of the cue sheet must end after it starts, not go from "
                        f"{one.start:g} to {one.end:g} s."
                    )
        _refuse_overlap(self.prompts, "prompts")
        _refuse_overlap(self.takes, "ranges of takes")
        for one, after in zip(self.levels, self.levels[1:]):
            if one.time == after.time:
                raise FoleyError(
                    f"The cue sheet has two levels at {one.time:g} s: leave one of them away."
                )

    @property
    def borders(self) -> tuple[float, ...]:
        """Times at which what a system is told changes."""
        edges = {edge for one in self.prompts for edge in (one.start, one.end)}
        return tuple(sorted(edges))

    @property
    def references(self) -> tuple[str, ...]:
        """The files that it names, each once."""
        named = [one.reference for one in self.prompts]
        named += [one.reference for one in self.hits or ()]
        return tuple(dict.fromkeys(filter(None, named)))

    @property
    def end(self) -> float:
        """The time of its last cue, 0 without any."""
        entries = [one for name in _NAMED for one in getattr(self, name) or ()]
        return max((_stop(one) for one in entries), default=0.0)

    def prompt_at(self, time: float) -> Prompt | None:
        """The prompt that is in force, if any."""
        return next((one for one in self.prompts if one.start <= time < one.end), None)

    def check_end(self, seconds: float, what: str = "The video") -> None:
        """FoleyError for a cue after the end of what it is played to."""
        if self.end <= seconds + SLACK:
            return
        for name in _NAMED:
            for one in getattr(self, name) or ():
                if _stop(one) > seconds + SLACK:
                    raise FoleyError(
                        f"{what} ends at {seconds:.2f} s, but the cue sheet has one of its {name} "
                        f"at {_stop(one):g} s: move it, or take the sheet of this video."
                    )

    def moved(self, by: float) -> CueSheet:
        """The same sheet for a video that begins `by` seconds into another, in seconds of that."""
        if not by:
            return self

        def later(entry: Any) -> Any:
            if hasattr(entry, "time"):
                return replace(entry, time=entry.time + by)
            return replace(entry, start=entry.start + by, end=entry.end + by)

        hits = None if self.hits is None else tuple(map(later, self.hits))
        rest = (self.mutes, self.takes, self.levels)
        prompts = tuple(map(later, self.prompts))
        return CueSheet(None, prompts, hits, *(tuple(map(later, entries)) for entries in rest))

    def shifted(self, start: float, seconds: float) -> CueSheet:
        """The part of it for a take of `seconds` that begins at `start`, in seconds of the take."""
        stop = start + seconds
        within = {
            name: tuple(
                replace(
                    one,
                    start=max(one.start - start, 0.0),
                    end=min(one.end, stop) - start,
                )
                for one in getattr(self, name)
                if one.end > start and one.start < stop
            )
            for name in ("prompts", "mutes", "takes")
        }
        hits = self.hits and tuple(
            replace(one, time=one.time - start) for one in self.hits if start <= one.time < stop
        )
        return CueSheet(seconds, hits=hits, levels=_shifted_levels(self.levels, start), **within)

    def to_json(self) -> str:
        """As text; what is left at its default is left away."""
        sheet: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        if self.seconds is not None:
            sheet["seconds"] = _plain(self.seconds)
        for name in _NAMED:
            entries = getattr(self, name)
            if entries or (name == "hits" and entries is not None):
                sheet[name] = [_written(one) for one in entries]
        lines = [f'  "{name}": {_listed(value)}' for name, value in sheet.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"


def parse_cues(text: str) -> CueSheet:
    """The sheet of JSON text. Raises FoleyError for anything that is none."""
    try:
        return _sheet(parse_json(text, _LONGEST))
    except Unfit as error:
        raise FoleyError(f"The cue sheet cannot be read: {error}.") from error


def read_cues(path: str | os.PathLike[str]) -> CueSheet:
    """The sheet of a file; the files that it names are looked for beside it.

    Raises:
        FoleyError: it cannot be read, or is no cue sheet; one names a file elsewhere.
    """
    try:
        sheet = _sheet(read_json(Path(path), _LONGEST))
    except FileNotFoundError as error:
        raise FoleyError(f"There is no cue sheet '{path}'; write one with `cues`.") from error
    except OSError as error:
        raise FoleyError(
            f"The cue sheet '{path}' cannot be read: {error.strerror or error}."
        ) from error
    except Unfit as error:
        raise FoleyError(f"'{path}' cannot be read as a cue sheet: {error}.") from error
    return with_references(sheet, Path(path).parent)


def write_cues(path: str | os.PathLike[str], sheet: CueSheet) -> None:
    """Write it whole or not at all."""
    with write_beside(Path(path)) as file:
        file.write(sheet.to_json().encode("utf-8"))


def with_references(sheet: CueSheet, folder: Path) -> CueSheet:
    """The sheet with the paths of its files, which lie in a folder or below it: a sheet that
    somebody else has written opens no other file."""

    def placed(name: str) -> str:
        parts = PureWindowsPath(name)
        inside = not (parts.is_absolute() or parts.drive or parts.root)
        if not inside or ".." in parts.parts or PurePosixPath(name).is_absolute():
            raise FoleyError(
                f"The cue sheet names the sound '{name}', which does not lie beside it: copy it "
                "there, and name it without a folder above."
            )
        path = folder.joinpath(*parts.parts)
        if not path.is_file():
            raise FoleyError(f"The cue sheet names the sound '{name}', which is not there.")
        return str(path)

    def found(entry: Any) -> Any:
        return replace(entry, reference=placed(entry.reference)) if entry.reference else entry

    hits = None if sheet.hits is None else tuple(map(found, sheet.hits))
    return replace(sheet, prompts=tuple(map(found, sheet.prompts)), hits=hits)


def _sheet(values: Any) -> CueSheet:
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise Unfit(f'it is not marked "format": "{FORMAT}"')
    version = values.get("version")
    if type(version) is int and version > VERSION:
        raise Unfit(f"it is of version {version}, made by a newer FoleyStage; update this one")
    if type(version) is not int or version != VERSION:
        raise Unfit(f'it needs "version": {VERSION}')
    known = {"seconds": Moment | None, **dict.fromkeys(_NAMED, Any)}
    own = {name: value for name, value in values.items() if name not in ("format", "version")}
    read = fitted(own, known)
    kinds = {
        "prompts": Prompt,
        "hits": Hit,
        "mutes": Mute,
        "takes": TakeRange,
        "levels": Level,
    }
    for name in _NAMED:
        if read.get(name) is not None:
            read[name] = _entries(kinds[name], name, read[name])
        elif name != "hits":
            read.pop(name, None)
    return CueSheet(**read)


def _entries(kind: type, name: str, values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list):
        raise Unfit(f"'{name}' must be a list")
    entries: list[Any] = []
    for number, value in enumerate(values, 1):
        try:
            entries.append(fitted_to(kind, value))
        except Unfit as error:
            raise Unfit(f"number {number} of its {name}: {error}") from error
    return tuple(entries)


def _start(entry: Any) -> float:
    return entry.start if hasattr(entry, "start") else entry.time


def _stop(entry: Any) -> float:
    return entry.end if hasattr(entry, "end") else entry.time


def _refuse_overlap(ranges: Sequence[Range], what: str) -> None:
    for one, after in zip(ranges, ranges[1:]):
        if after.start < one.end:
            raise FoleyError(
                f"Two {what} of the cue sheet overlap, from {one.start:g} to {one.end:g} s and "
                f"from {after.start:g} to {after.end:g} s: let one end where the other starts."
            )


def _shifted_levels(levels: Sequence[Level], start: float) -> tuple[Level, ...]:
    if not start:
        return tuple(levels)
    after = [replace(one, time=one.time - start) for one in levels if one.time > start]
    return (Level(0.0, float(gain_at(levels, start))), *after) if levels else ()


def gain_at(levels: Sequence[Level], times: np.ndarray | float) -> np.ndarray:
    """Decibels of a level curve at some times."""
    curve = levels or (Level(0.0, 0.0),)
    return np.interp(np.asarray(times), [one.time for one in curve], [one.gain for one in curve])


def _written(entry: Any) -> dict[str, Any]:
    """What of an entry is not at its default."""
    defaults = {one.name: one.default for one in fields(entry)}
    return {k: _plain(v) for k, v in asdict(entry).items() if v != defaults[k]}


def _plain(value: Any) -> Any:
    """A number to the tenth of a millisecond, without a decimal point where it is whole."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    short = round(value, 4)
    return int(short) if short.is_integer() else short


def _listed(value: Any) -> str:
    """A value as JSON, a list with one entry a line."""
    if not isinstance(value, list) or not value:
        return json.dumps(value, ensure_ascii=False)
    entries = ",\n".join(f"    {json.dumps(one, ensure_ascii=False)}" for one in value)
    return f"[\n{entries}\n  ]"
