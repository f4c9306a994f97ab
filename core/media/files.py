"""Output files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import av

from ..errors import FoleyError
from .source import Source, file_name

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class Sink:
    """A file for a muxer to write.

    The first error is raised and remembered, for a muxer may swallow it; after that nothing is
    written any more and nothing raised, for PyAV prints what it cannot raise. It has no `close`, so
    that the muxer leaves the end to `write_beside`.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "xb")
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        self._unless_failed(self._file.write, data)
        return len(data)

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
        self._file.close()

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


@contextlib.contextmanager
def write_beside(output: str | os.PathLike[str]) -> Iterator[Sink]:
    """A Sink beside `output` that takes its place when the block ends well.

    On any error, cancel or interrupt nothing is left and an older `output` stays as it was.

    Raises:
        FoleyError: a missing or unwritable folder, a full disk.
    """
    path = Path(output)
    check_place(path)
    beside = path.with_name(f".{secrets.token_hex(4)}-{path.name[-100:]}")
    sink = None
    try:
        sink = Sink(beside)
        yield sink
        sink.finish()
        os.replace(beside, path)
    except (OSError, av.FFmpegError) as error:
        raise _refusal((sink and sink.error) or error, path) from error
    finally:
        if sink is not None:
            sink.discard()
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


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


def _refusal(error: Exception, path: Path) -> FoleyError:
    number = getattr(error, "errno", None)
    if number in _FULL:
        return FoleyError(
            f"The disk is full: '{path}' was not written; make room or choose another folder."
        )
    if number in _DENIED:
        return FoleyError(f"'{path.parent}' may not be written to: choose another folder.")
    reason = getattr(error, "strerror", None) or error
    return FoleyError(f"'{path}' could not be written ({reason}): choose another place or format.")


def check_place(path: Path) -> None:
    """FoleyError unless `path` is in a folder that may be written to, and none itself."""
    if path.is_dir():
        raise FoleyError(f"'{path}' is a folder: give the name of a file in it.")
    if not path.parent.is_dir():
        raise FoleyError(f"There is no folder '{path.parent}' to write '{path.name}' to: make it.")
    if not os.access(path.parent, os.W_OK):
        raise _refusal(PermissionError(errno.EACCES, path), path)


def check_suffix(output: str | os.PathLike[str], supported: Collection[str]) -> str:
    """The suffix of `output` in lower case, or FoleyError that lists the supported ones."""
    suffix = Path(output).suffix.lower()
    if suffix not in supported:
        raise FoleyError(
            f"'{output}' cannot be written: its name must end in {', '.join(supported)}."
        )
    return suffix


def refuse_same_file(source: Source | None, output: str | os.PathLike[str]) -> None:
    """FoleyError when `output` is the file that is being read."""
    name = file_name(source)
    with contextlib.suppress(OSError, ValueError):
        if name is not None and os.path.samefile(name, output):
            raise FoleyError(f"'{output}' is the source itself: choose another name.")
