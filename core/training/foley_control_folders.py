"""Foley Control's training on folders of videos with captions: a bridge into a frozen backbone.

Source: Foley Control (arXiv 2510.21581, sections 3.2 to 3.4). Features are computed once, see
`genex_features`; a clip is taken as long as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from ..catalog import CODECS, VIDEO_ENCODERS, SystemSpec, system_of_file
from ..errors import FoleyError
from ..generators.bridge import Bridge, BridgeConfig
from ..generators.foley_control import FoleyControl, FoleyControlConfig, bridged
from ..generators.stable_audio import TEXT, StableAudioConfig
from ..generators.stable_audio_checkpoint import BRIDGE, STABLE_AUDIO_CHECKPOINT
from ..parts import Part, read_checkpoint
from ..recognition import detect
from ..weights.fill import fill
from ..weights.registry import entry
from ..weights.schema import Count, Natural, Seconds, Share
from ..weights.store import locate
from .batches import device_of, on_device
from .config import LoopConfig
from .foley_control import spread_times, v_loss, without_context
from .genex_clips import check_folders, read_folder
from .genex_features import FeatureMaker, features_of, made_with
from .genex_shards import ShardRows
from .media_folders import as_folders, own_names, resized

Latents = Literal["sampled", "mean"]
# What a recipe may say of the bridge; the backbone and the encoder say the rest.
BRIDGE_FIGURES = ("adapter", "positions", "rotary_dim", "projected")
_EVALUATED = 4  # batches
_HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class BridgeFolderFigures:
    """Data, bridge and condition dropout of a run.

    videos: folders with captions, see `genex_clips`. base: weights of the backbone, which stays as
    it is; codec: of the codec, "" for the registry's; both by name or path. encoder: the row of the
    video encoder; stream: which of its streams, "" for the first. seconds: the longest part of a
    clip. latents: "sampled" anew from the codec's posterior, or its "mean". drop_tokens: chance of
    every token of the picture to be zero; drop_clip: that all of a take are, after which guidance
    can lead away from zeros. drop_text: that the whole context is zero. network: figures of the
    bridge in place of the published, `BRIDGE_FIGURES`. checkpointing: see `StableAudio`.
    """

    videos: tuple[str, ...] = ()
    base: str = "stable_audio_open"
    codec: str = ""
    encoder: str = "vjepa2_l"
    stream: str = ""
    seconds: Seconds = 12.0
    latents: Latents = "sampled"
    batch: Count = 384
    drop_tokens: Share = 0.1
    drop_clip: Share = 0.0
    drop_text: Share = 0.1
    network: Mapping[str, Any] = field(default_factory=dict)
    checkpointing: bool = True
    seed: Natural = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "videos", as_folders(self.videos))
        if self.latents not in get_args(Latents):
            raise FoleyError(f"The latents are sampled or mean, not '{self.latents}'.")


class BridgeSystem(nn.Module):
    """A bridge in its backbone. Parameters, checkpoints and averages are the bridge's alone, and
    copies share the backbone."""

    def __init__(self, generator: FoleyControl) -> None:
        super().__init__()
        self.bridge = generator.bridge
        # In a tuple it is no module of this one.
        self._whole = (generator,)

    @property
    def generator(self) -> FoleyControl:
        """The whole network."""
        return self._whole[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> BridgeSystem:
        # Moves the backbone as well.
        self.generator._apply(fn, recurse)
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> BridgeSystem:
        for name, value in self.generator.state_dict(keep_vars=True).items():
            if not name.startswith(BRIDGE):
                memo[id(value)] = value
        made = self.__class__.__new__(self.__class__)
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made


class BridgeMaker(FeatureMaker):
    """Latents with the codec's channels, one stream of the picture, and texts."""

    def config_with(self, made: dict[str, int]) -> FoleyControlConfig:
        """
        Raises:
            FoleyError: the codec's latents are not the backbone's.
        """
        config: Any = self.row.config
        own = (config.io_channels, config.sample_rate, config.samples_per_latent)
        if own != tuple(made.values()):
            raise FoleyError(
                f"The backbone works on {own[0]} numbers at {own[1]} Hz, each for {own[2]} "
                f"samples, but this codec makes {made['latent_dim']} at {made['sample_rate']} Hz "
                f"for {made['samples_per_latent']}: name the backbone's own as 'codec'."
            )
        return config


class BridgeFolderTask:
    """Trains a bridge on the shards of folders; those that are missing are written first."""

    def __init__(
        self,
        figures: BridgeFolderFigures,
        cache: Path,
        device: torch.device,
        half: torch.dtype | None = None,
    ) -> None:
        """half: what the backbone's blocks are kept and computed in, None: float32.

        Raises:
            FoleyError: folders, captions or weights are missing; a base, an encoder or a codec that
                do not fit each other; shards of another run.
        """
        self.figures, self.half = figures, half
        check_folders(figures.videos, ())
        row, self.path = read_base(figures.base)
        backbone: Any = row.config
        self.config = _config(figures, backbone)
        generator = replace(row.generator, config=self.config)
        row = replace(row, generator=generator, video=figures.encoder)
        given = _given(figures, row, self.path)
        about = made_with(row, figures.seconds, given)
        maker = BridgeMaker(row, figures.seconds, device, given)
        folder = cache / f"{row.name}_{row.codec}_{row.video}"
        paths: list[Path] = []
        for own, name in zip(own_names("videos", figures.videos), figures.videos):
            clips = read_folder(Path(name), has_picture=True)
            paths += features_of(clips, maker, folder / own, about)
        self.rows = ShardRows(paths, about)
        self.frames = self.rows.whole("frames").astype(int)
        self.config = self._of_features()

    def _of_features(self) -> FoleyControlConfig:
        """The config with the width of what the encoder made.

        Raises:
            FoleyError: texts of another width than the backbone's.
        """
        bridge, first = self.config.bridge, np.array([0])
        text = self.rows.texts(first, np.random.default_rng(0))[0]
        if text is not None and text.shape[1] != self.config.cond_token_dim:
            raise FoleyError(
                f"The base {self.path.name} was trained on texts {self.config.cond_token_dim} "
                f"wide, but those of the text encoder here are {text.shape[1]} wide: choose "
                "another base."
            )
        width = self.rows.read(first, bridge.stream).shape[-1]
        return replace(self.config, bridge=replace(bridge, video_dim=width))

    def model(self) -> BridgeSystem:
        """The backbone with a bridge that has no effect yet."""
        network = FoleyControl(self.config, device="meta")
        bridge = Bridge(self.config.bridge)
        bridge.initialise(torch.Generator().manual_seed(self.figures.seed))
        own = {f"{BRIDGE}{name}": value for name, value in bridge.state_dict().items()}
        stored = read_checkpoint(STABLE_AUDIO_CHECKPOINT, self.path, dtype=torch.float32)
        fill(network, {**own, **stored}, self.path)
        if self.half is not None:
            # All but a hundredth of it; frequencies stay exact.
            network.transformer.to(self.half)
        network.checkpointing = self.figures.checkpointing
        network.bridge.requires_grad_(True)
        return BridgeSystem(network)

    def batch(self, step: int, rng: np.random.Generator, rows: np.ndarray | None = None) -> dict:
        """Parts that begin together and are as long as one of them, which is drawn first."""
        figures, config = self.figures, self.config
        picked = self._pick(rng, self.rows.train if rows is None else rows)
        size, frames = len(picked), int(self.frames[picked[0]])
        if figures.latents == "sampled":
            latent = self.rows.latents(picked, rng)[0]
        else:
            latent = self.rows.read(picked, "latent")
        latent = latent[:, :frames]
        stream = config.bridge.stream
        count = config.lengths(frames / config.latent.rate)[stream]
        picture = self.rows.read(picked, stream)[:, :count]
        kept = rng.random(picture.shape[:2]) >= figures.drop_tokens
        kept &= rng.random((size, 1)) >= figures.drop_clip
        texts = self.rows.texts(picked, rng)
        empty = torch.zeros(config.text_tokens, config.cond_token_dim)
        return {
            "latent": latent,
            "picture": picture * torch.from_numpy(kept)[..., None],
            "text": torch.stack([empty if text is None else text for text in texts]),
            "drop_text": torch.from_numpy(rng.random(size) < figures.drop_text)
            | torch.tensor([text is None for text in texts]),
            "t": spread_times(size, rng),
            "noise": torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32)),
        }

    def _pick(self, rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        """Numbers of rows; none is shorter than the first."""
        first = rng.choice(rows)
        as_long = rows[self.frames[rows] >= self.frames[first]]
        return np.append(first, rng.choice(as_long, self.figures.batch - 1))

    def loss(self, model: BridgeSystem, batch: dict, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error of v."""
        generator, config = model.generator, self.config
        data = generator.normalize(batch["latent"])
        streams = {config.bridge.stream: batch["picture"], TEXT: batch["text"]}
        half = self.half or torch.bfloat16
        with torch.autocast(data.device.type, half, enabled=self.half is not None):
            prepared = generator.prepare(streams, data.shape[1] / config.latent.rate)
            prepared = without_context(prepared, batch["drop_text"])
            return v_loss(generator, data, batch["noise"], batch["t"], prepared), {}

    @torch.no_grad()
    def evaluate(self, model: BridgeSystem) -> dict[str, float]:
        """Loss on clips that are not trained on, always the same draws."""
        losses = []
        for k in range(_EVALUATED):
            batch = self.batch(10**9, np.random.default_rng([99, k]), self.rows.validation)
            losses.append(float(self.loss(model, on_device(batch, device_of(model)), 0)[0]))
        return {"validation": float(np.mean(losses))}


def half_on(device: torch.device, loop: LoopConfig) -> torch.dtype | None:
    """What a frozen backbone is kept in: half precision on a GPU under autocast, else None."""
    return _HALVES[loop.precision] if loop.autocast and device.type == "cuda" else None


def read_base(name: str) -> tuple[SystemSpec, Path]:
    """The row and the file of a backbone: a name of the registry, or a path.

    Raises:
        FoleyError: no such weights here, or they are no Stable Audio that predicts v.
    """
    path = Path(name) if Path(name).suffix else locate(name)
    row = system_of_file(path)
    if row.generator.checkpoint is not STABLE_AUDIO_CHECKPOINT:
        raise FoleyError(
            f"{path.name} is a network of {row.generator.checkpoint.title}; the bridge needs a "
            "Stable Audio as its 'base'."
        )
    config: Any = row.config
    if config.objective != "v":
        raise FoleyError(
            f"{path.name} is of the objective {config.objective}, and the bridge is trained on v: "
            "name stable_audio_open as its 'base', or another of that kind."
        )
    return row, path


def _config(figures: BridgeFolderFigures, backbone: StableAudioConfig) -> FoleyControlConfig:
    """Of the network to train, but for the width of what the encoder makes.

    Raises:
        FoleyError: no such encoder or stream, or figures of the bridge that are not known.
    """
    if figures.encoder not in VIDEO_ENCODERS:
        raise FoleyError(
            f"There is no video encoder '{figures.encoder}'; choose one of: "
            f"{', '.join(VIDEO_ENCODERS)}."
        )
    encoder = VIDEO_ENCODERS[figures.encoder]
    stream = figures.stream or encoder.streams[0]
    if stream not in encoder.streams:
        raise FoleyError(
            f"The video encoder {encoder.name} makes no stream '{stream}'; choose one of: "
            f"{', '.join(encoder.streams)}."
        )
    rate, places = encoder.moments(stream)
    bridge = BridgeConfig(
        encoder=encoder.name,
        stream=stream,
        video_rate=rate,
        places=places,
        embed_dim=backbone.embed_dim,
        num_heads=backbone.num_heads,
        depth=backbone.depth,
        longest=figures.seconds,
        null_video="zeros" if figures.drop_clip else "off",
    )
    bridge = resized(bridge, figures.network, BRIDGE_FIGURES)
    if bridge.rotary_dim % 2 or not 0 < bridge.rotary_dim <= backbone.head_dim:
        raise FoleyError(
            f"The 'rotary_dim' of the bridge, {bridge.rotary_dim}, must be even and at most the "
            f"width of a head, {backbone.head_dim}."
        )
    return bridged(backbone, bridge)


def _given(figures: BridgeFolderFigures, row: SystemSpec, base: Path) -> dict[str, Path]:
    """Weights by role that are one's own, or come with this package: their names do not say which
    they are. Raises FoleyError for a codec's that are none."""
    given: dict[str, Path] = {}
    if Path(figures.base).suffix or entry(figures.base).source.how == "bundled":
        given["generator"] = base
    if figures.codec:
        given |= _codec_file(figures.codec, CODECS[row.codec])
    return given


def _codec_file(name: str, part: Part) -> dict[str, Path]:
    """Weights of a codec's own, by its role.

    Raises:
        FoleyError: they are missing, or another codec's.
    """
    path = Path(name) if Path(name).suffix else locate(name)
    role, found = next(iter(part.files)), detect(path)
    if found is None or found.name != part.families[role].name:
        raise FoleyError(
            f"{path.name} is {found or 'something else'}, not {part.families[role]}: name the "
            f"weights of {part.name} as 'codec'."
        )
    return {role: path}
