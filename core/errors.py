"""A user's mistake, a sentence that says what is wrong and what to do; and a user's stop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

CancelCheck = Callable[[], bool]


class FoleyError(ValueError):
    """Bad input. Its message is shown to the artist as it is: no traceback, exit status 2."""


class DiskFull(FoleyError):
    """There is no room for a file, nor for the next one."""


class Cancelled(Exception):
    """The artist stopped the work; nothing was written."""


_around: ContextVar[CancelCheck | None] = ContextVar("around", default=None)


@contextlib.contextmanager
def stoppable(cancelled: CancelCheck) -> Iterator[None]:
    """Work that `cancelled` stops, where no function hands a check of its own down, as in loading.

    Raises:
        Cancelled: `cancelled()` said so.
    """
    before = _around.set(cancelled)
    try:
        yield
    finally:
        _around.reset(before)


def stop_if(cancelled: CancelCheck | None = None) -> None:
    """Raises Cancelled if it was asked for, by `cancelled` or by the work's `stoppable`."""
    around = _around.get()
    if (cancelled is not None and cancelled()) or (around is not None and around()):
        raise Cancelled
