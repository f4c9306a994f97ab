"""Where parts live: kept once they were used, or freed before the next is loaded."""

from __future__ import annotations

import weakref

import pytest
import torch
from foleystage.core.stores import Resident, Staged
from torch import nn


class Parts:
    """Loaders of small parts, what they loaded, and how many were alive before each."""

    def __init__(self, *roles: str):
        self.loaded: list[str] = []
        self.alive_before: list[int] = []
        self._alive: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self.loaders = {role: lambda role=role: self._load(role) for role in roles}

    def _load(self, role: str) -> nn.Module:
        self.loaded.append(role)
        self.alive_before.append(self.alive)
        module = nn.Linear(2, 2)
        self._alive.add(module)
        return module

    @property
    def alive(self) -> int:
        return len(self._alive)


@pytest.fixture
def parts():
    return Parts("generator", "codec", "decoder")


def use(store, *roles: str) -> None:
    for role in roles:
        with store.using(role):
            pass


def test_resident_loads_a_part_once_and_keeps_it(parts):
    store = Resident(parts.loaders, "cpu")
    with store.using("generator") as first:
        pass
    with store.using("generator") as again:
        assert again is first
    assert parts.loaded == ["generator"] and parts.alive == 1


def test_resident_decodes_with_the_codec_that_encodes(parts):
    use(Resident(parts.loaders, "cpu"), "codec", "decoder", "decoder", "codec")
    assert parts.loaded == ["codec"]


def test_staged_frees_a_part_before_the_next_is_loaded(parts):
    store = Staged(parts.loaders, "cpu")
    use(store, "codec", "generator", "decoder", "generator")
    assert parts.loaded == ["codec", "generator", "decoder", "generator"]
    assert parts.alive_before == [0, 0, 0, 0] and parts.alive == 0


def test_staged_frees_a_part_whose_use_fails(parts):
    store = Staged(parts.loaders, "cpu")
    with pytest.raises(RuntimeError, match="no"), store.using("generator"):
        raise RuntimeError("no")
    use(store, "decoder")
    assert parts.alive_before == [0, 0]


@pytest.mark.parametrize("kind", [Resident, Staged])
def test_a_store_loads_nothing_before_it_is_asked(parts, kind):
    store = kind(parts.loaders, "cpu", lambda role: f"{role} v1")
    assert parts.loaded == []
    assert store.device == torch.device("cpu")
    assert store.weights("codec") == "codec v1"
    assert kind(parts.loaders, "cpu").weights("codec") == "codec"
