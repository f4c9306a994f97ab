"""Values that travel on FoleyStage's own wires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor

from ..core.errors import FoleyError
from ..core.sampling import Long


@dataclass(frozen=True, eq=False)
class Features:
    """FOLEY_FEATURES: streams [1, N, D] and where they come from.

    part: name of the encoder or codec that made them. start, seconds: the window of the video as it
    was asked for; covered: seconds that the streams span, a little more on the encoder's grid.
    chance: of a hit, 50 a second, where the encoder tells it.
    """

    kind: Literal["video", "text", "reference"]
    part: str
    streams: Mapping[str, Tensor]
    start: float = 0.0
    seconds: float | None = None
    covered: float | None = None
    chance: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Heard:
    """What an entry of a CONDITIONING tells the generator, under the key `foley`.

    streams: name -> [1, N, D]; one that is absent is the generator's learned null. every: the
    streams of the positive side, whose lengths all terms of a guidance share. long: how a take
    beyond the trained length is made, None as suits its length.
    """

    streams: Mapping[str, Tensor]
    every: Mapping[str, Tensor]
    seconds: float
    part: str
    long: Long | None = None

    def with_streams(self, streams: Mapping[str, Tensor]) -> Heard:
        """The same take, told something else."""
        return replace(self, streams=dict(streams))


KEY = "foley"


def heard_of(options: Mapping[str, Any]) -> Heard:
    """What a conditioning's dictionary says; FoleyError for a conditioning of another pack."""
    heard = options.get(KEY)
    if not isinstance(heard, Heard):
        raise FoleyError(
            "This conditioning is not made for sound: connect the positive and negative outputs "
            "of Foley Conditioning."
        )
    return heard


@dataclass(frozen=True)
class Sound:
    """What a LATENT of sound stands for, under the key `foley`.

    codec: name of the codec that decodes it. latent_rate: frames a second. start, seconds: its
    place under the video.
    """

    codec: str
    sample_rate: int
    latent_rate: float
    seconds: float
    start: float = 0.0


@dataclass(frozen=True, eq=False)
class TermList:
    """FOLEY_GUIDANCE_TERMS: (conditioning, weight) pairs; a weight is a function of flow time."""

    terms: tuple[tuple[list, Any], ...]


@dataclass(frozen=True)
class Watched:
    """Streams [1, N, D] of frames, the seconds they span, the chance of a hit 50 times a second."""

    streams: Mapping[str, Tensor]
    seconds: float
    chance: Tensor | None = None
