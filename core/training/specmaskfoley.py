"""Recipes of `specmaskfoley_mini`: a backbone on the sounds of scenes without any picture, frozen,
then the branch.

Source: SpecMaskFoley (arXiv 2505.16195, section 3.1); masks and loss are in `masked_tokens`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..codecs.mini_tokens import MiniTokenCodec
from ..encoders.foley_mini import sync_from_events
from ..encoders.mini_text import MiniTextEncoder
from ..generators.specmaskfoley import Aligned, SpecMaskFoley, specmaskfoley_mini
from ..scenes.materials import MATERIALS
from ..weights.fill import building
from ..weights.load import read_weights
from ..weights.schema import Count, Natural
from ..weights.store import locate
from .masked_tokens import MaskedFigures, MaskedTokenTask, train_branch_alone
from .prompts import sample_prompt, vocabulary
from .vqgan import picture_rows, split_counts

_GRID, _BINS = 5, 16  # columns and bins of the events in 0.32 s


@dataclass(frozen=True)
class TokenFigures(MaskedFigures):
    """Data of a run; masks and condition dropout as `MaskedFigures`.

    codec: weights of the tokens. base: weights of the backbone, which stays as it is; "" trains the
    backbone itself. alignment: see `SpecMaskFoleyConfig`.
    """

    clips: Count = 8000
    validation_clips: Count = 96
    codec: str = "mini_token_codec"
    base: str = ""
    alignment: Aligned = "columns"
    workers: Natural = 2


class MiniSystem(nn.Module):
    """What is in the mini's file: network and words. branch: whether that alone is trained.
    figures: of the network, where they differ."""

    def __init__(self, branch: bool, **figures: Any) -> None:
        super().__init__()
        self.generator = SpecMaskFoley(specmaskfoley_mini(**figures))
        self.generator.initialise(torch.Generator().manual_seed(0))
        self.text = MiniTextEncoder(vocabulary())
        self.branch = branch


class TokenTask(MaskedTokenTask):
    """Trains `MiniSystem` on cached tokens and events."""

    figures: TokenFigures

    def __init__(self, figures: TokenFigures, cache: Path) -> None:
        self.figures = figures
        weights = _path(figures.codec)
        self.train, self.validation = (
            _with_tokens(split, count, cache, weights, figures.workers)
            for split, count in split_counts(figures)
        )

    def model(self) -> MiniSystem:
        base = self.figures.base
        system = MiniSystem(bool(base), alignment=self.figures.alignment)
        if base:
            stored = read_weights(_path(base))
            own = {k: v for k, v in stored.items() if ".control." not in k and ".aligner." not in k}
            with building(f"The base {Path(base).name}"):
                system.load_state_dict({**system.state_dict(), **own})
            train_branch_alone(system)
        return system

    def batch(self, step: int, rng: np.random.Generator, rows: dict | None = None) -> dict:
        """Tokens `[B, N, rows]`, which of them are masked, prompts, and what is seen."""
        rows, figures = self.train if rows is None else rows, self.figures
        config, size = specmaskfoley_mini(), figures.batch
        picked = rng.integers(len(rows["tokens"]), size=size)
        places = (rows["tokens"].shape[1] - config.columns) // _GRID + 1
        firsts = rng.integers(places, size=size)
        bins = config.columns // _GRID * _BINS
        tokens, events = (
            np.stack([rows[name][i, f * s : f * s + n] for i, f in zip(picked, firsts)])
            for name, s, n in (("tokens", _GRID, config.columns), ("events", _BINS, bins))
        )
        return {
            "tokens": torch.from_numpy(tokens.astype(np.int64)),
            **self.masked(tokens.shape, rng),
            "sync": sync_from_events(torch.from_numpy(events.astype(np.float32))),
            "prompts": [
                sample_prompt(rng, str(rows["kind"][i]), MATERIALS[rows["material"][i]])
                for i in picked
            ],
            **self.drops(rng),
        }

    def words(self, model: MiniSystem, batch: dict) -> Tensor:
        """Of the prompts."""
        return model.text.encode(batch["prompts"])


def _path(name: str) -> Path:
    return Path(name) if name.endswith(".safetensors") else locate(name)


@torch.no_grad()
def _with_tokens(
    split, count: int, cache: Path, weights: Path, workers: int
) -> dict[str, np.ndarray]:
    """Rows of scenes with their `tokens` `[count, columns, rows]`, made once a codec."""
    tokenizer = MiniTokenCodec.load(weights).tokenizer
    rows = picture_rows(tokenizer, split, count, cache, workers)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
    path = cache / f"tokens_{split}_{count}_{digest}.npy"
    if not path.exists():
        pictures = rows["picture"]
        made = [
            tokenizer.ids(torch.from_numpy(pictures[i : i + 32].astype(np.float32))).short().numpy()
            for i in range(0, count, 32)
        ]
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            np.save(file, np.concatenate(made))
        beside.replace(path)
    return {**rows, "tokens": np.load(path, mmap_mode="r")}
