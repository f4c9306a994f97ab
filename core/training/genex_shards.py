"""Batches of FoleyGenEx's shards, see `genex_features`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import FoleyError
from ..weights.load import reading
from .genex_clips import is_held_out

# Files that are open at once; a large set has more shards than a process may map.
_OPEN = 128
# Rows that statistics are taken from.
_MEASURED = 2048


class ShardRows:
    """Rows of many shards, found by number; each is read when it is asked for."""

    def __init__(self, paths: Sequence[Path], about: Mapping[str, str]) -> None:
        """about: what the shards have to be made with, see `genex_features.made_with`.

        Raises:
            FoleyError: a shard that was made with something else, or is damaged.
        """
        from safetensors import safe_open

        self._open: Any = lru_cache(_OPEN)(lambda number: safe_open(paths[number], "pt"))
        self.figures: dict[str, str] = {}
        places: list[tuple[int, int]] = []
        names: list[str] = []
        for number, path in enumerate(paths):
            with reading(path):
                own = dict(self._open(number).metadata() or {})
                _check(path, own, about)
                self.figures = own
                some = json.loads(own["names"])
            names += some
            places += [(number, row) for row in range(len(some))]
        self._numbers = sorted({number for number, _ in places})
        self._places = np.array(places, dtype=int).reshape(-1, 2)
        held = np.array([is_held_out(name) for name in names], dtype=bool)
        if not held.any() and names:
            held = np.array([name == names[0] for name in names])
        self.validation = np.flatnonzero(held)
        self.train = np.flatnonzero(~held) if not held.all() else self.validation

    def __len__(self) -> int:
        return len(self._places)

    def read(self, rows: np.ndarray, name: str) -> Tensor:
        """float32 `[B, ...]`, one tensor of the rows."""
        files = [(self._open(number), row) for number, row in self._places[rows]]
        return torch.stack([file.get_slice(name)[int(row)] for file, row in files]).float()

    def whole(self, name: str) -> np.ndarray:
        """One number of every row, `[N]`."""
        return np.concatenate([self._open(number).get_tensor(name) for number in self._numbers])

    def has(self, row: int, name: str) -> bool:
        """Whether a row's shard has such tensors."""
        return name in self._open(self._places[row][0]).keys()  # noqa: SIM118 - a file handle

    def latents(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, np.ndarray]:
        """`[B, N, C]`, drawn from the posteriors, and int `[B]`, how many frames are sound."""
        mean = self.read(rows, "latent")
        noise = torch.from_numpy(rng.standard_normal(mean.shape, dtype=np.float32))
        if self.has(rows[0], "deviation"):
            mean = mean + self.read(rows, "deviation") * noise
        return mean, self.read(rows, "frames").numpy().astype(int)

    def texts(self, rows: np.ndarray, rng: np.random.Generator) -> list[Tensor | None]:
        """One of the texts of each row, `[Nt, D]`; None where it has none."""
        found: list[Tensor | None] = []
        for (number, row), chance in zip(self._places[rows], rng.random(len(rows))):
            file = self._open(number)
            first, last = file.get_slice("first_text")[int(row) : int(row) + 2].tolist()
            if first == last:
                found.append(None)
                continue
            which = int(file.get_slice("texts")[first + int(chance * (last - first))])
            found.append(file.get_slice("text")[which].float())
        return found


def _check(path: Path, own: Mapping[str, str], about: Mapping[str, str]) -> None:
    for name, wanted in about.items():
        if own.get(name) != wanted:
            what = {
                "seconds": f"parts of {own.get(name)} s, and this run takes {wanted} s",
                "weights": "features of other weights than are here now",
            }.get(name, f"features of the {name} {own.get(name)}, and this run has {wanted}")
            raise FoleyError(
                f"{path} holds {what}; remove {path.parent}, and they are computed again."
            )


def some_rows(sets: Sequence[ShardRows]) -> Iterator[tuple[ShardRows, np.ndarray]]:
    """Some of the training rows of several sets, evenly spread, as `read` takes one."""
    for rows in sets:
        for row in rows.train[:: max(1, len(sets) * len(rows.train) // _MEASURED)]:
            yield rows, np.array([row])


def latent_statistics(sets: Sequence[ShardRows]) -> tuple[Tensor, Tensor]:
    """Mean and deviation `[C]` of the latents' frames, of some rows that are evenly spread."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for rows, one in some_rows(sets):
        frames = int(rows.read(one, "frames"))
        mean = rows.read(one, "latent")[0, :frames].double()
        count, total = count + frames, total + mean.sum(0)
        squares = squares + mean.square().sum(0)
        if rows.has(one[0], "deviation"):
            spread = rows.read(one, "deviation")[0, :frames].double()
            squares = squares + spread.square().sum(0)
    mean = total / count
    return mean.float(), (squares / count - mean.square()).clamp_min(1e-8).sqrt().float()
