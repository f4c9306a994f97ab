"""Sections that were made once, so that a take which was stopped or changed goes on with them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .encoders.base import Features
from .encoders.cache import FeatureCache, content_key
from .media import ImageFrames, Source
from .media.source import file_name
from .request import Sound

_PARTS = ("latent", "sound", "seen")


@dataclass(frozen=True, eq=False)
class Made:
    """A section as it was made. latent: None where it is silent; sound: of all of it, `[takes, C,
    T]`; seconds: that were seen."""

    latent: Tensor | None
    sound: Tensor
    chance: Tensor | None
    seconds: float


class SectionStore:
    """Sections in a store, by their keys; nothing without keys. codes: of tokens."""

    def __init__(self, store: FeatureCache | None, keys: Sequence[str], codes: int | None) -> None:
        self._store, self._keys, self._codes = store, keys, codes

    def has(self, index: int) -> bool:
        """Whether it seems to be there; it may be gone or damaged when it is read."""
        store = self._store
        if store is None or not self._keys:
            return False
        return all(store.has(key) for key in self._parts(index))

    def write(self, index: int, made: Made) -> None:
        """Keeps it where there is room."""
        if self._store is None or not self._keys or made.latent is None:
            return
        latent = made.latent if made.latent.ndim == 3 else made.latent[..., None]
        chance = torch.zeros(0) if made.chance is None else made.chance.float().cpu()
        seen = torch.cat([torch.tensor([made.seconds]), chance])
        parts = latent, made.sound, seen[None, None]
        for key, values in zip(self._parts(index), parts, strict=True):
            self._store.keep(key, Features(values.float().contiguous(), 0.0))

    def read(self, index: int) -> Made | None:
        """None where it is not there."""
        if self._store is None or not self._keys:
            return None
        found = [self._store.find(key) for key in self._parts(index)]
        if any(one is None for one in found):
            return None
        latent, sound, seen = (one.values for one in found if one is not None)
        if self._codes:
            latent = latent.round().long()
            latent = latent[..., 0] if latent.shape[-1] == 1 else latent
        chance = seen[0, 0, 1:]
        return Made(latent, sound, chance if len(chance) else None, float(seen[0, 0, 0]))

    def _parts(self, index: int) -> list[str]:
        """The keys of what a section is kept as."""
        return [content_key(self._keys[index], name) for name in _PARTS]


def source_key(source: Source | None) -> list[Any] | str | None:
    """A name for what is seen; None where a file has no name."""
    if source is None:
        return "nothing"
    if isinstance(source, ImageFrames):
        return content_key(source.images, source.fps)
    name = file_name(source)
    return None if name is None else _file_key(name)


def sound_key(sound: Sound | None) -> list[Any] | str:
    if sound is None:
        return ""
    if isinstance(sound, tuple):
        return content_key(*sound)
    return _file_key(os.fspath(sound))


def _file_key(name: str) -> list[Any]:
    about = os.stat(name)
    return [os.path.realpath(name), about.st_size, about.st_mtime_ns]
