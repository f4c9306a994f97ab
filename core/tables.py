"""The tables of the catalogue: what a system's row says, and how rows are added and found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .errors import FoleyError
from .generators import GeneratorConfig, StreamSpec
from .generators.base import CONTEXT
from .parts import (
    CodecPart,
    GeneratorPart,
    Part,
    TextEncoderPart,
    VideoEncoderPart,
    recognised,
)
from .reference import ReferenceMethod
from .sampling import Sampling
from .tasks import TASKS
from .weights.entries import Licence
from .weights.families import Family


@dataclass(frozen=True, kw_only=True)
class SystemSpec:
    """A system's row: its parts by name, and how it is sampled.

    text: "" where it takes no words. reference: how it encodes a reference sound, None where it
    takes none. degrades: takes far beyond the trained length lose quality. loudness: LUFS of what
    it was trained on, at which it goes on from a known sound best; None: any.
    """

    name: str
    title: str
    generator: GeneratorPart
    video: str
    codec: str
    text: str = ""
    sampling: Sampling = Sampling()
    reference: ReferenceMethod | None = None
    degrades: bool = True
    loudness: float | None = None

    @property
    def config(self) -> GeneratorConfig:
        """Of its generator."""
        return self.generator.config

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        """What it can be conditioned on."""
        return self.config.streams

    @property
    def follows(self) -> tuple[StreamSpec, ...]:
        """The streams that its parts make."""
        made = set(VIDEO_ENCODERS[self.video].streams) if self.video else set()
        if self.text:
            made.add(self.words)
        if self.reference is not None:
            made.add(self.reference.stream)
        return tuple(spec for spec in self.streams if spec.name in made)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of `TASKS`."""
        able = {
            "picture": bool(self.video),
            "words": bool(self.text),
            "reference": self.reference is not None,
            "known": True,
        }
        return tuple(n for n, task in TASKS.items() if all(able[need] for need in task.needs))

    @property
    def words(self) -> str:
        """The stream of its words, "" where it takes none."""
        return TEXT_ENCODERS[self.text].stream if self.text else ""

    @property
    def hears_for_words(self) -> bool:
        """Whether a reference stands in the place of words."""
        return self.reference is not None and self.reference.stream == self.words

    @property
    def takes_context(self) -> bool:
        """Whether its generator has a place for a known sound."""
        return any(spec.name == CONTEXT for spec in self.streams)

    def parts(self) -> dict[str, Part]:
        """Its parts by kind."""
        found: dict[str, Part] = {"generator": self.generator}
        if self.video:
            found["video encoder"] = VIDEO_ENCODERS[self.video]
        if self.text:
            found["text encoder"] = TEXT_ENCODERS[self.text]
        return {**found, "codec": CODECS[self.codec]}

    @property
    def files(self) -> dict[str, str | Path]:
        """All weights by role."""
        return {role: file for part in self.parts().values() for role, file in part.files.items()}

    @property
    def families(self) -> dict[str, Family]:
        """The family that a role's file must be of, where one is named."""
        return {
            role: family
            for part in self.parts().values()
            for role, family in part.families.items()
            # What the generator's file is, its own family says.
            if role not in self.generator.files
        }

    @property
    def sample_rate(self) -> int:
        """Of its sound, in Hz."""
        return self.config.latent.sample_rate

    @property
    def channels(self) -> int:
        """Of its sound."""
        return CODECS[self.codec].channels

    @property
    def bundled(self) -> bool:
        """Whether all its weights come with this package."""
        return all(part.bundled for part in self.parts().values())

    @property
    def licence(self) -> Licence:
        """The strictest one of its parts."""
        return strictest(licence for part in self.parts().values() for licence in part.licences)

    def of_file(self, *paths: Path) -> SystemSpec:
        """This row for the network that files hold, the generator's own first."""
        generator = self.generator.of_file(*paths)
        codec = generator.config.latent.codec
        if codec not in CODECS:
            raise FoleyError(
                f"{paths[0].name} was trained on the codec {codec}, and known are: "
                f"{', '.join(CODECS)}."
            )
        video = generator.config.video_encoder or self.video
        if video and video not in VIDEO_ENCODERS:
            raise FoleyError(
                f"{paths[0].name} was trained on the video encoder {video}, and known are: "
                f"{', '.join(VIDEO_ENCODERS)}."
            )
        return replace(self, generator=generator, codec=codec, video=video)


def strictest(licences: Iterable[Licence]) -> Licence:
    """The one that allows least; of none, that of files of one's own."""
    order = ("no", "unknown", "conditional", "yes")
    own = Licence("your own", "unknown")
    return min(licences, key=lambda licence: order.index(licence.commercial), default=own)


SYSTEMS: dict[str, SystemSpec] = {}
VIDEO_ENCODERS: dict[str, VideoEncoderPart] = {}
TEXT_ENCODERS: dict[str, TextEncoderPart] = {}
CODECS: dict[str, CodecPart] = {}
_TABLES: dict[type, dict[str, Any]] = {
    SystemSpec: SYSTEMS,
    VideoEncoderPart: VIDEO_ENCODERS,
    TextEncoderPart: TEXT_ENCODERS,
    CodecPart: CODECS,
}


def add(*rows: SystemSpec | VideoEncoderPart | TextEncoderPart | CodecPart) -> None:
    """Adds rows; each is then found by its name wherever systems and parts are."""
    for row in rows:
        _TABLES[type(row)][row.name] = row


def remove(*rows: SystemSpec | VideoEncoderPart | TextEncoderPart | CodecPart) -> None:
    """Takes rows out again."""
    for row in rows:
        _TABLES[type(row)].pop(row.name, None)


def system_of_file(path: Path) -> SystemSpec:
    """The row of a weights file of one's own, whatever its family; of several the one whose parts
    and size it fits.

    Raises:
        FoleyError: it cannot be read, or is no generator's.
    """
    checkpoints = {system.generator.checkpoint for system in SYSTEMS.values()}
    configs = {checkpoint: recognised(checkpoint, path) for checkpoint in checkpoints}
    known = [row for row in SYSTEMS.values() if configs[row.generator.checkpoint] is not None]
    if not known:
        raise FoleyError(
            f"{path.name} holds no generator that is known here; choose another file, or one of: "
            f"{', '.join(SYSTEMS)}."
        )

    def fit(row: SystemSpec) -> list[int]:
        checkpoint, own = row.generator.checkpoint, row.config
        config = configs[checkpoint]
        return [
            config.latent.codec == own.latent.codec,
            [s.name for s in config.streams] == [s.name for s in own.streams],
            len({*config.streams} & {*own.streams}),
            checkpoint.variant(config) == checkpoint.variant(own),
        ]

    return max(known, key=fit).of_file(path)
