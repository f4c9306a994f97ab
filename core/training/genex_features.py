"""What FoleyGenEx is trained on, computed once: latents with their deviations, streams of the
picture, texts, in shards."""

from __future__ import annotations

import abc
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..catalog import CODECS, TEXT_ENCODERS, VIDEO_ENCODERS, SystemSpec
from ..codecs import NeuralCodec
from ..errors import FoleyError
from ..generators.base import LATENT, GeneratorConfig
from ..generators.foleygenex import FoleyGenExConfig
from ..media import fit_length, read_audio
from ..stores import Resident
from ..system import encode_texts, encode_video
from ..weights.files import digests, save
from .genex_clips import CaptionedClip, starts
from .shards import write_in_shards

log = logging.getLogger(__name__)

SHARD = 64
_SILENT = 1e-4
_LEAST_SECONDS = 1.0
_TEXTS_KEPT = 1024

Row = dict[str, Tensor]


def features_of(
    clips: Sequence[CaptionedClip], maker: Maker, folder: Path, about: dict[str, str]
) -> list[Path]:
    """The shards of clips, those that are missing written now.

    A shard has for each part of a clip `latent` [R, N, C] and, of a codec with a posterior,
    `deviation`; `frames` [R], how many of N are sound and not padding; of videos the streams of the
    picture. `text` [T, Nt, D] are its texts, `texts` [P] which of them, and those from
    `first_text` [R + 1] on are a part's own. about: metadata that say what it was made with.

    Raises:
        FoleyError: weights of an encoder or of the codec are missing; not one clip could be used; a
            folder of another list.
    """

    def write(path: Path, some: Sequence[CaptionedClip], failed: dict[str, str]) -> None:
        maker.load()
        made = _Shard()
        for clip in some:
            try:
                rows = list(maker.rows(clip))
            except FoleyError as error:
                failed[clip.name] = str(error)
                log.warning("%s is left out: %s", clip.name, error)
                continue
            texts = [maker.text(caption) for caption in clip.captions]
            made.add(clip, rows, texts)
        save(path, made.tensors(), {**about, **maker.figures, **made.metadata()}, torch.float16)

    listed = [[clip.name, *clip.captions] for clip in clips]
    return write_in_shards(clips, write, folder, size=SHARD, listed=listed)


def made_with(row: SystemSpec, seconds: float, weights: dict[str, Path]) -> dict[str, str]:
    """What features depend on, as metadata of a shard. weights: files by role that are trained
    and not published, so that their name does not say which they are."""
    sums = {role: digests(path)["sha256"] for role, path in weights.items()}
    return {
        "codec": row.codec,
        "video": row.video,
        "text": row.text,
        "seconds": f"{seconds:g}",
        "weights": json.dumps(sums, sort_keys=True),
    }


def with_codec(row: SystemSpec, made: dict[str, int], **figures: Any) -> FoleyGenExConfig:
    """The config of a row with the figures of its codec; any other can be replaced."""
    own: Any = row.config
    return replace(own, codec=row.codec, **made, **figures)


class Maker(abc.ABC):
    """What makes the rows of a shard of clips, of parts of `seconds`. figures: metadata of its
    shards, known once it is loaded."""

    seconds: float
    figures: dict[str, str]

    @abc.abstractmethod
    def load(self) -> None:
        """Find and read what is needed, unless that is done. Raises FoleyError where it is
        missing."""

    def rows(self, clip: CaptionedClip) -> Iterator[Row]:
        """The parts of a clip; those of a long sound that are silent are left out.

        Raises:
            FoleyError: it cannot be read, is silent or too short.
        """
        fault, made = None, 0
        for start in starts(clip, self.seconds):
            try:
                row = self.features(clip, start)
            except FoleyError as error:
                fault = fault or error
                continue
            made += 1
            yield row
        if not made and fault is not None:
            raise fault

    @abc.abstractmethod
    def features(self, clip: CaptionedClip, start: float) -> Row:
        """Of one part. Raises FoleyError where it cannot be used."""

    def text(self, caption: str) -> Tensor | None:
        """[Nt, D], None for a caption that says nothing."""
        return None


def sound_of(
    clip: CaptionedClip, start: float, seconds: float, sample_rate: int, *, mono: bool = True
) -> Tensor:
    """A part `[1, T]` of a clip's sound in mono, or `[C, T]` of all its channels; T is less than
    asked for where the clip ends.

    Raises:
        FoleyError: it cannot be read, is silent or shorter than a second.
    """
    sound, rate = read_audio(
        clip.path, sample_rate=sample_rate, start=start, seconds=seconds, mono=mono
    )
    if float(sound.abs().max()) < _SILENT:
        raise FoleyError(f"{clip.name} is silent, so there is nothing to learn from it.")
    if sound.shape[1] < _LEAST_SECONDS * rate:
        raise FoleyError(
            f"{clip.name} has {sound.shape[1] / rate:.2f} s of sound; {_LEAST_SECONDS:g} s are "
            "needed."
        )
    return sound


class FeatureMaker(Maker):
    """Encoders and codec of a row, and what they make of one clip after another."""

    def __init__(
        self, row: SystemSpec, seconds: float, device: torch.device, given: dict[str, Path]
    ) -> None:
        self.row, self.seconds, self.device, self.given = row, seconds, device, given
        self.figures: dict[str, str] = {}
        self._texts = lru_cache(_TEXTS_KEPT)(self._text)

    def load(self) -> None:
        """Find the weights and read those of the codec, unless that is done. Raises FoleyError
        where some are missing."""
        if self.figures:
            return
        parts = (VIDEO_ENCODERS[self.row.video], TEXT_ENCODERS[self.row.text])
        loaders: dict[str, Any] = {}
        for part in (*parts, CODECS[self.row.codec]):
            loaders.update(part.loaders(part.locate(given=self.given), device=self.device))
        self.store = Resident(loaders, self.device)
        with self.store.using("codec") as codec:
            made = {
                "latent_dim": codec.latent_dim,
                "sample_rate": codec.sample_rate,
                "samples_per_latent": codec.samples_per_latent,
            }
        config = self.config_with(made)
        self.lengths, self.latent = config.lengths(self.seconds), config.latent
        self.specs = {spec.name: spec for spec in config.streams}
        self.per_latent = made["samples_per_latent"]
        self.figures = {name: str(value) for name, value in made.items()}

    def config_with(self, made: dict[str, int]) -> GeneratorConfig:
        """The config of the row with what its codec makes; says lengths and streams."""
        return with_codec(self.row, made)

    def features(self, clip: CaptionedClip, start: float) -> Row:
        made = self._sound(clip, start)
        return {**made, **self._picture(clip, start)} if clip.has_picture else made

    def text(self, caption: str) -> Tensor | None:
        return self._texts(caption)

    @torch.no_grad()
    def _sound(self, clip: CaptionedClip, start: float) -> Row:
        count = self.lengths[LATENT]
        with self.store.using("codec") as codec:
            mono = codec.channels == 1
            sound = sound_of(clip, start, self.seconds, self.latent.sample_rate, mono=mono)
            whole = fit_length(sound, count * self.per_latent)[None].to(self.device)
            frames = min(count, -(-sound.shape[1] // self.per_latent))
            if isinstance(codec, NeuralCodec):
                mean, deviation = (value[0].cpu() for value in codec.posterior(whole))
                row = {"latent": mean, "deviation": deviation}
            else:
                row = {"latent": codec.encode(whole)[0].cpu()}
        return {**row, "frames": torch.tensor(frames)}

    def _picture(self, clip: CaptionedClip, start: float) -> Row:
        part = VIDEO_ENCODERS[self.row.video]
        encoded = encode_video(
            part, self.store, clip.path, start=start, seconds=self.seconds, to_end=True
        )
        return {
            name: fit_stream(value[0].float().cpu(), self.lengths[name], self.specs[name].multiple)
            for name, value in encoded.streams.items()
            if name in self.specs
        }

    def _text(self, caption: str) -> Tensor | None:
        part = TEXT_ENCODERS[self.row.text]
        stream = encode_texts(part, self.store, (caption,))[0].get(part.stream)
        return None if stream is None else stream[0]


def fit_stream(stream: Tensor, length: int, multiple: int) -> Tensor:
    """A stream [N, D] cut, or its last piece repeated, to [length, D]."""
    while len(stream) < length:
        stream = torch.cat((stream, stream[-multiple:]))
    return stream[:length]


class _Shard:
    """Rows of one shard as they come; equal texts are kept once."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.names: list[str] = []
        self.known: dict[str, int] = {}
        self.features: list[Tensor] = []
        self.texts: list[int] = []
        self.firsts = [0]

    def add(self, clip: CaptionedClip, rows: Sequence[Row], texts: Sequence[Tensor | None]) -> None:
        own = []
        for caption, text in zip(clip.captions, texts):
            if text is not None and caption not in self.known:
                self.known[caption] = len(self.features)
                self.features.append(text)
            if text is not None:
                own.append(self.known[caption])
        for row in rows:
            self.rows.append(row)
            self.names.append(clip.name)
            self.texts += own
            self.firsts.append(len(self.texts))

    def tensors(self) -> dict[str, Tensor]:
        if not self.rows:
            return {}
        made = {key: torch.stack([row[key] for row in self.rows]) for key in self.rows[0]}
        made["first_text"] = torch.tensor(self.firsts)
        if self.features:
            made["text"] = torch.stack(self.features)
            made["texts"] = torch.tensor(self.texts)
        return made

    def metadata(self) -> dict[str, str]:
        return {"names": json.dumps(self.names)}
