"""What became of each clip: `manifest.jsonl`, one line a clip as it ends, and the journals.

The last line of a clip counts: one that failed and is tried again has two.

A file gets its name before its line can stand in the manifest, and a run can be killed in between.
So whoever makes a clip first writes the line, with the size and time of its files, to a journal of
its own; these stay when a file is moved. What a journal says and the disk confirms was made, and
the next run enters it in the manifest instead of making it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ..errors import FoleyError
from ..leftovers import lock
from ..media.files import check_place, refusing
from ..weights.schema import Unfit, parse_json

# A line is written whole.
HOLDS_SIGNALS = True

MANIFEST = "manifest.jsonl"
_JOURNALS = ".foleystage-*.journal"
_PATIENCE = 10.0  # seconds in which processes whose run was killed have ended
_WAIT = 0.05
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Record:
    """A line of the manifest.

    input, output: the clip's name and output. outputs: the file of each take, relative to the
    folder. reason: why there is none, a sentence. seconds: length of a take; loudness: LUFS of
    each, None for silence. key: see `Settings.key`. notes: what there was to say about it.
    """

    input: str
    output: str
    status: Literal["done", "failed"]
    key: str
    seed: int = 0
    outputs: tuple[str, ...] = ()
    reason: str = ""
    seconds: float | None = None
    loudness: tuple[float | None, ...] = ()
    notes: tuple[str, ...] = ()

    def line(self, **more: Any) -> bytes:
        """As JSON and a line break."""
        return json.dumps({**asdict(self), **more}, sort_keys=True).encode() + b"\n"


def record_of(values: Mapping[str, Any]) -> Record:
    """The record that JSON holds; other keys are left out. Raises Unfit for anything else."""
    kinds = {"input": str, "output": str, "status": str, "key": str}
    if not isinstance(values, Mapping) or not all(
        isinstance(values.get(name), kind) for name, kind in kinds.items()
    ):
        raise Unfit("it is no clip's")
    known = {name: values[name] for name in Record.__dataclass_fields__ if name in values}
    for name in ("outputs", "loudness", "notes"):
        known[name] = tuple(known.get(name) or ())
    return Record(**known)


class Manifest:
    """The manifest of a folder, open for one run, to which no other can add meanwhile.

    Raises:
        FoleyError: another run is writing there, the file is none of ours or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / MANIFEST
        self._folder = folder
        self._last: dict[str, Record] = {}
        check_place(self.path)
        with refusing(self.path):
            self._file = open(self.path, "a+b", buffering=0)
        try:
            if lock(self._file) is False:
                raise self._busy()
            self._read()
            self._enter_journals()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        """Enters what the journals of the run still hold; a manifest without a line is deleted."""
        with contextlib.suppress(FoleyError):  # the next run does it
            self._enter_journals()
        if not self._last:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._file.close()

    def last(self, output: str) -> Record | None:
        """What became of an output last."""
        return self._last.get(output)

    def add(self, record: Record) -> None:
        """Adds a line. Raises FoleyError where it cannot be written, which leaves the others."""
        _append(self._file, self.path, record.line())
        self._last[record.output] = record

    def _busy(self) -> FoleyError:
        return FoleyError(
            f"Another run is writing to '{self._folder}': wait for its end, or choose another "
            "folder."
        )

    def _read(self) -> None:
        self._file.seek(0)
        whole = self._file.seek(0, os.SEEK_END)
        if whole > _MOST_BYTES:
            raise self._foreign("it is too large")
        self._file.seek(0)
        *lines, torn = self._file.read().split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                record = record_of(parse_json(line))
            except (Unfit, UnicodeDecodeError, TypeError) as error:
                raise self._foreign(f"line {number}: {error}") from None
            self._last[record.output] = record
        if torn:
            if not torn.startswith((b"{", b"\0")):
                raise self._foreign("its last line is no clip's")
            with refusing(self.path):  # a run was killed while it wrote
                os.ftruncate(self._file.fileno(), whole - len(torn))

    def _foreign(self, why: str) -> FoleyError:
        return FoleyError(
            f"'{self.path}' is no manifest of a batch ({why}): move it away, or choose another "
            "folder."
        )

    def _enter_journals(self) -> None:
        """Enters what was made and not entered; the journals are deleted."""
        for path in sorted(self._folder.glob(_JOURNALS)):
            with refusing(path), contextlib.suppress(FileNotFoundError):
                with path.open("r+b") as file:
                    self._await_end(file)
                    for record, stamps in _journaled(file.read()):
                        last = self._last.get(record.output)
                        entered = last == record or (
                            last is not None and last.status == "done" and last.key == record.key
                        )
                        if not entered and _are_there(self._folder, record, stamps):
                            self.add(record)
                path.unlink()

    def _await_end(self, file: BinaryIO) -> None:
        """Waits for the process that writes a journal; one whose run was killed ends by itself."""
        until = time.monotonic() + _PATIENCE
        while lock(file) is False:
            if time.monotonic() > until:
                raise self._busy()
            time.sleep(_WAIT)


class Journal:
    """What one process has made, or is about to give its name."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _JOURNALS.replace("*", secrets.token_hex(8))
        with refusing(self.path):
            self._file = open(self.path, "xb", buffering=0)
        lock(self._file)

    def add(self, record: Record, stamps: Mapping[str, tuple[int, int]]) -> None:
        """Before the files take their places. stamps: size and time in ns of each of its `outputs`.

        Raises:
            FoleyError: it cannot be written, so that the files must not take their places.
        """
        _append(self._file, self.path, record.line(stamps=stamps))

    def close(self) -> None:
        """What it says stays, for the manifest."""
        self._file.close()


def _append(file: Any, path: Path, line: bytes) -> None:
    """One line at the end of an unbuffered file, all of it or nothing."""
    end = os.fstat(file.fileno()).st_size
    with refusing(path):
        try:
            written = 0
            while written < len(line):  # a disk that gets full takes a part
                written += file.write(line[written:])
        except OSError:
            os.ftruncate(file.fileno(), end)
            raise


def _journaled(text: bytes) -> Iterator[tuple[Record, Mapping[str, Any]]]:
    """The lines of a journal; one that is torn is of files that never took their places."""
    for line in text.split(b"\n"):
        with contextlib.suppress(Unfit, UnicodeDecodeError, TypeError):
            values = parse_json(line)
            record = record_of(values)
            if isinstance(values.get("stamps"), Mapping):
                yield record, values["stamps"]


def _are_there(folder: Path, record: Record, stamps: Mapping[str, Any]) -> bool:
    """Whether the files of a record are the ones that a journal announced."""
    if not record.outputs or set(record.outputs) != stamps.keys():
        return False
    for name, stamp in stamps.items():
        try:
            about = (folder / name).stat()
        except (OSError, ValueError):
            return False
        if [about.st_size, about.st_mtime_ns] != stamp:
            return False
    return True
