"""FoleyGenEx's training on folders of videos and of sounds (arXiv 2606.14049, section 4.1).

Half of each batch are videos with what is said of them, half sounds with their captions. Features
are computed once, see `genex_features`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..catalog import CODECS, SYSTEMS, TEXT_ENCODERS, SystemSpec
from ..errors import FoleyError
from ..generators.base import CONTEXT, VIDEO_MASK
from ..generators.foleygenex import FoleyGenEx, FoleyGenExConfig
from ..generators.foleygenex_checkpoint import FOLEYGENEX_CHECKPOINT
from ..weights.schema import Count, Natural, Seconds, Share
from .batches import device_of, on_device
from .genex_base import Nulls, base_config, begin, read_base
from .genex_clips import check_folders, read_folder
from .genex_features import FeatureMaker, features_of, made_with, with_codec
from .genex_masks import (
    MaskFigures,
    hidden_each,
    hidden_frames,
    masked_error,
    real_frames,
    unseen_frames,
)
from .genex_shards import ShardRows, latent_statistics
from .media_folders import as_folders, own_names
from .mini_flow import logit_normal

_EVALUATED = 4  # batches


@dataclass(frozen=True, kw_only=True)
class FolderFigures(MaskFigures):
    """Data, network and condition dropout of a run.

    videos, sounds: folders with captions, see `genex_clips`. system: the row of the catalogue whose
    encoders, and figures where there is no base, are taken. codec: another codec of the catalogue
    than the row's. seconds: of each part. base: weights to begin with, MMAudio's of any size or
    FoleyGenEx's, by name or path; "" for none. nulls: what stands for what is missing, "zeros" or
    "learned"; "" for what the base has, and zeros without one.
    """

    videos: tuple[str, ...] = ()
    sounds: tuple[str, ...] = ()
    system: str = "foleygenex"
    codec: str = ""
    seconds: Seconds = 8.0
    batch: Count = 256
    drop_video: Share = 0.1
    drop_text: Share = 0.1
    time_shift: float = 0.0  # mean of the logit of t
    base: str = ""
    nulls: Nulls = ""
    seed: Natural = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind in ("videos", "sounds"):
            object.__setattr__(self, kind, as_folders(getattr(self, kind)))
        if self.batch < 2:
            raise FoleyError(f"A batch has 2 takes or more, not {self.batch}.")


class FolderSystem(nn.Module):
    """The network, and the text encoder where that lives in the network's file; it stays as it
    is."""

    def __init__(self, generator: FoleyGenEx, text: nn.Module | None) -> None:
        super().__init__()
        self.generator = generator
        self.text = None if text is None else text.requires_grad_(False)


class FolderTask:
    """Trains FoleyGenEx on the shards of folders; those that are missing are written first."""

    def __init__(self, figures: FolderFigures, cache: Path, device: torch.device) -> None:
        """
        Raises:
            FoleyError: folders, captions or weights are missing; a base of other encoders or
                another codec; shards of another run.
        """
        self.figures = figures
        check_folders(figures.videos, figures.sounds)
        self.base = read_base(figures.base) if figures.base else None
        self.row = _row(figures, self.base)
        self.given: dict[str, Path] = {}
        if TEXT_ENCODERS[self.row.text].inside and self.base is not None:
            self.given["generator"] = self.base[1]
        text = TEXT_ENCODERS[self.row.text]
        trained = text.locate(given=self.given) if text.inside else {}
        self.about = made_with(self.row, figures.seconds, trained)
        # Encoders and codec, which are let go of before the training begins.
        maker = FeatureMaker(self.row, figures.seconds, device, self.given)
        self.sets = {
            kind: ShardRows(self._shards(kind, folders, cache, maker), self.about)
            for kind, folders in (("videos", figures.videos), ("sounds", figures.sounds))
            if folders
        }
        self.config = self._config()

    def _shards(
        self, kind: str, folders: tuple[str, ...], cache: Path, maker: FeatureMaker
    ) -> list[Path]:
        paths: list[Path] = []
        for own, name in zip(own_names(kind, folders), folders):
            clips = read_folder(Path(name), has_picture=kind == "videos")
            folder = cache / f"{self.row.name}_{self.row.codec}" / own
            paths += features_of(clips, maker, folder, self.about)
        return paths

    def _config(self) -> FoleyGenExConfig:
        figures, made = self.figures, next(iter(self.sets.values())).figures
        names = ("latent_dim", "sample_rate", "samples_per_latent")
        of_codec = {name: int(made[name]) for name in names}
        if self.base is None:
            return with_codec(self.row, of_codec, nulls=figures.nulls or "zeros")
        return base_config(self.base[0], figures.nulls)

    def model(self) -> FolderSystem:
        generator = begin(self.config, self.base, self.figures.seed)
        if self.base is None:
            mean, std = latent_statistics(list(self.sets.values()))
            generator.latent_mean.copy_(mean.view(1, 1, -1))
            generator.latent_std.copy_(std.view(1, 1, -1))
        if not self.figures.embeds:
            generator.input_embed.pass_through()
            generator.input_embed.requires_grad_(False)
        return FolderSystem(generator, self._text())

    def _text(self) -> nn.Module | None:
        part = TEXT_ENCODERS[self.row.text]
        return part.loaders(part.locate(given=self.given))["text"]() if part.inside else None

    def batch(self, step: int, rng: np.random.Generator, *, validation: bool = False) -> dict:
        """Videos and sounds, as many of each; the frames of padding count for nothing."""
        picked = self._pick(rng, validation)
        latents, real, texts = [], [], []
        for kind, rows in picked.items():
            latent, frames = self.sets[kind].latents(rows, rng)
            latents.append(latent)
            real.append(frames)
            texts += self.sets[kind].texts(rows, rng)
        latent, frames = torch.cat(latents), np.concatenate(real)
        size, length = latent.shape[:2]
        hidden = hidden_frames(self.figures, size, length, rng, frames)
        known = real_frames(frames, length) & ~hidden
        masked = unseen_frames(self.figures, hidden, known, rng)
        chance = lambda p: torch.from_numpy(rng.random(size) < p)  # noqa: E731
        drop_video, drop_text = chance(self.figures.drop_video), chance(self.figures.drop_text)
        streams, unseen = self._streams(picked, size)
        return {
            "latent": latent,
            "hidden": hidden,
            "known": known,
            "hidden_each": hidden_each(hidden),
            "streams": {**streams, "text": _stacked(texts, self.config)},
            VIDEO_MASK: masked[..., None].float(),
            "drop_video": drop_video | unseen,
            "drop_text": drop_text | torch.tensor([text is None for text in texts]),
            "t": logit_normal(size, self.figures.time_shift, rng),
            "noise": torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32)),
        }

    def _pick(self, rng: np.random.Generator, validation: bool) -> dict[str, np.ndarray]:
        """Numbers of rows by kind."""
        half = self.figures.batch // len(self.sets)
        sizes = [self.figures.batch - half * (len(self.sets) - 1), half]
        return {
            kind: rng.choice(rows.validation if validation else rows.train, size)
            for (kind, rows), size in zip(self.sets.items(), sizes)
        }

    def _streams(self, picked: dict, size: int) -> tuple[dict[str, Tensor], Tensor]:
        """Streams of the picture, zeros for sounds, and which takes have none, bool `[B]`."""
        unseen = torch.ones(size, dtype=torch.bool)
        unseen[: len(picked.get("videos", ()))] = False
        lengths, streams = self.config.lengths(self.figures.seconds), {}
        for spec in self.config.streams:
            if spec.name in ("text", CONTEXT, VIDEO_MASK):
                continue
            value = torch.zeros(size, lengths[spec.name], spec.width)
            rows = picked.get("videos")
            if rows is not None and not self.sets["videos"].has(rows[0], spec.name):
                continue  # the encoder of the minis makes no such stream
            if rows is not None:
                value[: len(rows)] = self.sets["videos"].read(rows, spec.name)
            streams[spec.name] = value
        return streams, unseen

    def loss(self, model: FolderSystem, batch: dict, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error over the hidden frames (eq. 3 and 4)."""
        generator = model.generator
        data = generator.normalize(batch["latent"])
        unseen, mask = batch["drop_video"], batch[VIDEO_MASK]
        drops = {"text": batch["drop_text"]}
        if generator.config.nulls == "learned":
            drops |= {name: unseen for name in batch["streams"] if name != "text"}
            mask = mask * ~unseen[:, None, None]
        else:
            # Sync that is missing is zero after its projection, as sync that is masked is.
            mask = torch.maximum(mask, unseen[:, None, None].to(mask))
        streams = generator.drop_streams(batch["streams"], drops)
        streams[VIDEO_MASK] = mask
        if self.figures.embeds:
            known = batch["known"][..., None].float()
            streams[CONTEXT] = torch.cat((batch["latent"], known), -1)
        t = batch["t"]
        x = torch.lerp(batch["noise"], data, t[:, None, None])
        velocity = generator(x, t, generator.prepare(streams, self.figures.seconds))
        hidden = batch["hidden"][..., None].float()
        return masked_error(velocity, data - batch["noise"], hidden, batch["hidden_each"]), {}

    @torch.no_grad()
    def evaluate(self, model: FolderSystem) -> dict[str, float]:
        """Flow loss on files that are not trained on, always the same draws."""
        losses = []
        for k in range(_EVALUATED):
            batch = self.batch(10**9, np.random.default_rng([99, k]), validation=True)
            losses.append(float(self.loss(model, on_device(batch, device_of(model)), 0)[0]))
        return {"validation": float(np.mean(losses))}


def _stacked(texts: list[Tensor | None], config: FoleyGenExConfig) -> Tensor:
    """`[B, Nt, D]`, zeros where there is none."""
    empty = torch.zeros(config.text_seq_len, config.text_dim)
    return torch.stack([empty if text is None else text for text in texts])


def _row(figures: FolderFigures, base: tuple[SystemSpec, Path] | None) -> SystemSpec:
    """The row whose encoders and codec make the features.

    Raises:
        FoleyError: no such row or codec, or a base that was trained on others.
    """
    able = [
        name for name, row in SYSTEMS.items() if row.generator.checkpoint is FOLEYGENEX_CHECKPOINT
    ]
    if figures.system not in able:
        raise FoleyError(
            f"There is no system '{figures.system}' of FoleyGenEx; choose one of: "
            f"{', '.join(able)}."
        )
    row = SYSTEMS[figures.system]
    codec = figures.codec or (base[0].config if base else row.config).latent.codec
    if codec not in CODECS:
        raise FoleyError(f"There is no codec '{codec}'; choose one of: {', '.join(CODECS)}.")
    if base is not None:
        own = {s.name: s for s in base[0].config.streams}
        taken = [s.name for s in row.follows if own.get(s.name) != s and s.name != CONTEXT]
        if taken or base[0].config.latent.codec != codec:
            what = f"the encoders of {row.name}" if taken else f"the codec {codec}"
            raise FoleyError(
                f"The base {figures.base} was not trained on {what}; choose another 'base', or "
                "another 'system' or 'codec'."
            )
    return replace(row, codec=codec)
