"""Training of a SpecVQGAN (Iashin and Rahtu 2021, section 3.1) on pictures of mels.

The mini's: reconstruction, codebook and commitment alone. Codes that no place takes begin anew at
what the encoder gives, which keeps a small codebook in use.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..codecs.foley_mini_analysis import SAMPLE_RATE
from ..codecs.kl_vae import KLVAE
from ..codecs.mel_picture import MelPicture
from ..codecs.mini_tokens import CHANNELS, CODES, Tokenizer
from ..encoders.foley_mini import BIN_RATE
from ..scenes import sample_scene
from ..scenes.materials import MATERIALS
from ..scenes.pairs import scene_sound
from ..scenes.scene import Split
from ..weights.files import save
from ..weights.load import read_weights
from ..weights.schema import Count, Natural, Share
from .batches import device_of, on_device
from .clips import event_targets, map_scenes
from .mel_picture import fit_mel_picture

SECONDS = 8.192  # of a scene: 256 frames of the picture, 128 columns of tokens
_CLEAN_ONE_IN = 5


class PictureRow:
    """Mel picture and events of one scene, picklable."""

    def __init__(self, split: Split, tokenizer: Tokenizer) -> None:
        self.split, self.tokenizer = split, tokenizer

    @torch.no_grad()
    def __call__(self, seed: int) -> dict[str, np.ndarray]:
        scene = sample_scene(seed, self.split, seconds=SECONDS, hard=seed % _CLEAN_ONE_IN > 0)
        material, sound, _ = scene_sound(scene, SAMPLE_RATE)
        pictures = self.tokenizer.pictures(torch.from_numpy(sound)[None].float())
        return {
            "picture": pictures[0].half().numpy(),
            "events": event_targets(scene, BIN_RATE).astype(np.float16),
            "material": np.array(MATERIALS.index(material)),
            "kind": np.array(scene.kind, dtype="U12"),
        }


def picture_rows(
    tokenizer: Tokenizer, split: Split, count: int, cache: Path, workers: int
) -> dict[str, np.ndarray]:
    """Pictures `[count, CHANNELS, ROWS, N]` of scenes, and what belongs to them."""
    # As files hold it, in 16 bits.
    basis = tokenizer.picture.basis.half().numpy()
    digest = hashlib.sha256(basis.tobytes()).hexdigest()[:12]
    note = {"split": split, "seconds": SECONDS, "picture": digest, "version": 1}
    row = PictureRow(split, tokenizer)
    return map_scenes(row, count, cache / f"pictures_{split}", note, workers)


def fitted(cache: Path) -> MelPicture:
    """The PCA of the pictures, fitted on scenes once."""
    path = cache / "token_picture.safetensors"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        save(path, fit_mel_picture(channels=CHANNELS).state_dict(), {"family": "mini_tokens"})
    picture = MelPicture(CHANNELS)
    picture.load_state_dict(read_weights(path))
    return picture


@dataclass(frozen=True)
class VQFigures:
    """Data and losses of a run.

    frames: of a crop. commitment: its weight beside the codebook's (beta). revive_every: steps
    after which codes that were not taken begin anew; revive_until: share of the run.
    """

    clips: Count = 8000
    validation_clips: Count = 96
    frames: Count = 160
    batch: Count = 16
    commitment: float = 0.25
    revive_every: Count = 50
    revive_until: Share = 0.6
    workers: Natural = 2


class Reconstructed(NamedTuple):
    """What becomes of pictures `[B, P, H, W]`: themselves again, the encoder's vectors
    `[B, C, h, w]` without gradients, their ids, and the quantiser's two terms."""

    picture: Tensor
    vectors: Tensor
    ids: Tensor
    codebook: Tensor
    commitment: Tensor


def reconstructed(vae: KLVAE, pictures: Tensor) -> Reconstructed:
    """Pictures through the codebook, whose gradients go straight on to the encoder."""
    vectors = vae.moments(pictures).float()
    ids = vae.quantize.nearest(vectors.detach())
    codes = vae.quantize.vectors(ids).float()
    codebook = F.mse_loss(codes, vectors.detach())
    commitment = F.mse_loss(vectors, codes.detach())
    made = vae.decode(vectors + (codes - vectors).detach()).float()
    return Reconstructed(made, vectors.detach(), ids, codebook, commitment)


def split_counts(figures: Any) -> tuple[tuple[Split, int], ...]:
    """The splits of scenes that a run renders, and how many of each."""
    return ("train", figures.clips), ("validation", figures.validation_clips)


class VQTask:
    """Trains the autoencoder and codebook of `MiniTokenCodec`."""

    def __init__(self, figures: VQFigures, steps: int, cache: Path) -> None:
        self.figures, self.steps = figures, steps
        self.tokenizer = Tokenizer()
        self.tokenizer.picture = fitted(cache)
        self.train, self.validation = (
            picture_rows(self.tokenizer, split, count, cache, figures.workers)
            for split, count in split_counts(figures)
        )

    def model(self) -> Tokenizer:
        model = Tokenizer()
        model.picture.load_state_dict(self.tokenizer.picture.state_dict())
        # Which codes were taken since some began anew; no part of the file.
        model.register_buffer("taken", torch.zeros(CODES), persistent=False)
        nn.init.uniform_(model.vae.quantize.embedding.weight, -1 / CODES, 1 / CODES)
        return model

    def batch(
        self, step: int, rng: np.random.Generator, rows: dict | None = None
    ) -> dict[str, Tensor]:
        """Crops `[B, P, H, W]`, and numbers that choose what codes begin anew with."""
        pictures = (self.train if rows is None else rows)["picture"]
        figures = self.figures
        picked = rng.integers(len(pictures), size=figures.batch)
        starts = rng.integers(pictures.shape[-1] - figures.frames + 1, size=figures.batch)
        crops = [
            pictures[row, :, :, start : start + figures.frames]
            for row, start in zip(picked, starts, strict=True)
        ]
        return {
            "picture": torch.from_numpy(np.stack(crops).astype(np.float32)),
            "chosen": torch.from_numpy(rng.random((figures.batch, CODES))),
        }

    def loss(
        self, model: Tokenizer, batch: dict[str, Tensor], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """|x - x'| + (x - x')^2, and the quantiser's two terms."""
        truth, vae = batch["picture"], model.vae
        made = reconstructed(vae, truth)
        error = F.l1_loss(made.picture, truth) + F.mse_loss(made.picture, truth)
        loss = error + made.codebook + self.figures.commitment * made.commitment
        if model.training and torch.is_grad_enabled():
            self._revive(model, made.vectors, made.ids, batch["chosen"], step)
        return loss, {"error": error.detach(), "used": taken(made.ids, CODES).mean()}

    @torch.no_grad()
    def _revive(
        self, model: Tokenizer, vectors: Tensor, ids: Tensor, chosen: Tensor, step: int
    ) -> None:
        figures = self.figures
        used: Any = model.taken
        used.copy_(taken(ids, CODES).maximum(used))
        if (step + 1) % figures.revive_every or step > figures.revive_until * self.steps:
            return
        dead = used == 0
        rows = vectors.movedim(1, -1).flatten(0, 2)
        numbers = chosen.flatten()[dead.cumsum(0) - 1]
        weight = model.vae.quantize.embedding.weight
        weight.copy_(torch.where(dead[:, None], rows[(numbers * len(rows)).long()], weight))
        used.zero_()

    @torch.no_grad()
    def evaluate(self, model: Tokenizer) -> dict[str, float]:
        """Error and codes in use on validation scenes, always the same crops."""
        errors, used = [], []
        for k in range(4):
            batch = self.batch(10**9, np.random.default_rng([99, k]), self.validation)
            batch = on_device(batch, device_of(model))
            errors.append(float(self.loss(model, batch, 0)[1]["error"]))
            used.append(taken(model.ids(batch["picture"]), CODES))
        codes = torch.stack(used).amax(0).sum()
        return {"validation": float(np.mean(errors)), "codes": float(codes)}


def taken(ids: Tensor, codes: int) -> Tensor:
    """1 for each code that some place takes, else 0, `[codes]`."""
    return torch.zeros(codes, device=ids.device).index_fill(0, ids.flatten(), 1.0)
