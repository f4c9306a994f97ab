"""Files on their way to their place, and what is left of them where a run died.

Each has a name of its own kind and is locked while its process lives: whoever gets the lock knows
that nobody writes it any more.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import secrets
import sys
import time
from pathlib import Path
from typing import BinaryIO

_HOST = hashlib.sha256(platform.node().encode("utf-8", "surrogateescape")).hexdigest()[:8]
_NAME = re.compile(r"\.foleystage-([0-9a-f]{8})-[0-9a-f]{8}\.tmp")
# Locks may not reach to other machines that write to the same drive; what is older is dead.
_LONGEST_LIFE = 24 * 3600.0


def create_temporary(folder: Path) -> tuple[Path, BinaryIO]:
    """A new file in `folder`, open for writing, that `sweep` spares while it is open.

    Its name is shorter than most: wherever a file may be written, this one can be, too.

    Raises:
        OSError: a folder that cannot be written to.
    """
    while True:
        path = folder / f".foleystage-{_HOST}-{secrets.token_hex(4)}.tmp"
        file = open(path, "xb")
        # A sweep may have come before the lock.
        if _lock(file) is not False and path.exists():
            return path, file
        file.close()


def sweep(folder: Path) -> None:
    """Deletes what `create_temporary` made in `folder` for processes that have died."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = _NAME.fullmatch(entry.name)
            if name and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _sweep(Path(entry.path), of_this_host=name[1] == _HOST)


sweep_once = functools.cache(sweep)
"""`sweep`, but not a second time in a folder that many files are written to."""


def is_temporary(name: str) -> bool:
    """Whether a file's name is one of ours, so that it may be deleted at any time."""
    return _NAME.fullmatch(name) is not None


def _sweep(path: Path, *, of_this_host: bool) -> None:
    with path.open("rb+") as file:
        locked = _lock(file)
        old = time.time() - path.stat().st_mtime > _LONGEST_LIFE
        if locked is not False and (old or (locked and of_this_host)):
            path.unlink()


def _lock(file: BinaryIO) -> bool | None:
    """Whether nobody else holds the lock of a file, which is taken; None: there are no locks."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without them
        return None
    return True
