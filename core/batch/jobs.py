"""What a batch is asked for: its clips, and what is the same for all of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import groupby
from pathlib import Path
from typing import Any

from ..cues import CueSheet
from ..loading import Loading
from ..media.mux import PictureMode
from ..reference import ReferencePick
from ..request import Request
from ..results.planning import numbered

SOUNDS = ("reference", "context")  # files of a request
_VERSION = 1  # of what a key stands for


@dataclass(frozen=True)
class Clip:
    """A video and what is asked for it.

    name: of the video in the manifest, relative to the folder or as a table has it. output: the
    file to write, relative to the batch's folder, with "/". said: where it was asked for ("Line 3
    of clips.csv: "), "" in a folder.
    """

    source: Path
    name: str
    output: str
    request: Request
    said: str = ""


@dataclass(frozen=True)
class Settings:
    """out: folder of the outputs. model, device, loading: of the system. mix, picture: as of
    `write_take`."""

    out: Path
    model: str = "ac_foley_mini"
    device: str = "auto"
    loading: Loading = field(default_factory=Loading)
    mix: float | None = None
    picture: PictureMode = "copy"

    def files(self, clip: Clip) -> tuple[Path, ...]:
        """The file of each take of a clip."""
        return numbered(self.out / clip.output, clip.request.takes)

    def key(self, clip: Clip) -> str:
        """A name for all that a clip's takes depend on, as far as their level of rounding: another
        device and another cache are not other takes."""
        asked: list[Any] = [_VERSION, clip.name, clip.output, file_stamp(clip.source)]
        # What is not asked for is left out, so that a later option changes no older key.
        asked += _asked(clip.request)
        asked += [file_stamp(Path(self.model)) or self.model, self.loading.precision]
        asked += [[role, file_stamp(Path(path))] for role, path in self.loading.files.items()]
        asked += [self.mix, self.picture]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]


def _asked(request: Request) -> list[Any]:
    """Names and values of a request where they are not as they are by themselves, as JSON; a sound
    by its file."""
    asked = []
    for one in fields(request):
        value = getattr(request, one.name)
        if value == one.default:
            continue
        if one.name in SOUNDS and isinstance(value, (str, os.PathLike)):
            value = file_stamp(Path(value)) or os.fspath(value)
        elif isinstance(value, ReferencePick):
            value = asdict(value)
        elif isinstance(value, CueSheet):
            sounds = [file_stamp(Path(path)) for path in value.references]
            value = [value.to_json(), sounds]
        asked.append([one.name, value])
    return asked


def file_stamp(path: Path) -> list[Any]:
    """Name, bytes and time of change of a file, nothing where there is none."""
    try:
        about = path.stat()
    except (OSError, ValueError):
        return []
    return [path.name, about.st_size, about.st_mtime_ns]


def groups_of(clips: Sequence[Clip], processes: int) -> list[tuple[Clip, ...]]:
    """Clips of one video together, in the order of their first, so that it is encoded once; none
    holds more than a process's share of all."""
    share = max(1, -(-len(clips) // processes))
    place: dict[Path, int] = {}
    for clip in clips:
        place.setdefault(clip.source, len(place))
    ordered = sorted(clips, key=lambda clip: place[clip.source])
    groups = []
    for _, same in groupby(ordered, key=lambda clip: clip.source):
        of_one = tuple(same)
        groups += [of_one[first : first + share] for first in range(0, len(of_one), share)]
    return groups
