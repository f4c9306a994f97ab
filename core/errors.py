"""The one exception for a user's mistake: a sentence that says what is wrong and what to do."""

from __future__ import annotations


class FoleyError(ValueError):
    """Bad input. Its message is shown to the artist as it is: no traceback, exit status 2."""


class Cancelled(Exception):
    """The artist stopped the work; nothing was written."""
