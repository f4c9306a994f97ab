"""Features that were computed once: in memory, and in a folder where one is given.

The key is what the features depend on: the frames or prompts, the weights, the preprocessing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .base import Features

log = logging.getLogger(__name__)

_SAMPLES = 1024
_HIGHEST_RATE = 1e6
_FORMAT = "foleystage-features-1"
_print_lock = threading.Lock()
_OWN_FILE = re.compile(r"[0-9a-f]{64}\.safetensors")
_HEAD, _STEP, _BLOCK = 1 << 16, 1 << 20, 64


class FeatureCache:
    """Least recently used features first to go. room: bytes in memory; folder: also on disk, where
    its own files together take `disk_room` bytes at most.

    Safe to use from several threads. A damaged file in the folder is computed again.
    """

    def __init__(
        self,
        room: int = 256 << 20,
        folder: Path | str | None = None,
        disk_room: int = 8 << 30,
    ) -> None:
        self.room, self.disk_room = room, disk_room
        self.folder = None if folder is None else Path(folder)
        self._kept: OrderedDict[str, Features] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """Bytes in memory."""
        return sum(features.values.nbytes for features in self._kept.values())

    def get(self, key: str, compute: Callable[[], Features], rows: int | None = None) -> Features:
        """The features of `key`, computed when they are not there. Never change what it returns.

        rows: how many there must be along their first axis, where that is known.
        """
        found = self.find(key)
        if found is not None and rows not in (None, len(found.values)):
            found = None
        if found is None:
            found = compute()
            self.keep(key, found)
        return found

    def find(self, key: str) -> Features | None:
        """The features of `key`, None where they are not there. Never change what it returns."""
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            found = self._from_disk(key)
        if found is not None:
            self._remember(key, found)
        return found

    def has(self, key: str) -> bool:
        """Whether they seem to be there; what cannot be read turns out when it is looked for."""
        with self._lock:
            if key in self._kept:
                return True
        return self.folder is not None and _path(self.folder, key).is_file()

    def keep(self, key: str, features: Features) -> None:
        """Keeps features by `key`, for as long as there is room."""
        self._to_disk(key, features)
        self._remember(key, features)

    def _remember(self, key: str, features: Features) -> None:
        with self._lock:
            self._kept[key] = features
            self._kept.move_to_end(key)
            while self._kept and self.used > self.room:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Empties the memory; files stay."""
        with self._lock:
            self._kept.clear()

    def remove(self) -> None:
        """Deletes its own files, and its folder where nothing else lies in it."""
        if self.folder is None:
            return
        for path in self.folder.glob("??/*.safetensors"):
            if _OWN_FILE.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()
        for folder in [*self.folder.glob("??"), self.folder]:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _from_disk(self, key: str) -> Features | None:
        if self.folder is None:
            return None
        path = _path(self.folder, key)
        if not path.is_file():
            return None
        try:
            found = _read(path)
        except Exception as error:  # noqa: BLE001 - whatever lies there, features can be made anew
            log.info("Cached features %s cannot be read and are made again: %s", key[:12], error)
            return None
        with contextlib.suppress(OSError):  # a folder that is only read
            os.utime(path)  # used now: what was not goes first
        return found

    def _to_disk(self, key: str, features: Features) -> None:
        from safetensors.torch import save_file

        if self.folder is None:
            return
        path = _path(self.folder, key)
        beside = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            about = {"format": _FORMAT, "rate": repr(features.rate)}
            save_file({"values": features.values}, beside, about)
            os.replace(beside, path)
            _prune(self.folder, self.disk_room)
        except Exception as error:  # noqa: BLE001 - a full disk must not cost the features
            beside.unlink(missing_ok=True)
            log.warning("Features could not be kept in %s: %s", self.folder, error)


def _read(path: Path) -> Features:
    """Features of a file, which others may have written too: numbers, and no more than it holds.
    Raises ValueError and what safetensors does for anything else."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        # A copy: the file may be deleted while the features live.
        values, about = file.get_tensor("values").clone(), file.metadata() or {}
    rate = float(about["rate"])
    plain = values.dtype == torch.float32 and values.ndim == 3
    if about.get("format") != _FORMAT or not plain or not 0 <= rate <= _HIGHEST_RATE:
        raise ValueError("these are no features")
    if not torch.isfinite(values).all():
        raise ValueError("they are not finite")
    return Features(values, rate)


def _prune(folder: Path, room: int) -> None:
    """Deletes the files that were not used for longest; others' files in the folder stay."""
    kept = []
    for path in folder.glob("??/*.safetensors"):
        if _OWN_FILE.fullmatch(path.name):
            with contextlib.suppress(OSError):  # another program may prune as well
                about = path.stat()
                kept.append((about.st_mtime_ns, about.st_size, path))
    for _, size, path in sorted(kept, reverse=True):
        room -= size
        if room < 0:
            with contextlib.suppress(OSError):
                path.unlink()


def _path(folder: Path, key: str) -> Path:
    return folder / key[:2] / f"{key}.safetensors"


def cache_of(folder: Path | str | None = None) -> FeatureCache:
    """A cache in memory, and in `folder` or the one that FOLEYSTAGE_CACHE names, if any."""
    return FeatureCache(folder=folder or os.environ.get("FOLEYSTAGE_CACHE") or None)


def content_key(*parts: Tensor | str | Sequence[str] | float) -> str:
    """A name for content: equal parts give equal names, on every machine."""
    digest = hashlib.sha256(_FORMAT.encode())
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(f"{part.dtype}{list(part.shape)}".encode())
            digest.update(part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        else:
            digest.update(json.dumps(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def fingerprint(module: nn.Module) -> str:
    """A name for a module's weights, from 1024 values of each tensor; kept with the module, also
    when they are changed in place afterwards."""
    with _print_lock:
        if "_fingerprint" not in module.__dict__:
            parts: list[Any] = []
            for key, tensor in module.state_dict().items():
                flat = tensor.detach().flatten()
                some = flat[:: max(1, flat.numel() // _SAMPLES)].clone().cpu()
                parts += [key, str(tensor.dtype), str(list(tensor.shape)), some]
            module.__dict__["_fingerprint"] = content_key(*parts)
        return module.__dict__["_fingerprint"]


def file_fingerprint(path: Path | str) -> str:
    """A name for a weights file that is not to be read whole: its length, time of change, head, and
    64 bytes of every MiB."""
    about = os.stat(path)
    with open(path, "rb") as file:
        samples = [file.read(_HEAD)]
        for place in range(_HEAD, about.st_size, _STEP):
            file.seek(place)
            samples.append(file.read(_BLOCK))
    digest = hashlib.sha256(b"".join(samples)).hexdigest()
    return f"{about.st_size} {about.st_mtime_ns} {digest}"
