"""Output files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import av

from ..errors import DiskFull, FoleyError
from ..leftovers import create_temporary, sweep, sweep_once
from .source import Source, file_name

# No signal breaks off what is done here: a muxer that calls a Sink can pass no exception on, and
# files that belong together are moved together.
HOLDS_SIGNALS = True

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class Sink:
    """A file for a muxer to write, beside the place that it is to take.

    The first error is raised and remembered, for a muxer may swallow it; after that nothing is
    written any more and nothing raised, for PyAV prints what it cannot raise. It has no `close`, so
    that the muxer leaves the end to `write_beside`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: OSError | None = None
        self.finished = False
        self._beside, self._file = create_temporary(path.parent)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        self._unless_failed(self._file.write, data)
        return len(data)

    def draw(self, figure: Any, *, dpi: int) -> None:
        """Writes a figure of matplotlib's as PNG."""
        figure.savefig(self, format="png", dpi=dpi)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._unless_failed(self._file.seek, offset, whence)

    def tell(self) -> int:
        return self._unless_failed(self._file.tell)

    def _unless_failed(self, act: Callable[..., int], *arguments: object) -> int:
        try:
            return 0 if self.error is not None else act(*arguments)
        except OSError as error:
            self.error = error
            raise

    def finish(self) -> None:
        """Everything onto the disk; raises what went wrong on the way."""
        if self.error is not None:
            raise self.error
        self._file.flush()
        os.fsync(self._file.fileno())
        self.finished = True

    def stamp(self) -> tuple[int, int]:
        """Bytes and time of change in ns of what is finished; both stay when it is moved."""
        about = os.fstat(self._file.fileno())
        return about.st_size, about.st_mtime_ns

    def move(self) -> None:
        """To its place."""
        if os.name == "nt":  # where no open file can be moved
            self._file.close()
        os.replace(self._beside, self.path)

    def discard(self) -> None:
        """Closes it; nothing is left of it unless it was moved."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._beside.unlink(missing_ok=True)


_together: ContextVar[list[Sink] | None] = ContextVar("_together", default=None)


@contextlib.contextmanager
def write_together() -> Iterator[list[Sink]]:
    """What `write_beside` writes in this block takes its places at the end, all of it or nothing.

    Raises:
        FoleyError: a file that cannot be moved to its place.
    """
    outer = _together.get()
    if outer is not None:
        yield outer
        return
    sinks: list[Sink] = []
    token = _together.set(sinks)
    try:
        yield sinks
        finished = [sink for sink in sinks if sink.finished]
        for sink in finished:
            check_place(sink.path)
        for sink in finished:
            with refusing(sink.path):
                sink.move()
    finally:
        _together.reset(token)
        for sink in sinks:
            sink.discard()


@contextlib.contextmanager
def write_beside(output: str | os.PathLike[str]) -> Iterator[Sink]:
    """A Sink beside `output` that takes its place when the block ends well, or at the end of a
    `write_together` around it.

    On any error, cancel or interrupt nothing is left and an older `output` stays as it was. What
    processes that died left in the folder is swept.

    Raises:
        FoleyError: what `check_place` refuses, an unwritable folder, a full disk.
    """
    path = Path(output)
    check_place(path)
    sweep_once(path.parent)
    with write_together() as sinks:
        with refusing(path):
            sink = Sink(path)
            sinks.append(sink)
        with refusing(path, sink):
            yield sink
            sink.finish()


@contextlib.contextmanager
def write_media(
    output: str | os.PathLike[str], form: str, options: dict[str, str] | None = None
) -> Iterator[av.container.OutputContainer]:
    """A container of FFmpeg's format `form`, written as in `write_beside`."""
    with write_beside(output) as sink:
        container = av.open(sink, "w", format=form, options=options or {})
        try:
            yield container
        except BaseException:
            # The first error is the one to report; a trailer that then fails is not.
            with contextlib.suppress(Exception):
                container.close()
            raise
        container.close()


@contextlib.contextmanager
def refusing(path: Path, sink: Sink | None = None) -> Iterator[None]:
    """Errors of the disk and of the muxer as FoleyError."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        raise _refusal((sink and sink.error) or error, path) from error


def _refusal(error: Exception, path: Path) -> FoleyError:
    number = getattr(error, "errno", None)
    if number in _FULL or number == errno.EFBIG:
        # Of a file that is too large for the disk a smaller one may be written yet.
        kind = DiskFull if number in _FULL else FoleyError
        return kind(
            f"The disk is full: '{path}' was not written; make room or choose another folder."
        )
    if number in _DENIED:
        return FoleyError(f"'{path.parent}' may not be written to: choose another folder.")
    if number == errno.ENAMETOOLONG:
        return FoleyError(f"'...{str(path)[-40:]}' is too long a name here: choose a shorter one.")
    reason = getattr(error, "strerror", None) or error
    return FoleyError(f"'{path}' could not be written ({reason}): choose another place or format.")


def check_place(path: Path) -> None:
    """Refuses, without writing, what no file can be written to.

    Raises:
        FoleyError: a missing folder, a name that is too long or cannot be stored, or that of
        something that is no ordinary file (a folder, a pipe, a device).
    """
    mode = None
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            mode = path.stat().st_mode
    except OSError as error:
        raise _refusal(error, path) from error
    except ValueError as error:  # a null byte, or what this system's names cannot hold
        raise FoleyError(f"'{path}' is no name for a file here: choose another.") from error
    if mode is not None and stat.S_ISDIR(mode):
        raise FoleyError(f"'{path}' is a folder: give the name of a file in it.")
    if mode is not None and not stat.S_ISREG(mode):
        raise FoleyError(f"'{path}' is a pipe or a device: give the name of an ordinary file.")
    if not path.parent.is_dir():
        raise FoleyError(f"There is no folder '{path.parent}' to write '{path.name}' to: make it.")


def check_writable(path: Path) -> None:
    """FoleyError unless a file can be made beside `path`; it is tried. What processes that died
    left there is swept."""
    sweep(path.parent)
    with refusing(path):
        Sink(path).discard()


def check_suffix(output: str | os.PathLike[str], supported: Collection[str]) -> str:
    """The suffix of `output` in lower case, or FoleyError that lists the supported ones."""
    suffix = Path(output).suffix.lower()
    if suffix not in supported:
        raise FoleyError(
            f"'{output}' cannot be written: its name must end in {', '.join(supported)}."
        )
    return suffix


def refuse_same_file(source: Source | None, output: str | os.PathLike[str]) -> None:
    """FoleyError when `output` is the file that is being read, by whatever name."""
    name, same = file_name(source), False
    with contextlib.suppress(OSError, ValueError):  # one of them is not there, or no name
        same = name is not None and os.path.samefile(name, output)
    if same:
        raise FoleyError(f"'{output}' is the source itself: choose another name.")
