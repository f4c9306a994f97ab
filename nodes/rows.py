"""What a row of the loaders' tables says beyond what `core` knows: how a part is built and used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..core.generators import Generator
from ..core.media import FrameRequest
from ..core.reference import ReferencePick
from .looking import Eyes
from .values import Watched

if TYPE_CHECKING:
    from ..core.codecs.base import Codec


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that is loaded from one file.

    weights: the bundled file; None for one that is found by its name in the registry of weights.
    files: names there, where they differ: of its file, then of those that it is loaded with.
    family: what other files of this part are, as they are marked or their keys tell.
    """

    name: str
    title: str
    licence: str
    weights: Path | None
    family: str
    files: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """One line for the artist."""
        return f"{self.name}: {self.title}. Licence of the weights: {self.licence}."


@dataclass(frozen=True, kw_only=True)
class GeneratorPart(Part):
    """build(operations=, dtype=, device=): the network without weights. read(path): the weights of
    a file, under the network's names. video, text, codec: the parts that it was trained with.
    listen(generator, codec, sound, rate, pick): the reference stream of a sound [C, T]; None for a
    model that takes none. of_file(part, path): this row for the network that a file holds."""

    build: Callable[..., Generator]
    read: Callable[[Path], Mapping[str, Tensor]]
    video: str
    text: str
    codec: str
    listen: Callable[[Generator, Codec, Tensor, int, ReferencePick], Tensor] | None
    memory_factor: float = 2.0
    of_file: Callable[[GeneratorPart, Path], GeneratorPart] | None = None


@dataclass(frozen=True, kw_only=True)
class VideoEncoderPart(Part):
    """requests: the frames it looks at. watch(module, frames, seconds, cancelled) makes the streams
    of a take of `seconds`. eyes: what looks at a picture while it is read, where it can."""

    load: Callable[[Path], nn.Module]
    requests: Mapping[str, FrameRequest]
    watch: Callable[[nn.Module, Mapping[str, Tensor], float, Callable[[], bool]], Watched]
    eyes: Eyes | None = None


@dataclass(frozen=True, kw_only=True)
class TextEncoderPart(Part):
    """read(module, prompt): the text stream [1, N, D], None when nothing in it is understood."""

    load: Callable[[Path], nn.Module]
    read: Callable[[nn.Module, str], Tensor | None]


@dataclass(frozen=True, kw_only=True)
class CodecPart(Part):
    """load(path): the codec, ready to decode."""

    load: Callable[[Path], Codec]
