"""Recipe of `ac_foley_mini`: AC-Foley's flow matching in small, on synthetic scenes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..codecs.foley_mini import FoleyMiniCodec
from ..encoders.foley_mini import (
    BIN_RATE,
    FRAME_RATE,
    FRAME_SIZE,
    MiniVideoEncoder,
    clip_stream,
    sync_from_events,
    sync_stream,
)
from ..encoders.mini_text import MiniTextEncoder
from ..generators.ac_foley import ACFoley, ac_foley_mini
from ..weights.minis import load_mini
from .clips import event_targets, map_scenes
from .prompts import sample_prompt, vocabulary
from .scenes import sample_scene
from .scenes.events import Event
from .scenes.materials import IMPACT_MATERIALS, MATERIALS, sample_instrument
from .scenes.sound import render_sound, sample_room

STEP = 0.16  # seconds of the smallest take: 5 latents, 8 sync features, 1 clip feature
_CROPS = ((2.56, 16), (4.0, 10), (8.0, 5))
_CROP_CHANCES = (0.3, 0.45, 0.25)
_REFERENCE_SECONDS = 1.92
_CLEAN_ONE_IN = 5
# dB. A floor that can be heard would be rebuilt with holes, and those sound like hits.
_TARGET_FLOOR = -72.0


@dataclass(frozen=True)
class FlowFigures:
    """Data and condition dropout of the run; `encoder` names the bundled video encoder or a
    file.
    """

    clips: int = 2000
    validation_clips: int = 96
    clip_seconds: float = 8.0
    encoder: str = "mini_video_encoder"
    left_out: tuple[str, ...] = ()
    overlapping_until: float = 0.3  # share of the run with the reference from inside the target
    drop_video: float = 0.1
    drop_clip: float = 0.05
    drop_reference: float = 0.5
    drop_text: float = 0.3
    drop_all: float = 0.03
    start_from: str = ""  # weights of an earlier recipe
    condition_gain: float = 1.0  # of the pooled condition at the start, which is learned slowly
    time_shift: float = 0.0  # mean of the logit of t; below 0 more of the noisy end
    events_only: float = 0.5  # share that is told the true events instead of what the encoder saw
    workers: int = 2


class MiniSystem(nn.Module):
    """What is trained together: the flow network and the words it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = ACFoley(ac_foley_mini())
        self.generator.initialise(torch.Generator().manual_seed(0))
        self.text = MiniTextEncoder(vocabulary())


class FlowRow:
    """Features, latents and a reference of one scene, picklable."""

    def __init__(self, split: str, seconds: float, encoder: str):
        self.split, self.seconds, self.encoder = split, seconds, encoder
        self._parts: tuple | None = None

    def __getstate__(self):
        return {**self.__dict__, "_parts": None}

    @torch.no_grad()
    def __call__(self, seed: int) -> dict[str, np.ndarray]:
        if self._parts is None:
            encoder = MiniVideoEncoder()
            load_mini(encoder, self.encoder)
            self._parts = encoder.eval(), FoleyMiniCodec.load()
        encoder, codec = self._parts
        scene = sample_scene(seed, self.split, seconds=self.seconds, hard=seed % _CLEAN_ONE_IN > 0)
        features, logits = encoder(scene.frames_at(FRAME_RATE, FRAME_SIZE, FRAME_SIZE)[None])
        material, target, reference = scene_sound(scene, codec.sample_rate)
        latents = codec.encode(torch.from_numpy(target)[None, None])
        excerpt = _loudest(target, reference)
        heard = codec.encode(
            torch.from_numpy(np.stack([level_reference(excerpt), level_reference(reference)]))[
                :, None
            ]
        )
        return {
            "sync": sync_stream(features, logits)[0].half().numpy(),
            "latent": latents[0].half().numpy(),
            "events": event_targets(scene, BIN_RATE).astype(np.float16),
            "overlapping": heard[0].half().numpy(),
            "reference": heard[1].half().numpy(),
            "material": np.array(MATERIALS.index(material)),
            "kind": np.array(scene.kind, dtype="U12"),
        }


def scene_sound(scene, sample_rate: int) -> tuple[str, np.ndarray, np.ndarray]:
    """Material, sound of the scene and a reference of 1.92 s: other blows on the same object,
    same room.
    """
    rng = np.random.default_rng([scene.sound_seed, 7])
    material = (
        "air"
        if any(e.duration for e in scene.events) or scene.kind == "swish"
        else str(rng.choice(IMPACT_MATERIALS))
    )
    instrument, room = sample_instrument(material, rng), sample_room(rng)
    quiet = replace(room, floor_db=_TARGET_FLOOR)
    target = render_sound(scene.events, instrument, scene.seconds, sample_rate, rng, room=quiet)
    times = np.cumsum(rng.uniform(0.25, 0.9, 6)) - 0.15
    lasts = 0.3 if material == "air" else 0.0
    other = [
        Event(float(t), float(rng.uniform(0.4, 1.0)), lasts)
        for t in times
        if t < _REFERENCE_SECONDS - 0.2
    ]
    reference = render_sound(other, instrument, _REFERENCE_SECONDS, sample_rate, rng, room=room)
    return material, target, reference


def level_reference(sound: np.ndarray) -> np.ndarray:
    """AC-Foley's level of a reference: peak 0.95."""
    return (sound * (0.95 / max(float(np.abs(sound).max()), 1e-4))).astype(np.float32)


def _loudest(target: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The seconds of `target` around its loudest moment, as long as `other`; `other` where it
    is near silent.
    """
    size, peak = len(other), int(np.abs(target).argmax())
    first = min(max(peak - size // 4, 0), len(target) - size)
    return target[first : first + size] if np.abs(target[peak]) > 0.02 else other


def importance(codec: FoleyMiniCodec) -> Tensor:
    """Deviation (32,) that each latent channel gets in the flow's space, 1 in the geometric mean.

    The codec's channels are whitened, though the first ones carry most of the sound's level: an
    error there is heard as a hit. They are given the square root of their true size back.
    """
    size = (codec.analysis.deviation * codec.analysis.scale).sqrt()
    return size / size.log().mean().exp()


class FlowTask:
    """Trains `MiniSystem` on cached features and latents."""

    def __init__(self, figures: FlowFigures, steps: int, cache: Path):
        self.figures, self.steps = figures, steps
        self.train = self._rows("train", figures.clips, cache)
        self.validation = self._rows("validation", figures.validation_clips, cache)
        self.chosen = np.flatnonzero(~np.isin(self.train["kind"], figures.left_out))
        latents = torch.from_numpy(
            self.train["latent"][: min(400, figures.clips)].astype(np.float32)
        )
        self.mean = latents.mean((0, 1))
        self.std = latents.std((0, 1)) / importance(FoleyMiniCodec.load())

    def _rows(self, split: str, count: int, cache: Path) -> dict[str, np.ndarray]:
        figures = self.figures
        note = {
            "split": split,
            "seconds": figures.clip_seconds,
            "encoder": figures.encoder,
            "version": 3,
        }
        make = FlowRow(split, figures.clip_seconds, figures.encoder)
        folder = cache / f"flow_{Path(figures.encoder).stem}_{split}"
        return map_scenes(make, count, folder, note, figures.workers)

    def model(self) -> nn.Module:
        system = MiniSystem()
        system.generator.latent_mean.copy_(self.mean.view(1, 1, -1))
        system.generator.latent_std.copy_(self.std.view(1, 1, -1))
        if self.figures.start_from:
            load_mini(system, self.figures.start_from).train()
        with torch.no_grad():
            system.generator.global_cond_mlp.w2.weight.mul_(self.figures.condition_gain)
        return system

    def batch(self, step: int, rng: np.random.Generator, rows: dict | None = None) -> dict:
        rows = self.train if rows is None else rows
        seconds, size = _CROPS[rng.choice(len(_CROPS), p=_CROP_CHANCES)]
        picked = rng.choice(self.chosen if rows is self.train else len(rows["kind"]), size)
        first = rng.integers(0, int(round((self.figures.clip_seconds - seconds) / STEP)) + 1, size)
        count = int(round(seconds / STEP))
        sync, latent, events = (
            _crop(rows[name], picked, first, count, rate)
            for name, rate in (("sync", 8), ("latent", 5), ("events", 8))
        )
        told = torch.from_numpy(rng.random(size) < self.figures.events_only)
        # AC-Foley's two stages: first from the same seconds, then from others of the recording.
        heard = "overlapping" if step < self.figures.overlapping_until * self.steps else "reference"
        return {
            "latent": latent,
            "clip": clip_stream(sync),
            "sync": torch.where(told[:, None, None], sync_from_events(events), sync),
            "audio": torch.from_numpy(rows[heard][picked].astype(np.float32)),
            "prompts": [
                sample_prompt(rng, str(rows["kind"][i]), MATERIALS[rows["material"][i]])
                for i in picked
            ],
            "drops": self._drops(told, rng),
            "t": self._times(size, rng),
            "noise": torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32)),
        }

    def _times(self, size: int, rng: np.random.Generator) -> Tensor:
        """Logit-normal flow times."""
        logit = rng.standard_normal(size) + self.figures.time_shift
        return torch.from_numpy(1 / (1 + np.exp(-logit))).float()

    def _drops(self, told: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        figures, chance = self.figures, lambda p: torch.from_numpy(rng.random(len(told)) < p)
        everything, video = chance(figures.drop_all), chance(figures.drop_video)
        return {
            "sync": everything | video,
            "clip": everything | video | told | chance(figures.drop_clip),
            "audio": everything | chance(figures.drop_reference),
            "text": everything | chance(figures.drop_text),
        }

    def loss(self, model: MiniSystem, batch: dict, step: int) -> tuple[Tensor, dict[str, float]]:
        generator = model.generator
        data = generator.normalize(batch["latent"])
        conditions = {name: batch[name] for name in ("sync", "clip", "audio")}
        conditions["text"] = model.text.encode(batch["prompts"])
        conditions = generator.drop_streams(conditions, batch["drops"])
        t = batch["t"]
        x = torch.lerp(batch["noise"], data, t[:, None, None])
        prepared = generator.prepare(conditions, data.shape[1] / 5 * STEP)
        velocity = generator(x, t, prepared)
        return (velocity.float() - (data - batch["noise"])).square().mean(), {}

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Flow loss on validation scenes, always the same draws."""
        losses = [
            float(
                self.loss(
                    model, self.batch(10**9, np.random.default_rng([99, k]), self.validation), 0
                )[0]
            )
            for k in range(4)
        ]
        return {"validation": float(np.mean(losses))}


def _crop(values: np.ndarray, picked, first, count: int, rate: int) -> Tensor:
    cut = [
        values[i, start * rate : (start + count) * rate]
        for i, start in zip(picked, first, strict=True)
    ]
    return torch.from_numpy(np.stack(cut).astype(np.float32))
