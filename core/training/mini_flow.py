"""Recipe of `ac_foley_mini`: AC-Foley's flow matching in small, on synthetic scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..codecs.foley_mini import FoleyMiniCodec
from ..encoders.foley_mini import BIN_RATE, sync_from_events
from ..encoders.mini_text import MiniTextEncoder
from ..generators.ac_foley import ACFoley, ac_foley_mini
from ..scenes import sample_scene
from ..scenes.pairs import ambient_sound, level_reference, scene_sound
from ..scenes.scene import Split
from ..weights.schema import Count, Natural, Seconds, Share
from .batches import device_of, on_device
from .clips import event_targets, map_scenes, targets_of
from .prompts import SOUNDS, sample_prompt, vocabulary

STEP = 0.16  # seconds of the smallest take: 5 latents, 8 moments of the events
_CROPS = ((2.56, 24), (4.0, 16), (8.0, 8))
_CROP_CHANCES = (0.3, 0.45, 0.25)
_CLEAN_ONE_IN = 5


@dataclass(frozen=True)
class FlowFigures:
    """Data and condition dropout of the run. Events are given as they were, not encoded.

    ambient: one clip in so many is of a sound that goes on; 0: none.
    """

    clips: Count = 8000
    validation_clips: Count = 96
    clip_seconds: Seconds = 8.0
    left_out: tuple[str, ...] = ()
    ambient: Natural = 0
    overlapping_until: Share = 0.2  # share of the run with the reference from inside the target
    drop_video: Share = 0.1
    drop_reference: Share = 0.4
    drop_text: Share = 0.35
    drop_all: Share = 0.03
    condition_gain: float = 4.0  # of the pooled condition at the start, which is learned slowly
    time_shift: float = -0.4  # mean of the logit of t; below 0 more of the noisy end
    workers: Natural = 2


class MiniSystem(nn.Module):
    """What is trained together: the flow network and the words of its prompts."""

    def __init__(self, ambient: bool = False) -> None:
        super().__init__()
        self.generator = ACFoley(ac_foley_mini())
        self.generator.initialise(torch.Generator().manual_seed(0))
        self.text = MiniTextEncoder(vocabulary(ambient))


class CodecRow:
    """Makes rows of scenes with the mini's codec, which each process loads for itself."""

    def __init__(self, split: Split, seconds: float):
        self.split, self.seconds = split, seconds
        self._codec: FoleyMiniCodec | None = None

    def __getstate__(self):
        return {**self.__dict__, "_codec": None}

    @property
    def codec(self) -> FoleyMiniCodec:
        """The codec, loaded when it is first asked for."""
        if self._codec is None:
            self._codec = FoleyMiniCodec.load()
        return self._codec


class FlowRow(CodecRow):
    """Latents, events and references of one scene, picklable. ambient: one in so many goes on."""

    def __init__(self, split: Split, seconds: float, ambient: int = 0):
        super().__init__(split, seconds)
        self.ambient = ambient

    @torch.no_grad()
    def __call__(self, seed: int) -> dict[str, np.ndarray]:
        codec = self.codec
        if self.ambient and seed % self.ambient == self.ambient - 1:
            # The split is in the seed, as it is in that of a scene.
            own = sample_scene(seed, self.split, seconds=self.seconds).sound_seed
            of, event, target, reference = ambient_sound(own, self.seconds, codec.sample_rate)
            kind, events = "ambience", targets_of((event,), self.seconds, BIN_RATE)
        else:
            scene = sample_scene(seed, self.split, seconds=self.seconds)
            of, target, reference = scene_sound(scene, codec.sample_rate)
            kind, events = scene.kind, event_targets(scene, BIN_RATE)
        latents = codec.encode(torch.from_numpy(target)[None, None])
        excerpt = _loudest(target, reference)
        references = codec.encode(
            torch.from_numpy(np.stack([level_reference(excerpt), level_reference(reference)]))[
                :, None
            ]
        )
        return {
            "latent": latents[0].half().numpy(),
            "events": events.astype(np.float16),
            "overlapping": references[0].half().numpy(),
            "reference": references[1].half().numpy(),
            "material": np.array(SOUNDS.index(of)),
            "kind": np.array(kind, dtype="U12"),
        }


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
    error there sounds like a hit. They are given the square root of their true size back.
    """
    size = (codec.analysis.deviation * codec.analysis.scale).sqrt()
    return size / size.log().mean().exp()


def latent_statistics(latents: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and deviation (32,) that the flow's space is brought to."""
    some = torch.from_numpy(latents[:400].astype(np.float32))
    return some.mean((0, 1)), some.std((0, 1)) / importance(FoleyMiniCodec.load())


def flow_rows(
    split: Split, count: int, seconds: float, cache: Path, workers: int, ambient: int = 0
) -> dict[str, np.ndarray]:
    """Rows of `FlowRow`, kept in `cache`."""
    note = {"split": split, "seconds": seconds, "version": 4, "ambient": ambient}
    row, name = FlowRow(split, seconds, ambient), f"flow_{split}" + "_ambient" * bool(ambient)
    return map_scenes(row, count, cache / name, note, workers)


class FlowTask:
    """Trains `MiniSystem` on cached features and latents."""

    def __init__(self, figures: FlowFigures, steps: int, cache: Path):
        self.figures, self.steps = figures, steps
        self.train = self._rows("train", figures.clips, cache)
        self.validation = self._rows("validation", figures.validation_clips, cache)
        self.chosen = np.flatnonzero(~np.isin(self.train["kind"], figures.left_out))
        self.mean, self.std = latent_statistics(self.train["latent"])

    def _rows(self, split: Split, count: int, cache: Path) -> dict[str, np.ndarray]:
        figures = self.figures
        return flow_rows(
            split, count, figures.clip_seconds, cache, figures.workers, figures.ambient
        )

    def model(self) -> nn.Module:
        system = MiniSystem(bool(self.figures.ambient))
        system.generator.latent_mean.copy_(self.mean.view(1, 1, -1))
        system.generator.latent_std.copy_(self.std.view(1, 1, -1))
        with torch.no_grad():
            system.generator.global_cond_mlp.w2.weight.mul_(self.figures.condition_gain)
        return system

    def batch(self, step: int, rng: np.random.Generator, rows: dict | None = None) -> dict:
        rows = self.train if rows is None else rows
        seconds, size = _CROPS[rng.choice(len(_CROPS), p=_CROP_CHANCES)]
        picked = rng.choice(self.chosen if rows is self.train else len(rows["kind"]), size)
        first = rng.integers(0, int(round((self.figures.clip_seconds - seconds) / STEP)) + 1, size)
        count = int(round(seconds / STEP))
        latent, events = (
            crop(rows[name], picked, first, count, rate)
            for name, rate in (("latent", 5), ("events", 8))
        )
        # AC-Foley's two stages: first from the same seconds, then from others of the recording.
        early = step < self.figures.overlapping_until * self.steps
        reference = "overlapping" if early else "reference"
        return {
            "latent": latent,
            "sync": sync_from_events(events),
            "audio": torch.from_numpy(rows[reference][picked].astype(np.float32)),
            "prompts": [
                sample_prompt(rng, str(rows["kind"][i]), SOUNDS[rows["material"][i]])
                for i in picked
            ],
            "drops": self._drops(size, rng),
            "t": logit_normal(size, self.figures.time_shift, rng),
            "noise": torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32)),
        }

    def _drops(self, size: int, rng: np.random.Generator) -> dict[str, Tensor]:
        figures, chance = self.figures, lambda p: torch.from_numpy(rng.random(size) < p)
        everything = chance(figures.drop_all)
        return {
            "sync": everything | chance(figures.drop_video),
            "audio": everything | chance(figures.drop_reference),
            "text": everything | chance(figures.drop_text),
        }

    def loss(self, model: MiniSystem, batch: dict, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = model.generator
        data = generator.normalize(batch["latent"])
        streams = {name: batch[name] for name in ("sync", "audio")}
        streams["text"] = model.text.encode(batch["prompts"])
        streams = generator.drop_streams(streams, batch["drops"])
        t = batch["t"]
        x = torch.lerp(batch["noise"], data, t[:, None, None])
        prepared = generator.prepare(streams, data.shape[1] / 5 * STEP)
        velocity = generator(x, t, prepared)
        return (velocity.float() - (data - batch["noise"])).square().mean(), {}

    @torch.no_grad()
    def evaluate(self, model: MiniSystem) -> dict[str, float]:
        """Flow loss on validation scenes, always the same draws."""
        losses = []
        for k in range(4):
            batch = self.batch(10**9, np.random.default_rng([99, k]), self.validation)
            losses.append(float(self.loss(model, on_device(batch, device_of(model)), 0)[0]))
        return {"validation": float(np.mean(losses))}


def logit_normal(size: int, shift: float, rng: np.random.Generator) -> Tensor:
    """Flow times whose logit has the mean `shift`."""
    return torch.from_numpy(1 / (1 + np.exp(-(rng.standard_normal(size) + shift)))).float()


def crop(values: np.ndarray, picked, first, count: int, rate: int) -> Tensor:
    """Parts of picked rows, `count` steps from `first` on, at `rate` numbers a step."""
    cut = [
        values[i, start * rate : (start + count) * rate]
        for i, start in zip(picked, first, strict=True)
    ]
    return torch.from_numpy(np.stack(cut).astype(np.float32))
