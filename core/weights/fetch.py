"""One file over HTTP: resumed after a break, checked, moved into place when whole.

By hand, for the hub too: since 1.18 hf_hub_download keeps nothing of a download that was given up,
and in all versions a break costs, and a cancel waits for, up to 10 MB.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import Cancelled, FoleyError
from .files import digests

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
CancelCheck = Callable[[], bool]

TIMEOUT = 30.0
_CHUNK = 1 << 20
# Breaks in a row without a single byte in between.
_PATIENCE = 4
# Seconds before the first new try; doubled for each one in vain.
PAUSE = 0.5
# Seconds between tries of a lock that another holds.
_POLL = 0.2
_SPARE = 16 << 20
_BUSY = 429
_FULL = (errno.ENOSPC, errno.EDQUOT)
_BREAKS = (OSError, http.client.HTTPException)


class NotThere(FoleyError):
    """The source does not have the file; another one may."""


class Unreachable(FoleyError):
    """The source did not answer."""


@dataclass(frozen=True)
class Remote:
    """A file to fetch. name: how messages call it; bytes, sha256, md5: what it must turn out to be.

    tag: changes when the file at the source does.
    """

    name: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    tag: str = ""

    @property
    def host(self) -> str:
        return self.url.split("/")[2]


def fetch(
    remote: Remote,
    target: Path,
    *,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> dict[str, Any]:
    """Brings `remote` to `target`; what came before a break or Cancelled is kept for the next time.

    Where another process or thread brings the same file, its file is waited for and checked.
    progress(step, total): bytes, total 0 when unknown. Returns {"bytes", "sha256", "md5"} of the
    file.

    Raises:
        FoleyError: one sentence; NotThere and Unreachable where another source may have the file.
        Cancelled: as asked.
    """
    there = target.exists()
    download = _Download(remote, target, progress, cancelled)
    try:
        with download.alone():
            if target.exists() and not there:
                return download.check(target)
            download.forget_other()
            download.check_room()
            download.receive()
            found = download.check(download.part)
            os.replace(download.part, target)
            download.notes.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in _FULL:
            raise FoleyError(
                f"The disk of {target.parent} is full; make room and try again: what came of "
                f"{remote.name} is kept."
            ) from error
        raise FoleyError(
            f"{remote.name} cannot be written to {target.parent} ({error.strerror}); name another "
            "folder in FOLEYSTAGE_MODELS."
        ) from error
    return found


@dataclass
class _Download:
    """One file on its way: what came of it so far lies in `part`, what it is of in `notes`."""

    remote: Remote
    target: Path
    progress: Progress | None
    cancelled: CancelCheck | None

    def __post_init__(self) -> None:
        self.total = self.remote.bytes
        self.part = self.target.with_name(self.target.name + ".part")
        self.notes = self.target.with_name(self.target.name + ".part.json")

    def _stop_if_cancelled(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled()

    def _show(self, came: int) -> None:
        if self.progress is not None:
            self.progress(came, self.total or 0)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Two that write one part would spoil it: the second waits, and shows how the first goes
        on."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        path = self.part.with_name(self.part.name + ".lock")
        lock = FileLock(path)
        while not lock.is_locked:
            try:
                lock.acquire(timeout=_POLL)
            except Timeout:
                self._stop_if_cancelled()
                self._show(_size(self.part))
            except NotImplementedError:
                break  # a file system without locks
        try:
            yield
        finally:
            lock.release()
        # filelock leaves it; after an error it may be another's already.
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

    def forget_other(self) -> None:
        """A part is only continued when it is of the same file."""
        now = {"tag": self.remote.tag, "bytes": self.remote.bytes, "name": self.remote.name}
        before = None
        with contextlib.suppress(OSError, ValueError):
            before = json.loads(self.notes.read_text(encoding="utf-8"))
        if before != now:
            self.part.unlink(missing_ok=True)
            self.notes.write_text(json.dumps(now, sort_keys=True), encoding="utf-8")

    def check_room(self) -> None:
        if self.total is None:
            return
        needed = self.total - _size(self.part) + _SPARE
        free = shutil.disk_usage(self.part.parent).free
        if free < needed:
            raise FoleyError(
                f"{self.remote.name} needs {needed / 1e9:.2f} GB, but {self.part.parent} has only "
                f"{free / 1e9:.2f} GB free; make room, or name another folder in FOLEYSTAGE_MODELS."
            )

    def receive(self) -> None:
        """The rest of the part, over as many connections as it takes."""
        breaks = 0
        while True:
            have = _size(self.part)
            if self.total is not None and have >= self.total:
                return
            try:
                self._stream(have)
                if self.total is None or _size(self.part) >= self.total:
                    return
            except _BREAKS as error:
                if isinstance(error, urllib.error.HTTPError) and error.code != _BUSY:
                    refused = refusal(error.code, self.remote.name, self.remote.host)
                    if refused is not None:
                        raise refused from error
                full = isinstance(error, OSError) and error.errno in _FULL
                if full or isinstance(error, PermissionError):
                    raise
                log.info("The download of %s broke off: %s", self.remote.name, error)
            now = _size(self.part)
            breaks = 0 if now > have else breaks + 1
            if breaks >= _PATIENCE:
                kept = f"; {now / 1e6:.0f} MB are kept and the next try goes on from there"
                raise Unreachable(
                    f"{self.remote.host} could not be reached, or broke off the download of "
                    f"{self.remote.name}{kept if now else ''}: check the network and try again."
                )
            time.sleep(PAUSE * 2**breaks)

    def _stream(self, have: int) -> None:
        """One connection's worth of bytes, appended to the part; learns the total size."""
        remote = self.remote
        headers = {"Accept-Encoding": "identity", "User-Agent": "foleystage", **remote.headers}
        if have:
            headers["Range"] = f"bytes={have}-"
        request = urllib.request.Request(remote.url, headers=headers)
        with urllib.request.build_opener(_Redirects()).open(request, timeout=TIMEOUT) as answer:
            goes_on = answer.status == 206
            have = have if goes_on else 0
            length = answer.headers.get("Content-Length")
            if self.total is None and length is not None:
                self.total = have + int(length)
            with self.part.open("ab" if goes_on else "wb") as file:
                while True:
                    self._stop_if_cancelled()
                    chunk = answer.read(_CHUNK)
                    if not chunk:
                        return
                    have += len(chunk)
                    if self.total is not None and have > self.total:
                        raise FoleyError(
                            f"{remote.host} sends more than the {self.total} bytes that "
                            f"{remote.name} has; it is not the file this version of FoleyStage "
                            "knows."
                        )
                    file.write(chunk)
                    self._show(have)

    def check(self, path: Path) -> dict[str, Any]:
        """Size and hashes of a whole file; a wrong one is deleted."""
        found = digests(path, self._stop_if_cancelled)
        for kind, value in found.items():
            wanted = getattr(self.remote, kind)
            if wanted and wanted != value:
                path.unlink(missing_ok=True)
                raise FoleyError(
                    f"{self.remote.name} from {self.remote.host} has the wrong {kind} ({value} "
                    f"instead of {wanted}): it was deleted; try again, or get it from another "
                    "source."
                )
        return found


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A token is only shown to the host it was meant for."""

    def redirect_request(self, request, fp, code, message, headers, url):
        new = super().redirect_request(request, fp, code, message, headers, url)
        if new is not None and (new.type, new.host) != (request.type, request.host):
            new.remove_header("Authorization")
        return new


def refusal(status: int | None, what: str, host: str) -> FoleyError | None:
    """One sentence for an answer that no patience changes, None for one that may change."""
    if status in (401, 403):
        return FoleyError(
            f"{host} does not hand out {what} without permission: accept its licence on its page, "
            "then set HF_TOKEN or run `hf auth login`."
        )
    if status in (404, 410):
        return NotThere(f"{host} has no {what} (any more).")
    if status == 416:
        return FoleyError(
            f"The kept part of {what} does not fit the file at {host}; delete {what}.part and try "
            "again."
        )
    if status is not None and status < 500:
        return FoleyError(f"{host} refused {what} (status {status}).")
    return None
