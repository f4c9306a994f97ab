"""Weights' names in files, and as the networks call them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor


def renamed(key: str, renames: Iterable[tuple[str, str]]) -> str:
    """A name after all renames (pattern, what takes its place), in order."""
    for pattern, name in renames:
        key = re.sub(pattern, name, key)
    return key


def split_qkv(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each stacked projection `qkv` as `query`, `key` and `value`."""
    split: dict[str, Tensor] = {}
    for key, value in tensors.items():
        if ".qkv." in key:
            for part, name in zip(value.chunk(3), ("query", "key", "value")):
                split[key.replace(".qkv.", f".{name}.")] = part
        else:
            split[key] = value
    return split
