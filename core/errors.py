"""A user's mistake, a sentence that says what is wrong and what to do; and a user's stop."""

from __future__ import annotations

from collections.abc import Callable


class FoleyError(ValueError):
    """Bad input. Its message is shown to the artist as it is: no traceback, exit status 2."""


class Cancelled(Exception):
    """The artist stopped the work; nothing was written."""


def stop_if(cancelled: Callable[[], bool] | None) -> None:
    """Raises Cancelled if it was asked for."""
    if cancelled is not None and cancelled():
        raise Cancelled
