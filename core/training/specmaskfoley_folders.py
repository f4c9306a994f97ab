"""Training of SpecMaskGIT on folders of sounds, and of SpecMaskFoley's branch on folders of videos.

Source: SpecMaskFoley (arXiv 2505.16195, section 3.1). Neither needs captions: CLAP's embedding of
the sound itself stands where that of words will. Features are computed once, see `genex_features`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from ..catalog import SYSTEMS, TEXT_ENCODERS, VIDEO_ENCODERS, system_of_file
from ..codecs.specvqgan import SpecVQGANCodec, load_tokenizer
from ..errors import FoleyError
from ..generators.base import LATENT
from ..generators.specmaskfoley import (
    SPECMASKFOLEY,
    Aligned,
    Projected,
    SpecMaskFoley,
    SpecMaskFoleyConfig,
)
from ..generators.specmaskfoley_checkpoint import SPECMASKGIT_CHECKPOINT
from ..generators.specmaskgit import CODEC_VARIANT, SPECMASKGIT, SpecMaskGIT, SpecMaskGITConfig
from ..media import fit_length, read_audio
from ..parts import read_checkpoint, recognised
from ..recognition import detect
from ..reference import CLAP_REFERENCE, ReferenceSpec
from ..stores import Resident
from ..system import encode_video
from ..weights.families import Family
from ..weights.fill import fill
from ..weights.schema import Natural
from ..weights.store import locate
from .genex_clips import CaptionedClip
from .genex_features import Maker, Row, features_of, fit_stream, made_with, sound_of
from .genex_shards import ShardRows
from .masked_tokens import PICTURE, MaskedFigures, MaskedTokenTask, train_branch_alone
from .media_folders import as_folders, own_names, read_media, resized

ROW = SYSTEMS["specmaskfoley"]
CODEC = Family("specvqgan", CODEC_VARIANT)
# What a recipe may say of the network's size; the codec and the encoders say the rest.
BACKBONE_SIZES = ("columns", "hidden_dim", "num_heads", "depth", "mlp_ratio", "step_columns")
BRANCH_SIZES = ("columns", "control_depth", "projection", "projection_dim", "alignment")
# Both have to agree on.
_OF_TOKENS = ("codes", "rows", "columns", "samples_per_latent")
_BRANCH = ("aligner.", "control.")


@dataclass(frozen=True, kw_only=True)
class TokenFolderFigures(MaskedFigures):
    """Data and network of a run; masks and condition dropout as `MaskedFigures`.

    sounds: folders that the backbone is trained on. videos: folders that the branch is trained on,
    with base: the weights of the backbone, which stays as it is. codec: weights of the tokens. Both
    by name or path. network: sizes in place of the published, `BACKBONE_SIZES` or `BRANCH_SIZES`.
    """

    sounds: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    codec: str = "specmaskgit_vqgan"
    base: str = ""
    network: Mapping[str, Any] = field(default_factory=dict)
    seed: Natural = 0

    def __post_init__(self) -> None:
        for kind in ("sounds", "videos"):
            object.__setattr__(self, kind, as_folders(getattr(self, kind)))
        if bool(self.videos) == bool(self.sounds) or bool(self.videos) != bool(self.base):
            raise FoleyError(
                "The recipe needs 'sounds', folders for the backbone, or 'videos' and 'base', "
                "folders for the branch and the backbone's weights."
            )


class TokenSystem(nn.Module):
    """The network. branch: whether its branch alone is trained."""

    def __init__(self, generator: SpecMaskGIT, branch: bool) -> None:
        super().__init__()
        self.generator, self.branch = generator, branch


class TokenMaker(Maker):
    """Tokens, CLAP's embedding of the sound and, of videos, the streams of the picture.

    A row has `tokens` [N, rows], `words` [1, D], and the streams by their names.
    """

    def __init__(
        self, config: SpecMaskFoleyConfig, codec: SpecVQGANCodec, device: torch.device, kind: str
    ) -> None:
        self.config, self.codec, self.device = config, codec, device
        self.video = VIDEO_ENCODERS[ROW.video] if kind == "videos" else None
        self.seconds, self.figures = config.trained_seconds, {}
        self.lengths = config.lengths(self.seconds)

    def load(self) -> None:
        if self.figures:
            return
        loaders: dict[str, Any] = {}
        for part in (TEXT_ENCODERS[ROW.text], *([self.video] if self.video else [])):
            loaders.update(part.loaders(part.locate(), device=self.device))
        self.store = Resident(loaders, self.device)
        self.figures = {name: str(getattr(self.config, name)) for name in _OF_TOKENS}

    @torch.no_grad()
    def features(self, clip: CaptionedClip, start: float) -> Row:
        config = self.config
        sound = sound_of(clip, start, self.seconds, config.sample_rate)
        whole = fit_length(sound, self.lengths[LATENT] * config.samples_per_latent)
        tokens = self.codec.encode(whole[None].to(self.device))[0].short().cpu()
        made = {"tokens": tokens, "words": self._words(clip, start)}
        return {**made, **self._picture(clip, start)} if clip.has_picture else made

    def _words(self, clip: CaptionedClip, start: float) -> Tensor:
        """What stands for words, [1, D]: the sound is heard as a reference would be."""
        spec = ReferenceSpec.of(CLAP_REFERENCE)
        sound, _ = read_audio(
            clip.path, sample_rate=spec.sample_rate, start=start, seconds=spec.seconds, mono=True
        )
        with self.store.using(CLAP_REFERENCE.part) as clap:
            heard: Any = clap
            return CLAP_REFERENCE.encode(heard, sound, None)[0]

    def _picture(self, clip: CaptionedClip, start: float) -> Row:
        assert self.video is not None
        multiples = {spec.name: spec.multiple for spec in self.config.streams}
        encoded = encode_video(
            self.video, self.store, clip.path, start=start, seconds=self.seconds, to_end=True
        )
        return {
            name: fit_stream(value[0].float().cpu(), self.lengths[name], multiples[name])
            for name, value in encoded.streams.items()
        }


class TokenFolderTask(MaskedTokenTask):
    """Trains the backbone, or the branch, on the shards of folders; those that are missing are
    written first."""

    figures: TokenFolderFigures
    evaluated = 4

    def __init__(self, figures: TokenFolderFigures, cache: Path, device: torch.device) -> None:
        """
        Raises:
            FoleyError: folders or weights are missing; a codec or a base of another kind, or of
                other tokens; shards of another run.
        """
        self.figures = figures
        kind = "videos" if figures.videos else "sounds"
        folders = figures.videos or figures.sounds
        clips = read_media(kind, folders)
        path = codec_path(figures.codec)
        self.base = read_backbone(figures.base) if figures.base else None
        codec = load_tokenizer(path, device)
        tokens = {
            "codes": codec.token_codes,
            "rows": codec.rows,
            "samples_per_latent": codec.samples_per_latent,
        }
        self.config = _config(figures, tokens, self.base)
        about = made_with(ROW, self.config.trained_seconds, {"vae": path})
        maker = TokenMaker(_of_picture(self.config), codec, device, kind)
        paths: list[Path] = []
        for own, some in zip(own_names(kind, folders), clips):
            paths += features_of(some, maker, cache / f"{ROW.name}_{ROW.codec}" / own, about)
        self.rows = ShardRows(paths, about)
        self.validation = self.rows.validation
        self.config = _with_encoders(self.config, self.rows, self.base)

    def model(self) -> TokenSystem:
        rng = torch.Generator().manual_seed(self.figures.seed)
        if self.base is None:
            return TokenSystem(SpecMaskGIT(self.config, rng=rng), branch=False)
        network = SpecMaskFoley(self.config, rng=rng)
        path = self.base[1]
        stored = read_checkpoint(SPECMASKGIT_CHECKPOINT, path, dtype=torch.float32)
        own = {k: v for k, v in network.state_dict().items() if k.startswith(_BRANCH)}
        # What is mapped from a file would change under training.
        fill(network, {key: value.clone() for key, value in {**own, **stored}.items()}, path)
        system = TokenSystem(network, branch=True)
        train_branch_alone(system)
        return system.train()

    def batch(self, step: int, rng: np.random.Generator, rows: np.ndarray | None = None) -> dict:
        """Tokens `[B, N, rows]`, which of them are masked, embeddings, and what is seen."""
        picked = rng.choice(self.rows.train if rows is None else rows, self.figures.batch)
        tokens = self.rows.read(picked, "tokens").long()
        masked = self.masked(tuple(tokens.shape), rng)
        made = {"tokens": tokens, **masked, "words": self.rows.read(picked, "words")}
        seen = PICTURE if self.base is not None else ()
        streams = {name: self.rows.read(picked, name) for name in seen}
        return {**made, **streams, **self.drops(rng)}

    def words(self, model: TokenSystem, batch: dict) -> Tensor:
        """CLAP's, of the sounds."""
        return batch["words"]


def codec_path(name: str) -> Path:
    """The file of a codec's weights, by name or path.

    Raises:
        FoleyError: it is missing, or of another codec, such as the public SpecVQGAN.
    """
    path = _path(name)
    found = detect(path)
    if found != CODEC:
        raise FoleyError(
            f"{path.name} is {found or 'something else'}, not {CODEC}: the tokens of another mel "
            "do not fit; train a codec with the recipe specmaskgit_vqgan and name it as 'codec'."
        )
    return path


def read_backbone(name: str) -> tuple[SpecMaskGITConfig, Path]:
    """Config and file of a backbone, by name or path.

    Raises:
        FoleyError: it is missing, or no SpecMaskGIT.
    """
    path = _path(name)
    config = recognised(SPECMASKGIT_CHECKPOINT, path)
    if config is None:
        row = system_of_file(path)
        raise FoleyError(
            f"{path.name} is a network of {row.generator.checkpoint.title}; the branch needs a "
            "SpecMaskGIT as its 'base'."
        )
    return config, path


def _path(name: str) -> Path:
    return Path(name) if Path(name).suffix else locate(name)


def _config(
    figures: TokenFolderFigures,
    tokens: Mapping[str, Any],
    base: tuple[SpecMaskGITConfig, Path] | None,
) -> SpecMaskGITConfig:
    """Of the network to train, but for the widths of what the encoders make.

    Raises:
        FoleyError: sizes that are not known, or a base of other tokens.
    """
    if base is None:
        config = replace(resized(SPECMASKGIT, figures.network, BACKBONE_SIZES), **tokens)
        if config.hidden_dim % config.num_heads:
            raise FoleyError(
                f"The 'hidden_dim' of the network, {config.hidden_dim}, must be a multiple of its "
                f"'num_heads', {config.num_heads}."
            )
        return replace(config, step_columns=min(config.step_columns, config.columns))
    wanted = replace(resized(SPECMASKFOLEY, figures.network, BRANCH_SIZES), **tokens)
    for name, known in (("projection", Projected), ("alignment", Aligned)):
        if getattr(wanted, name) not in get_args(known):
            raise FoleyError(
                f"There is no {name} '{getattr(wanted, name)}'; choose one of: "
                f"{', '.join(get_args(known))}."
            )
    own, path = base
    if wanted.control_depth > own.depth:
        raise FoleyError(
            f"The base {path.name} has {own.depth} blocks, of which {wanted.control_depth} cannot "
            "be copied; choose a smaller 'control_depth'."
        )
    for name in _OF_TOKENS:
        if getattr(own, name) != getattr(wanted, name):
            raise FoleyError(
                f"The base {path.name} has {getattr(own, name)} {name}, and this run has "
                f"{getattr(wanted, name)}; choose the base that was trained on this 'codec'."
            )
    return replace(wanted, **asdict(own))


def _of_picture(config: SpecMaskGITConfig) -> SpecMaskFoleyConfig:
    """With the streams of the picture, which a backbone has not."""
    if isinstance(config, SpecMaskFoleyConfig):
        return config
    return replace(SPECMASKFOLEY, **asdict(config))


def _with_encoders(
    config: SpecMaskGITConfig, rows: ShardRows, base: tuple[SpecMaskGITConfig, Path] | None
) -> SpecMaskGITConfig:
    """With the widths of what the encoders made.

    Raises:
        FoleyError: a base that was trained on embeddings of another width.
    """
    first = np.array([0])
    words = rows.read(first, "words").shape[-1]
    if base is None:
        return replace(config, words_dim=words)
    if words != config.words_dim:
        raise FoleyError(
            f"The base {base[1].name} was trained on embeddings of {config.words_dim} numbers, and "
            f"CLAP's here have {words}; choose another base."
        )
    widths = {f"{name}_dim": rows.read(first, name).shape[-1] for name in PICTURE}
    return replace(config, **widths)
