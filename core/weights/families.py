"""What a weights file is: the words in which a network's own file says that it knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]

_WRAPPERS = ("module.", "backbone.", "_orig_mod.")


@dataclass(frozen=True)
class Family:
    """What a file is. name: family; variant: size or rate, "" where there is one only."""

    name: str
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.variant})" if self.variant else self.name


def unwrapped(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """Shapes by key without the prefixes that training wrappers put before every key."""
    for prefix in _WRAPPERS:
        if shapes and all(key.startswith(prefix) for key in shapes):
            shapes = {key[len(prefix) :]: shape for key, shape in shapes.items()}
    return dict(shapes)
