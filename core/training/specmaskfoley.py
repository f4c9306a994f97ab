"""Recipes of `specmaskfoley_mini`: a backbone on the sounds of scenes without any picture, frozen,
then the branch.

Source: SpecMaskFoley (arXiv 2505.16195, section 3.1); what is masked of the backbone's tokens is
MAGE's (arXiv 2211.09117, section 4).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..codecs.mini_tokens import MiniTokenCodec
from ..encoders.foley_mini import sync_from_events
from ..encoders.mini_text import MiniTextEncoder
from ..generators.specmaskfoley import Aligned, SpecMaskFoley, specmaskfoley_mini
from ..generators.specmaskfoley_checkpoint import record
from ..scenes.materials import MATERIALS
from ..weights.load import read_weights
from ..weights.store import locate
from .batches import device_of, on_device
from .prompts import sample_prompt, vocabulary
from .vqgan import picture_rows

_GRID, _BINS = 5, 16  # columns and bins of the events in 0.32 s
_LEAST_MASKED = 0.5


@dataclass(frozen=True)
class TokenFigures:
    """Data, masks and condition dropout of a run.

    masked: mean and deviation of the share of tokens that is masked, cut off at 0.5 and 1. spans:
    chance that all tokens of a range of time are, instead of tokens here and there. smoothing: of
    the labels. codec: weights of the tokens. base: weights of the backbone, which stays as it is;
    "" trains the backbone itself. alignment: see `SpecMaskFoleyConfig`.
    """

    clips: int = 8000
    validation_clips: int = 96
    batch: int = 24
    masked: tuple[float, float] = (0.55, 0.25)
    spans: float = 0.0
    smoothing: float = 0.1
    drop_text: float = 0.1
    drop_video: float = 0.1
    codec: str = "mini_token_codec"
    base: str = ""
    alignment: Aligned = "columns"
    workers: int = 2


class MiniSystem(nn.Module):
    """What is in the mini's file: network and words. branch: whether that alone is trained.
    figures: of the network, where they differ."""

    def __init__(self, branch: bool, **figures: Any) -> None:
        super().__init__()
        self.generator = SpecMaskFoley(specmaskfoley_mini(**figures))
        self.generator.initialise(torch.Generator().manual_seed(0))
        self.text = MiniTextEncoder(vocabulary())
        self.branch = branch


class TokenTask:
    """Trains `MiniSystem` on cached tokens and events."""

    def __init__(self, figures: TokenFigures, cache: Path) -> None:
        self.figures = figures
        weights = _path(figures.codec)
        self.train, self.validation = (
            _with_tokens(split, count, cache, weights, figures.workers)
            for split, count in (
                ("train", figures.clips),
                ("validation", figures.validation_clips),
            )
        )

    def model(self) -> MiniSystem:
        base = self.figures.base
        system = MiniSystem(bool(base), alignment=self.figures.alignment)
        if base:
            stored = read_weights(_path(base))
            own = {k: v for k, v in stored.items() if ".control." not in k and ".aligner." not in k}
            system.load_state_dict({**system.state_dict(), **own})
            system.generator.attach()
            system.requires_grad_(False)
            for part in system.generator.branch:
                part.requires_grad_(True)
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
        chance = lambda p: torch.from_numpy(rng.random(size) < p)  # noqa: E731
        return {
            "tokens": torch.from_numpy(tokens.astype(np.int64)),
            "masked": torch.from_numpy(self._masks(tokens.shape, rng)),
            "sync": sync_from_events(torch.from_numpy(events.astype(np.float32))),
            "prompts": [
                sample_prompt(rng, str(rows["kind"][i]), MATERIALS[rows["material"][i]])
                for i in picked
            ],
            "drop_text": chance(figures.drop_text),
            "drop_video": chance(figures.drop_video),
        }

    def _masks(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Bool, like the tokens `[B, N, rows]`."""
        mean, deviation = self.figures.masked
        size, columns, rows = shape
        masked = np.zeros((size, columns * rows), bool)
        for row in masked:
            share = mean + deviation * rng.standard_normal()
            while not _LEAST_MASKED <= share <= 1:
                share = mean + deviation * rng.standard_normal()
            if rng.random() < self.figures.spans:
                length = max(round(share * columns), 1)
                first = rng.integers(columns - length + 1)
                row[first * rows : (first + length) * rows] = True
            else:
                row[rng.permutation(len(row))[: int(np.ceil(share * len(row)))]] = True
        return masked.reshape(shape)

    def loss(self, model: MiniSystem, batch: dict, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross entropy of the masked tokens."""
        generator, tokens, masked = model.generator, batch["tokens"], batch["masked"]
        config = generator.config
        seconds = config.trained_seconds
        words = model.text.encode(batch["prompts"])
        said = generator.words_proj(words).mean(1, keepdim=True)
        mask = torch.where(batch["drop_text"][:, None, None], generator.mask_token, said)
        prepared = generator.prepare({}, seconds, batch=len(tokens))
        conditions = {**prepared.batched, "masked": mask}
        if model.branch:
            aligned = generator.control.zero_in(generator.aligner({"sync": batch["sync"]}))
            conditions |= {"aligned": aligned, "seen": (~batch["drop_video"]).to(aligned)}
        ids = tokens.masked_fill(masked, config.codes)
        prepared = type(prepared)(conditions, prepared.shared)
        logits = generator(ids, torch.zeros(()), prepared).float()
        picked, truth = logits[masked], tokens[masked]
        loss = F.cross_entropy(picked, truth, label_smoothing=self.figures.smoothing)
        right = (picked.detach().argmax(-1) == truth).float().mean()
        return loss, {"right": right}

    @torch.no_grad()
    def evaluate(self, model: MiniSystem) -> dict[str, float]:
        """Cross entropy on validation scenes, always the same draws."""
        losses = []
        for k in range(8):
            batch = self.batch(10**9, np.random.default_rng([99, k]), self.validation)
            losses.append(float(self.loss(model, on_device(batch, device_of(model)), 0)[0]))
        return {"validation": float(np.mean(losses))}


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


def file_metadata(model: MiniSystem) -> dict[str, str]:
    """What the file says of its network and its words."""
    return {"words": " ".join(model.text.words), **record(model.generator.config)}
