"""Memory that was let go, given back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import sys


def trim_heap() -> None:
    """Gives back what was freed; the GNU C library would keep a gigabyte of it between weights.

    Does nothing where memory is managed otherwise.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
