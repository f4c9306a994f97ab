"""One file over HTTP: resumed after a break, checked, moved into place when whole.

By hand, for the hub too: since 1.18 hf_hub_download keeps nothing of a download that was given up,
and in all versions a break costs, and a cancel waits for, up to 10 MB.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import json
import logging
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import Cancelled, FoleyError

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
CancelCheck = Callable[[], bool]

TIMEOUT = 30.0
_CHUNK = 1 << 20
# Breaks in a row without a single byte in between.
_PATIENCE = 4
# Seconds before the first new try; doubled for each one in vain.
_PAUSE = 0.5
# Seconds between looks at a lock that another holds.
_POLL = 0.2
_SPARE = 16 << 20
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
    file. Raises FoleyError (NotThere, Unreachable), Cancelled.
    """
    part = target.with_name(target.name + ".part")
    notes = target.with_name(target.name + ".part.json")
    there = target.exists()
    with _file_errors(remote, target), _alone(remote, part, progress, cancelled):
        if target.exists() and not there:
            return _check(remote, target, cancelled)
        _forget_other(part, notes, remote)
        _check_room(remote, part, target)
        _receive(remote, part, progress, cancelled)
        found = _check(remote, part, cancelled)
        os.replace(part, target)
        notes.unlink(missing_ok=True)
    return found


@contextlib.contextmanager
def _alone(
    remote: Remote, part: Path, progress: Progress | None, cancelled: CancelCheck | None
) -> Iterator[None]:
    """Two that write one part would spoil it: the second waits, and shows how the first goes on."""
    part.parent.mkdir(parents=True, exist_ok=True)
    path = part.with_name(part.name + ".lock")
    lock = FileLock(path)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_POLL)
        except Timeout:
            if cancelled is not None and cancelled():
                raise Cancelled() from None
            if progress is not None:
                progress(_size(part), remote.bytes or 0)
        except NotImplementedError:
            break  # a file system without locks
    try:
        yield
    finally:
        lock.release()
    # filelock leaves it; after an error it may be another's already.
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _forget_other(part: Path, notes: Path, remote: Remote) -> None:
    """A part is only continued when it is of the same file."""
    now = {"tag": remote.tag, "bytes": remote.bytes, "name": remote.name}
    before = None
    with contextlib.suppress(OSError, ValueError):
        before = json.loads(notes.read_text(encoding="utf-8"))
    if before != now:
        part.unlink(missing_ok=True)
        notes.write_text(json.dumps(now, sort_keys=True), encoding="utf-8")


def _check_room(remote: Remote, part: Path, target: Path) -> None:
    if remote.bytes is None:
        return
    needed = remote.bytes - _size(part) + _SPARE
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise FoleyError(
            f"{remote.name} needs {needed / 1e9:.2f} GB, but {target.parent} has only "
            f"{free / 1e9:.2f} GB free; make room, or name another folder in FOLEYSTAGE_MODELS."
        )


def _receive(
    remote: Remote, part: Path, progress: Progress | None, cancelled: CancelCheck | None
) -> None:
    breaks = 0
    total = remote.bytes
    while True:
        have = _size(part)
        if total is not None and have >= total:
            return
        try:
            total = _stream(remote, part, have, total, progress, cancelled)
            if total is None or part.stat().st_size >= total:
                return
        except _BREAKS as error:
            if isinstance(error, urllib.error.HTTPError):
                _raise_status(error, remote)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            if isinstance(error, PermissionError):
                raise
            log.info("The download of %s broke off: %s", remote.name, error)
        now = _size(part)
        breaks = 0 if now > have else breaks + 1
        if breaks >= _PATIENCE:
            kept = (
                f"; {now / 1e6:.0f} MB are kept and the next try goes on from there" if now else ""
            )
            raise Unreachable(
                f"{remote.host} could not be reached, or broke off the download of "
                f"{remote.name}{kept}: check the network and try again."
            )
        time.sleep(_PAUSE * 2**breaks)


def _stream(
    remote: Remote,
    part: Path,
    have: int,
    total: int | None,
    progress: Progress | None,
    cancelled: CancelCheck | None,
) -> int | None:
    """One connection's worth of bytes, appended to `part`. Returns the total size, if known."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "foleystage", **remote.headers}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(remote.url, headers=headers)
    with urllib.request.build_opener(_Redirects()).open(request, timeout=TIMEOUT) as answer:
        goes_on = answer.status == 206
        have = have if goes_on else 0
        length = answer.headers.get("Content-Length")
        if total is None and length is not None:
            total = have + int(length)
        with part.open("ab" if goes_on else "wb") as file:
            while True:
                if cancelled is not None and cancelled():
                    raise Cancelled()
                chunk = answer.read(_CHUNK)
                if not chunk:
                    return total
                have += len(chunk)
                if total is not None and have > total:
                    raise FoleyError(
                        f"{remote.host} sends more than the {total} bytes that {remote.name} has; "
                        "it is not the file this version of FoleyStage knows."
                    )
                file.write(chunk)
                if progress is not None:
                    progress(have, total or 0)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A token is only shown to the host it was meant for."""

    def redirect_request(self, request, fp, code, message, headers, url):
        new = super().redirect_request(request, fp, code, message, headers, url)
        if new is not None and (new.type, new.host) != (request.type, request.host):
            new.remove_header("Authorization")
        return new


def _raise_status(error: urllib.error.HTTPError, remote: Remote) -> None:
    """One sentence for an answer that no patience changes."""
    if error.code in (401, 403):
        raise FoleyError(refused_sentence(remote.name, remote.host)) from error
    if error.code in (404, 410):
        raise NotThere(f"{remote.host} has no {remote.name} (any more).") from error
    if error.code == 416:
        raise FoleyError(
            f"The kept part of {remote.name} does not fit the file at {remote.host}; delete "
            f"{remote.name}.part and try again."
        ) from error
    if error.code < 500 and error.code != 429:
        raise FoleyError(f"{remote.host} refused {remote.name} (status {error.code}).") from error


def refused_sentence(name: str, where: str) -> str:
    """What to do about 401 and 403."""
    return (
        f"{where} does not hand out {name} without permission: accept its licence on its page, "
        "then set HF_TOKEN or run `hf auth login`."
    )


def _check(remote: Remote, part: Path, cancelled: CancelCheck | None) -> dict[str, Any]:
    """Size and hashes of the whole part; a wrong one is deleted."""
    size = _size(part)
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with part.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if cancelled is not None and cancelled():
                raise Cancelled()
            sha256.update(chunk)
            md5.update(chunk)
    found = {"bytes": size, "sha256": sha256.hexdigest(), "md5": md5.hexdigest()}
    for kind in ("bytes", "sha256", "md5"):
        wanted = getattr(remote, kind)
        if wanted and wanted != found[kind]:
            part.unlink(missing_ok=True)
            raise FoleyError(
                f"{remote.name} from {remote.host} has the wrong {kind} ({found[kind]} instead of "
                f"{wanted}): it was deleted; try again, or get it from another source."
            )
    return found


@contextlib.contextmanager
def _file_errors(remote: Remote, target: Path):
    """A folder that cannot be written as one sentence."""
    try:
        yield
    except FoleyError:
        raise
    except OSError as error:
        if isinstance(error, (urllib.error.URLError, TimeoutError, ssl.SSLError)):
            raise Unreachable(f"{remote.host} could not be reached: {error}.") from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FoleyError(
                f"The disk of {target.parent} is full; make room and try again: what came of "
                f"{remote.name} is kept."
            ) from error
        raise FoleyError(
            f"{remote.name} cannot be written to {target.parent} ({error.strerror}); name another "
            "folder in FOLEYSTAGE_MODELS."
        ) from error
