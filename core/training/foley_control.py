"""Recipes of `stable_audio_mini` and `foley_control_mini`: a text-to-audio backbone on the sounds
of scenes without any picture, frozen, then the bridge alone.

Source: Foley Control (arXiv 2510.21581, section 3.4); the objective is Stable Audio Open's
(arXiv 2407.14358): v at times that are spread evenly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..encoders.foley_mini import sync_from_events
from ..encoders.mini_text import MiniTextEncoder
from ..generators.base import Prepared
from ..generators.bridge import BridgeConfig, Positions, foley_control_mini_bridge
from ..generators.foley_control import FoleyControl, bridged
from ..generators.stable_audio import StableAudio, stable_audio_mini
from ..generators.stable_audio_checkpoint import (
    BRIDGE,
    STABLE_AUDIO_CHECKPOINT,
    native_tensors,
    record,
    record_bridge,
)
from ..parts import read_checkpoint
from ..scenes.materials import MATERIALS
from ..scenes.scene import Split
from ..weights.fill import fill
from ..weights.load import read_weights
from ..weights.schema import Count, Natural, Seconds, Share
from ..weights.store import locate
from .batches import device_of, on_device
from .mini_flow import STEP, crop, flow_rows, latent_statistics
from .prompts import sample_prompt, vocabulary

_CROPS = ((2.56, 3), (4.0, 2), (8.0, 1))  # seconds, and takes of a batch in eighths of `batch`
_CROP_CHANCES = (0.3, 0.4, 0.3)
_WORDS = "text."


@dataclass(frozen=True)
class BridgeFigures:
    """Data and dropout of a run.

    base: weights of the backbone, which stays as it is while a bridge into it is trained; "" trains
    the backbone itself. drop_tokens: chance of every token of the picture to be zero; drop_clip:
    that all of a take are. positions: see `BridgeConfig`.
    """

    clips: Count = 8000
    validation_clips: Count = 96
    clip_seconds: Seconds = 8.0
    batch: Count = 64
    base: str = ""
    drop_text: Share = 0.15
    drop_tokens: Share = 0.1
    drop_clip: Share = 0.0
    positions: Positions = "time"
    workers: Natural = 2


class MiniSystem(nn.Module):
    """A backbone and its words, or a bridge in a backbone that is frozen."""

    def __init__(self, generator: StableAudio) -> None:
        super().__init__()
        self.generator = generator
        self.text = MiniTextEncoder(vocabulary(), generator.config.cond_token_dim)


class BridgeTask:
    """Trains `MiniSystem` on cached latents and events."""

    def __init__(self, figures: BridgeFigures, cache: Path) -> None:
        self.figures = figures
        self.train = self._rows("train", figures.clips, cache)
        self.validation = self._rows("validation", figures.validation_clips, cache)

    def _rows(self, split: Split, count: int, cache: Path) -> dict[str, np.ndarray]:
        return flow_rows(split, count, self.figures.clip_seconds, cache, self.figures.workers)

    def model(self) -> MiniSystem:
        if self.figures.base:
            return self._frozen()
        generator = StableAudio(stable_audio_mini())
        generator.initialise(torch.Generator().manual_seed(0))
        mean, std = latent_statistics(self.train["latent"])
        generator.latent_mean.copy_(mean)
        generator.latent_std.copy_(std)
        return MiniSystem(generator)

    def _frozen(self) -> MiniSystem:
        base = self.figures.base
        path = Path(base) if base.endswith(".safetensors") else locate(base)
        generator = FoleyControl(bridged(stable_audio_mini(), self.bridge()))
        generator.initialise(torch.Generator().manual_seed(0))
        own = {k: v for k, v in generator.state_dict().items() if k.startswith(BRIDGE)}
        stored = read_checkpoint(STABLE_AUDIO_CHECKPOINT, path, dtype=torch.float32)
        system = MiniSystem(fill(generator, {**own, **stored}, path))
        words = read_weights(path, keep=lambda key: key.startswith(_WORDS), dtype=torch.float32)
        system.text.load_state_dict({k.removeprefix(_WORDS): v for k, v in words.items()})
        system.requires_grad_(False)
        generator.bridge.requires_grad_(True)
        return system

    def bridge(self) -> BridgeConfig:
        """Of the bridge that is trained."""
        figures = self.figures
        null = "zeros" if figures.drop_clip else "off"
        return foley_control_mini_bridge(positions=figures.positions, null_video=null)

    def picture(self, rows: dict, picked: Any, first: Any, count: int) -> Tensor:
        """Tokens `[B, M, video_dim]` of `count` steps of rows, from `first` on."""
        return sync_from_events(crop(rows["events"], picked, first, count, 8))

    def batch(self, step: int, rng: np.random.Generator, rows: dict | None = None) -> dict:
        """Latents, prompts, the picture where a bridge is trained, times and noise."""
        rows, figures = self.train if rows is None else rows, self.figures
        seconds, eighths = _CROPS[rng.choice(len(_CROPS), p=_CROP_CHANCES)]
        size = figures.batch * eighths // 8
        picked = rng.integers(len(rows["kind"]), size=size)
        first = rng.integers(0, round((figures.clip_seconds - seconds) / STEP) + 1, size)
        count = round(seconds / STEP)
        latent = crop(rows["latent"], picked, first, count, 5)
        batch = {
            "latent": latent,
            "prompts": [
                sample_prompt(rng, str(rows["kind"][i]), MATERIALS[rows["material"][i]])
                for i in picked
            ],
            "drop_text": torch.from_numpy(rng.random(size) < figures.drop_text),
            "t": spread_times(size, rng),
            "noise": torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32)),
        }
        if figures.base:
            video = self.picture(rows, picked, first, count)
            kept = rng.random(video.shape[:2]) >= figures.drop_tokens
            kept &= rng.random((size, 1)) >= figures.drop_clip
            batch["video"] = video * torch.from_numpy(kept)[..., None]
        return batch

    def loss(self, model: MiniSystem, batch: dict, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = model.generator
        data = generator.normalize(batch["latent"])
        streams = {"text": model.text.encode(batch["prompts"])}
        if isinstance(generator, FoleyControl):
            streams[generator.config.bridge.stream] = batch["video"]
        prepared = generator.prepare(streams, data.shape[1] / 5 * STEP)
        prepared = without_context(prepared, batch["drop_text"])
        loss = v_loss(generator, data, batch["noise"], batch["t"], prepared)
        return loss, {}

    @torch.no_grad()
    def evaluate(self, model: MiniSystem) -> dict[str, float]:
        """Loss on validation scenes, always the same draws."""
        losses = []
        for k in range(6):
            batch = self.batch(10**9, np.random.default_rng([99, k]), self.validation)
            losses.append(float(self.loss(model, on_device(batch, device_of(model)), 0)[0]))
        return {"validation": float(np.mean(losses))}


def spread_times(size: int, rng: np.random.Generator) -> Tensor:
    """Times `[size]` of a batch, one in each of as many equal parts of 0..1."""
    return torch.from_numpy((rng.permutation(size) + rng.random(size)) / size).float()


def without_context(prepared: Prepared, dropped: Tensor) -> Prepared:
    """Where `dropped`, bool `[B]`, the whole context is zero, also the length in it."""
    values = prepared.batched["text_values"]
    kept = (~dropped).to(values)[:, None, None, None, None]
    return Prepared({**prepared.batched, "text_values": values * kept}, prepared.shared)


def v_loss(
    generator: StableAudio, data: Tensor, noise: Tensor, t: Tensor, prepared: Prepared
) -> Tensor:
    """Mean squared error of v at times t `[B]`, 0 data and 1 noise."""
    angles = (t * (math.pi / 2))[:, None, None]
    alpha, sigma = angles.cos(), angles.sin()
    v = generator(alpha * data + sigma * noise, t, prepared)
    return (v.float() - (alpha * noise - sigma * data)).square().mean()


def tensors(model: MiniSystem) -> dict[str, Tensor]:
    """What is kept in half precision: of a backbone all, of a bridge the bridge."""
    generator = model.generator
    if isinstance(generator, FoleyControl):
        state = {k: v for k, v in generator.state_dict().items() if k.startswith(BRIDGE)}
    else:
        words = {f"{_WORDS}{k}": v for k, v in model.text.state_dict().items()}
        state = {**native_tensors(generator), **words}
    return {k: v if k.startswith("latent_") else v.half() for k, v in state.items()}


def metadata(model: MiniSystem) -> dict[str, str]:
    """What the file says of its network, and of a backbone's words."""
    generator = model.generator
    if isinstance(generator, FoleyControl):
        return {**record_bridge(generator.config.bridge), "family": "foley_control"}
    return {
        **record(generator.config),
        "words": " ".join(model.text.words),
        "family": "stable_audio",
    }
