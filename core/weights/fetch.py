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
import math
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import CancelCheck, FoleyError, stop_if
from .files import digests
from .look import look_at
from .schema import Unfit, read_json

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]

# Seconds of silence after which a connection counts as broken.
TIMEOUT = 30.0
# A download that brings fewer bytes a second, over so many seconds and all its connections, is
# given up. So silence ends it as well.
SLOWEST, OVER = 1000, 60.0
_CHUNK = 1 << 20
# Breaks in a row without a single byte in between.
_PATIENCE = 4
# Seconds between two reports of how far it is.
_REPORT = 0.1
# Seconds before the first new try; doubled for each one in vain.
PAUSE = 0.5
# Seconds between tries of a lock that another holds.
_POLL = 0.2
_SPARE = 16 << 20
_BUSY = 429
_PLACE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")
_LENGTH = re.compile(r"\d{1,18}")
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
        """For messages: without the name and password that an address may hold."""
        return self.url.split("/")[2].rpartition("@")[2]


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
            download.look()
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
        self.reported = -math.inf
        self.since, self.came = time.monotonic(), 0

    def _stop_if_cancelled(self) -> None:
        stop_if(self.cancelled)

    def _show(self, came: int) -> None:
        now = time.monotonic()
        if self.progress is not None and (now - self.reported >= _REPORT or came == self.total):
            self.reported = now
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
        with contextlib.suppress(OSError, Unfit):
            before = read_json(self.notes)
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
        self.since, self.came = time.monotonic(), 0
        while True:
            have = _size(self.part)
            if self.total is not None and have >= self.total:
                return
            try:
                self._stream(have)
                if self.total is None or _size(self.part) >= self.total:
                    return
            except _BREAKS as error:
                self._stop_if_final(error)
                log.info("The download of %s broke off: %s", self.remote.name, error)
            except FoleyError:
                raise
            except ValueError as error:  # of urllib, about addresses that it was led to
                raise Unreachable(
                    f"{self.remote.host} leads to no address that can be asked for "
                    f"{self.remote.name}; check the network and try again."
                ) from error
            now = _size(self.part)
            breaks = 0 if now > have else breaks + 1
            if breaks >= _PATIENCE:
                raise self._unreachable("could not be reached, or broke off the download of")
            self._check_pace(0)
            time.sleep(PAUSE * 2**breaks)

    def _stop_if_final(self, error: Exception) -> None:
        """Raises for what no patience changes."""
        if isinstance(error, urllib.error.HTTPError) and error.code != _BUSY:
            refused = refusal(error.code, self.remote.name, self.remote.host)
            if refused is not None:
                raise refused from error
        full = isinstance(error, OSError) and error.errno in _FULL
        if full or isinstance(error, PermissionError):
            raise error

    def _check_pace(self, came: int) -> None:
        """Counts bytes that came; raises Unreachable when they have come too slowly for long."""
        self.came += came
        seconds = time.monotonic() - self.since
        if seconds < OVER:
            return
        if self.came < SLOWEST * seconds:
            raise self._unreachable("sends next to nothing any more of")
        self.since, self.came = time.monotonic(), 0

    def _unreachable(self, what: str) -> Unreachable:
        have = _size(self.part)
        kept = f"; {have / 1e6:.0f} MB are kept and the next try goes on from there"
        return Unreachable(
            f"{self.remote.host} {what} {self.remote.name}{kept if have else ''}: check the "
            "network and try again."
        )

    def _stream(self, have: int) -> None:
        """One connection's worth of bytes, appended to the part; learns the total size."""
        remote = self.remote
        headers = {"Accept-Encoding": "identity", "User-Agent": "foleystage", **remote.headers}
        if have:
            headers["Range"] = f"bytes={have}-"
        request = urllib.request.Request(remote.url, headers=headers)
        with urllib.request.build_opener(_Redirects()).open(request, timeout=TIMEOUT) as answer:
            goes_on = self._check_answer(answer, have)
            have = have if goes_on else 0
            with self.part.open("ab" if goes_on else "wb") as file:
                while True:
                    self._stop_if_cancelled()
                    chunk = answer.read1(_CHUNK)
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
                    self._check_pace(len(chunk))

    def _check_answer(self, answer: http.client.HTTPResponse, have: int) -> bool:
        """Whether an answer goes on where the part ends; learns the total size.

        Raises Unreachable for one that is packed or does not say how long it is, OSError for one
        that goes on elsewhere.
        """
        name, host = self.remote.name, self.remote.host
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Unreachable(
                f"{host} sends {name} packed, which cannot be checked: something between here and "
                "it changes what is sent; use another network."
            )
        goes_on = answer.status == 206
        if goes_on:
            place = _PLACE.fullmatch(answer.headers.get("Content-Range", ""))
            whole = int(place[2]) if place and place[2] != "*" else self.total
            here = place is not None and have and int(place[1]) == have
            if not here or whole != (self.total or whole):
                self.part.unlink(missing_ok=True)
                raise OSError("the answer goes on at another place than was asked for")
        if self.total is None:
            length = answer.headers.get("Content-Length", "")
            if not _LENGTH.fullmatch(length):
                raise Unreachable(
                    f"{host} does not say how long {name} is, so that nobody could know whether "
                    "all of it came; try again, or get it by hand."
                )
            self.total = (have if goes_on else 0) + int(length)
            self.check_room()
        return goes_on

    def look(self) -> None:
        """What is no file of this kind is deleted, and another source may have the right one."""
        try:
            look_at(self.part, self.target.name)
        except FoleyError as error:
            self.part.unlink(missing_ok=True)
            why = str(error).rstrip(".")
            raise Unreachable(
                f"{self.remote.host} sent something else than {self.remote.name} ({why}): check "
                "whether the network asks for a login, and try again."
            ) from error

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
        if not url.lower().startswith(("http://", "https://")):
            raise urllib.error.HTTPError(request.full_url, code, "no web address", headers, fp)
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
