"""What a weights file is: the words in which a network's own file says that it knows it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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


def sized(shapes: Shapes, ranks: Mapping[str, int]) -> dict[str, tuple[int, ...]] | None:
    """The shapes of some weights of a file; None unless each is there with so many axes, and none
    of the axes is empty. So what is read off them is no more than the file holds."""
    found = {key: tuple(shapes.get(key, ())) for key in ranks}
    right = all(
        key in shapes and len(found[key]) == rank and 0 not in found[key]
        for key, rank in ranks.items()
    )
    return found if right else None


def holds(shapes: Shapes, width: int, depth: int) -> bool:
    """Whether a file has as many numbers as the blocks of a transformer have at least, a square
    matrix each."""
    return depth * width**2 <= sum(math.prod(shape) for shape in shapes.values())


def count_blocks(keys: Iterable[str], prefix: str) -> int:
    """How many numbered blocks there are in names such as `{prefix}0.weight`."""
    return len({key[len(prefix) :].split(".")[0] for key in keys if key.startswith(prefix)})


def unwrapped(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """Shapes by key without the prefixes that training wrappers put before every key."""
    for prefix in _WRAPPERS:
        if shapes and all(key.startswith(prefix) for key in shapes):
            shapes = {key[len(prefix) :]: shape for key, shape in shapes.items()}
    return dict(shapes)
