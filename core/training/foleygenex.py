"""FoleyGenEx's training in small: masked flow matching on synthetic scenes, with words for manners.

Source: FoleyGenEx (arXiv 2606.14049, section 3): a span of the latent is hidden and is to be made
(eq. 3 and 4), the rest is its context; the picture is masked in step with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..encoders.foley_mini import BIN_RATE, sync_from_events
from ..encoders.mini_text import MiniTextEncoder
from ..generators.base import CONTEXT, VIDEO_MASK
from ..generators.foleygenex import FoleyGenEx, foleygenex_mini
from ..generators.foleygenex_checkpoint import record
from ..scenes import sample_scene
from ..scenes.manner import Manner, pace, sample_manner, say
from ..scenes.materials import MATERIALS
from ..scenes.pairs import REFERENCE_SECONDS, scene_sound
from ..scenes.scene import Split
from ..weights.files import read_metadata
from ..weights.fill import building
from ..weights.load import read_weights
from ..weights.schema import Count, Natural, Seconds, Share
from ..weights.store import locate
from .batches import device_of, on_device
from .clips import event_targets, map_scenes
from .genex_masks import MaskFigures, hidden_each, hidden_frames, masked_error, unseen_frames
from .mini_flow import STEP, CodecRow, crop, latent_statistics, logit_normal
from .prompts import sample_prompt, vocabulary_with_adverbs

# Seconds, takes of the smallest batch, share of the batches; of parts of one scene.
_CROPS = ((2.56, 24, 0.3), (4.0, 16, 0.45), (8.0, 8, 0.25))
# Of parts that come after a reference.
_JOINED = ((2.56, 16, 0.4), (4.0, 12, 0.4), (5.12, 10, 0.2))
_COURSE_SHARE = 0.35  # of takes whose level has a course
_COURSES = tuple(seconds for seconds, *_ in _CROPS)
_CLEAN_ONE_IN = 5
_SAID = 0.5  # chance that a fast or slow scene is called so


@dataclass(frozen=True, kw_only=True)
class GenExFigures(MaskFigures):
    """Data, masks and condition dropout of a run.

    batch: takes of a batch, in multiples of the smallest. stray: chance that the picture of what is
    known is another scene's, as a surrogate is. joined: share of batches whose context is a
    reference of the same object and not the same scene's own sound. words_alone: share of takes
    without a picture. base: weights to begin with, "" for none.
    """

    clips: Count = 8000
    validation_clips: Count = 96
    clip_seconds: Seconds = 8.0
    batch: Count = 1
    stray: Share = 0.0
    joined: Share = 0.0
    words_alone: Share = 0.5
    drop_video: Share = 0.1
    drop_text: Share = 0.1
    time_shift: float = -0.4  # mean of the logit of t
    base: str = "ac_foley_mini"
    workers: Natural = 2


class MiniSystem(nn.Module):
    """What is trained together: the flow network and the words of its prompts."""

    def __init__(self, base: str = "") -> None:
        super().__init__()
        self.generator = FoleyGenEx(foleygenex_mini())
        self.generator.initialise(torch.Generator().manual_seed(0))
        self.generator.input_embed.pass_through()
        self.text = MiniTextEncoder(vocabulary_with_adverbs())
        if base:
            with building(f"The base {base}"):
                self._begin_with(read_weights(locate(base)), base)

    @torch.no_grad()
    def _begin_with(self, stored: dict[str, Tensor], base: str) -> None:
        """Weights of a mini of AC-Foley; what it has besides is left away, words are found by
        their spelling."""
        joint = {int(key.split(".")[2]) for key in stored if key.startswith("generator.joint_")}
        skipped = len(joint) - len(self.generator.joint_blocks)
        for name, parameter in self.generator.state_dict().items():
            if name.startswith("joint_blocks."):
                block, number, rest = name.split(".", 2)
                name = f"{block}.{int(number) + skipped}.{rest}"
            value = stored.get(f"generator.{name}")
            if value is not None:
                # Of the global condition's inputs the first are clip and words.
                parameter.copy_(value[:, : parameter.shape[1]] if value.ndim > 1 else value)
        words = read_metadata(locate(base))["words"].split()
        table = stored["text.table.weight"]
        for index, word in enumerate(self.text.words):
            if word in words:
                self.text.table.weight[index + 1] = table[words.index(word) + 1]


class GenExRow(CodecRow):
    """Latents of one scene and of a reference, its events and its manner, picklable."""

    @torch.no_grad()
    def __call__(self, seed: int) -> dict[str, np.ndarray]:
        codec = self.codec
        scene = sample_scene(seed, self.split, seconds=self.seconds, hard=seed % _CLEAN_ONE_IN > 0)
        rng = np.random.default_rng([scene.sound_seed, 9])
        manner = sample_manner(rng)
        course = float(rng.choice(_COURSES)) if manner.course else 0.0
        first = int(rng.integers(0, round((self.seconds - course) / STEP) + 1))
        if course:
            span = first * STEP, first * STEP + course
            manner = Manner(manner.level, manner.distance, manner.course, span)
        material, target, reference = scene_sound(scene, codec.sample_rate, manner)
        latent, led = (
            codec.encode(torch.from_numpy(sound)[None, None])[0].half().numpy()
            for sound in (target, reference)
        )
        return {
            "latent": latent,
            "reference": led,
            "events": event_targets(scene, BIN_RATE).astype(np.float16),
            "hits": np.array(sum(not event.duration for event in scene.events)),
            "material": np.array(MATERIALS.index(material)),
            "kind": np.array(scene.kind, dtype="U12"),
            "manner": np.array("|".join((manner.level, manner.distance, manner.course)), "U24"),
            "course": np.array((course, first * STEP), np.float32),
        }


class GenExTask:
    """Trains `MiniSystem` on cached latents and events."""

    def __init__(self, figures: GenExFigures, cache: Path):
        self.figures = figures
        self.train = self._rows("train", figures.clips, cache)
        self.validation = self._rows("validation", figures.validation_clips, cache)

    def _rows(self, split: Split, count: int, cache: Path) -> dict[str, np.ndarray]:
        figures = self.figures
        note = {"split": split, "seconds": figures.clip_seconds, "version": 3}
        make = GenExRow(split, figures.clip_seconds)
        return map_scenes(make, count, cache / f"foleygenex_{split}", note, figures.workers)

    def model(self) -> MiniSystem:
        system = MiniSystem(self.figures.base)
        if not self.figures.base:
            mean, std = latent_statistics(self.train["latent"])
            system.generator.latent_mean.copy_(mean.view(1, 1, -1))
            system.generator.latent_std.copy_(std.view(1, 1, -1))
        if not self.figures.embeds:
            system.generator.input_embed.pass_through()
            system.generator.input_embed.requires_grad_(False)
        return system

    def batch(self, step: int, rng: np.random.Generator, rows: dict | None = None) -> dict:
        rows = self.train if rows is None else rows
        joined = rng.random() < self.figures.joined
        crops = _JOINED if joined else _CROPS
        seconds, size, _ = crops[rng.choice(len(crops), p=[chance for *_, chance in crops])]
        size *= self.figures.batch
        picked, first = self._pick(rows, seconds, size, rng, joined)
        count = round(seconds / STEP)
        latent, events = (
            crop(rows[name], picked, first, count, rate)
            for name, rate in (("latent", 5), ("events", 8))
        )
        hidden = hidden_frames(self.figures, size, latent.shape[1], rng)
        if joined:
            latent, events, hidden = self._joined(rows, picked, latent, events, rng)
        masked = self._masks(events, hidden, rng)
        return {
            "latent": latent,
            "hidden": hidden,
            "hidden_each": hidden_each(hidden),
            "sync": sync_from_events(events),
            VIDEO_MASK: masked,
            "prompts": self._prompts(rows, picked, seconds, rng),
            "drop_text": torch.from_numpy(rng.random(size) < self.figures.drop_text),
            "t": logit_normal(size, self.figures.time_shift, rng),
            "noise": torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32)),
        }

    def _pick(
        self, rows: dict, seconds: float, size: int, rng: np.random.Generator, joined: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and the first step of each part: a course is heard whole or not at all."""
        lasts = rows["course"][:, 0]
        steady = lasts < STEP / 2
        swells = np.flatnonzero(np.abs(lasts - seconds) < STEP / 2)
        picked = rng.choice(np.flatnonzero(steady), size)
        if not joined and len(swells):
            picked = np.where(rng.random(size) < _COURSE_SHARE, rng.choice(swells, size), picked)
        room = round((self.figures.clip_seconds - seconds) / STEP)
        first = rng.integers(0, room + 1, size)
        own = np.round(rows["course"][picked, 1] / STEP).astype(int)
        return picked, np.where(steady[picked], first, own)

    def _joined(
        self, rows: dict, picked: np.ndarray, latent: Tensor, events: Tensor, rng
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Parts behind their references. What is seen of these is another scene's, since nothing
        is seen of them."""
        known = torch.from_numpy(rows["reference"][picked].astype(np.float32))
        steps = round(REFERENCE_SECONDS / STEP)
        others = rng.choice(len(rows["kind"]), len(picked))
        seen = crop(rows["events"], others, np.zeros(len(picked), int), steps, 8)
        hidden = torch.ones(len(picked), known.shape[1] + latent.shape[1], dtype=torch.bool)
        hidden[:, : known.shape[1]] = False
        return torch.cat((known, latent), 1), torch.cat((seen, events), 1), hidden

    def _masks(self, events: Tensor, hidden: Tensor, rng: np.random.Generator) -> Tensor:
        """Where the picture is unseen, `[B, N, 1]`; strays are written into the events."""
        figures, size = self.figures, len(events)
        chance = lambda p: torch.from_numpy(rng.random(size) < p)  # noqa: E731
        masked = unseen_frames(figures, hidden, ~hidden, rng)
        stray = chance(figures.stray)
        known = ~hidden.repeat_interleave(8, 1)[:, ::5][:, : events.shape[1]]
        moved = torch.where((stray[:, None] & known)[..., None], events.roll(1, 0), events)
        events.copy_(moved)
        unseen = chance(figures.words_alone) | chance(figures.drop_video)
        return (masked | unseen[:, None])[..., None].float()

    def _prompts(
        self, rows: dict, picked: np.ndarray, seconds: float, rng: np.random.Generator
    ) -> list[str]:
        prompts = []
        for i in picked:
            level, distance, course = str(rows["manner"][i]).split("|")
            manner = Manner(level, distance, course)
            adverbs = manner.words(rng)
            speed = pace(int(rows["hits"][i]), self.figures.clip_seconds)
            if speed and rng.random() < _SAID:
                adverbs.append(say(speed, rng))
            material = MATERIALS[rows["material"][i]]
            prompts.append(sample_prompt(rng, str(rows["kind"][i]), material, adverbs))
        return prompts

    def loss(self, model: MiniSystem, batch: dict, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error over the hidden frames (eq. 3 and 4)."""
        generator = model.generator
        latent, hidden = batch["latent"], batch["hidden"][..., None].float()
        data = generator.normalize(latent)
        streams = {
            "sync": batch["sync"],
            "text": model.text.encode(batch["prompts"]) * ~batch["drop_text"][:, None, None],
            VIDEO_MASK: batch[VIDEO_MASK],
        }
        if self.figures.embeds:
            streams[CONTEXT] = torch.cat((latent, 1 - hidden), -1)
        t = batch["t"]
        x = torch.lerp(batch["noise"], data, t[:, None, None])
        velocity = generator(x, t, generator.prepare(streams, data.shape[1] / 5 * STEP))
        return masked_error(velocity, data - batch["noise"], hidden, batch["hidden_each"]), {}

    @torch.no_grad()
    def evaluate(self, model: MiniSystem) -> dict[str, float]:
        """Flow loss on validation scenes, always the same draws."""
        losses = []
        for k in range(4):
            batch = self.batch(10**9, np.random.default_rng([99, k]), self.validation)
            losses.append(float(self.loss(model, on_device(batch, device_of(model)), 0)[0]))
        return {"validation": float(np.mean(losses))}


def half_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The weights in 16 bits, which halves the file; under the network's own names where no words
    are trained with it."""
    kept = model if model.text is not None else model.generator
    return {name: value.half() for name, value in kept.state_dict().items()}


def file_metadata(model: nn.Module) -> dict[str, str]:
    """What the file says of its network and its words."""
    words = {} if model.text is None else {"words": " ".join(model.text.words)}
    return {**words, **record(model.generator.config)}
