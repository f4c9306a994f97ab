"""Where the loaded parts of a system live."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import torch
from torch import nn

from .heap import trim_heap

Loaders = Mapping[str, Callable[[], nn.Module]]


class Store(Protocol):
    """Parts by role: "generator", "codec", "text", and the streams of video encoders."""

    device: torch.device

    def using(self, role: str) -> contextlib.AbstractContextManager[nn.Module]:
        """A part on its device while the context lasts."""

    def keeping(self) -> contextlib.AbstractContextManager[None]:
        """Parts that are used while the context lasts are loaded once."""

    def weights(self, role: str) -> str:
        """A name for a part's weights as they are computed with."""


class _Loading:
    """Parts that are loaded when they are first used. name_of(role): see `Store.weights`."""

    def __init__(
        self,
        loaders: Loaders,
        device: str | torch.device,
        name_of: Callable[[str], str] = lambda role: role,
    ) -> None:
        self.device = torch.device(device)
        self.weights = name_of
        self._loaders = loaders
        self._kept: dict[str, nn.Module] = {}

    def _resident(self, role: str) -> nn.Module:
        # A codec that can encode also decodes.
        role = "codec" if role == "decoder" else role
        if role not in self._kept:
            self._kept[role] = self._loaders[role]()
        return self._kept[role]


class Resident(_Loading):
    """Parts stay in memory once they were used."""

    @contextlib.contextmanager
    def using(self, role: str) -> Iterator[nn.Module]:
        yield self._resident(role)

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        yield


class Staged(_Loading):
    """Each part is loaded when it is used and freed after, so a take needs the memory of its
    largest part, not of all of them."""

    _keeping = False

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        before, self._keeping = self._keeping, True
        try:
            yield
        finally:
            self._keeping = before
            if not before:
                self._kept.clear()
                self._free()

    @contextlib.contextmanager
    def using(self, role: str) -> Iterator[nn.Module]:
        if self._keeping:
            yield self._resident(role)
            return
        # What the one before used may only now be let go of.
        self._free()
        module = self._loaders[role]()
        try:
            yield module
        finally:
            del module
            self._free()

    def _free(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        trim_heap()
