"""Values that travel on FoleyStage's own wires."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor

from ..core.context import KnownSound
from ..core.errors import FoleyError
from ..core.generators import Streams
from ..core.sampling import Known, Long


@dataclass(frozen=True, eq=False)
class EncodedFeatures:
    """FOLEY_FEATURES: streams [1, N, D] and where they come from.

    part: name of the encoder or codec that made them. start, seconds: the window of the video as it
    was asked for; padded: seconds that the streams span, a little more on the encoder's grid.
    chance: of a hit, 50 a second, where the encoder tells it. behind(seconds): the same window
    behind so many seconds of its own first frames; None where there are no frames to do so.
    preview(): a small video file of the window; None where nothing moves.
    """

    kind: Literal["video", "text", "reference"]
    part: str
    streams: Streams
    start: float = 0.0
    seconds: float | None = None
    padded: float | None = None
    chance: Tensor | None = None
    behind: Callable[[float], EncodedFeatures] | None = None
    preview: Callable[[], Mapping[str, Any]] | None = None


@dataclass(frozen=True, eq=False)
class ConditioningEntry:
    """What an entry of a CONDITIONING holds for a generator, under the key `foley`.

    streams: name -> [1, N, D]; one that is absent is the generator's null. every: the streams of
    the positive side, whose lengths all terms of a guidance share. system: name of the row that it
    is made for. long: how a take beyond the trained length is made, None as suits its length.
    """

    streams: Streams
    every: Streams
    seconds: float
    system: str
    long: Long | None = None

    def with_streams(self, streams: Streams) -> ConditioningEntry:
        """The same take, conditioned on something else."""
        return replace(self, streams=dict(streams))


KEY = "foley"


def entry_of(options: Mapping[str, Any]) -> ConditioningEntry:
    """What a conditioning's dictionary says; FoleyError for a conditioning of another pack."""
    entry = options.get(KEY)
    if not isinstance(entry, ConditioningEntry):
        raise FoleyError(
            "This conditioning is not made for sound: connect the positive and negative outputs "
            "of Foley Conditioning."
        )
    return entry


@dataclass(frozen=True, eq=False)
class ObjectEntry:
    """An entry of FOLEY_OBJECTS: a MASK [M, H, W], words, a reference [C, T] with its rate, and a
    level in dB."""

    mask: Tensor
    prompt: str
    negative: str
    reference: tuple[Tensor, int] | None
    level: float


@dataclass(frozen=True, eq=False)
class StemSounds:
    """FOLEY_STEMS: parts of takes by title, each [takes, C, T] at a rate in Hz."""

    sounds: Mapping[str, Tensor]
    sample_rate: int


@dataclass(frozen=True, eq=False)
class Sound:
    """What a LATENT of sound stands for, under the key `foley`.

    codec: name of the codec that decodes it. latent_rate: frames a second. start, seconds: its
    place under the video. tokens: whether it holds ids of a codebook. lead: seconds at its start
    that are no part of the take. stays: what Foley Sampler keeps of it; in_sound: the sound that
    the take is put back into.
    """

    codec: str
    sample_rate: int
    latent_rate: float
    seconds: float
    start: float = 0.0
    tokens: bool = False
    lead: float = 0.0
    stays: Known | None = None
    in_sound: KnownSound | None = None
