"""Files and folders on their way to their place, and what is left of them where a run died.

Each has a name of its own kind and is locked while its process lives (a folder by a file in it):
whoever gets the lock knows that nobody writes it any more.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_HOST = hashlib.sha256(platform.node().encode("utf-8", "surrogateescape")).hexdigest()[:8]
_NAME = re.compile(r"\.foleystage-([0-9a-f]{8})-[0-9a-f]{8}\.(?:tmp|files)")
_FOLDER, _LOCK = ".files", "lock"
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
        if lock(file) is not False and path.exists():
            return path, file
        file.close()


@contextlib.contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """A new folder in `folder`, for libraries that write files of their own; it ends with the
    block, or is swept. Raises OSError as `create_temporary`."""
    made, held = create_temporary(folder)
    path = made.with_suffix(_FOLDER)
    try:
        path.mkdir()
        if os.name == "nt":  # where no open file can be moved
            held.close()
        os.replace(made, path / _LOCK)
        yield path
    finally:
        held.close()
        shutil.rmtree(path, ignore_errors=True)
        made.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Deletes what was made here in `folder` for processes that have died."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = _NAME.fullmatch(entry.name)
            if name is None or entry.is_symlink():
                continue
            with contextlib.suppress(OSError):
                path, of_this_host = Path(entry.path), name[1] == _HOST
                if not entry.is_dir():
                    _sweep(path, of_this_host=of_this_host)
                elif _sweep(path / _LOCK, of_this_host=of_this_host):
                    shutil.rmtree(path)


sweep_once = functools.cache(sweep)
"""`sweep`, but not a second time in a folder that many files are written to."""


def is_temporary(name: str) -> bool:
    """Whether a file's name is one of ours, so that it may be deleted at any time."""
    return _NAME.fullmatch(name) is not None


def _sweep(path: Path, *, of_this_host: bool) -> bool:
    """Whether a file was of a process that has died, and is deleted."""
    with path.open("rb+") as file:
        locked = lock(file)
        old = time.time() - path.stat().st_mtime > _LONGEST_LIFE
        dead = locked is not False and bool(old or (locked and of_this_host))
        if dead:
            path.unlink()
    return dead


def lock(file: BinaryIO) -> bool | None:
    """Whether nobody else holds the lock of an open file, which is taken; None: there are no
    locks."""
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
