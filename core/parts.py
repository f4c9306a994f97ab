"""What a row of the catalogue says of a part: its files, its licence, how it is loaded and used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from .encoders.base import EncodedVideo, VideoEncoder
from .errors import CancelCheck
from .generators.base import CheckpointSpec, Generator, GeneratorConfig
from .media import FrameRequest
from .reference import ReferenceMethod
from .stores import Loaders
from .weights.advice import download_advice
from .weights.entries import Bundled, Licence
from .weights.families import Family
from .weights.files import read_metadata
from .weights.fill import building
from .weights.load import read_shapes, read_weights
from .weights.registry import entry
from .weights.store import Folders, find, locate

if TYPE_CHECKING:
    from .codecs.base import Codec

Files = Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A loadable piece.

    Attributes:
        files: for each role, such as "vae", the weights' name in the registry, or a path. The first
            one is the part's own: a file of one's own takes its place.
        families: for each role, the family that its file must be of, where one is named.
    """

    name: str
    title: str
    files: Mapping[str, str | Path]
    families: Mapping[str, Family] = field(default_factory=dict)

    @property
    def registered(self) -> tuple[str, ...]:
        """Names of its files in the registry of weights."""
        return tuple(name for name in self.files.values() if isinstance(name, str))

    @property
    def bundled(self) -> bool:
        """Whether its files come with this package, or are named by a path."""
        return all(isinstance(entry(name).source, Bundled) for name in self.registered)

    @property
    def licences(self) -> tuple[Licence, ...]:
        """Of its files, each once."""
        return tuple(dict.fromkeys(entry(name).licence for name in self.registered))

    @property
    def about(self) -> str:
        """One line for the artist."""
        terms = "; ".join(licence.terms for licence in self.licences) or "your own"
        return f"{self.name}: {self.title}. Licence of the weights: {terms}."

    def missing(self, folders: Folders | None = None) -> list[str]:
        """Names in the registry of the files that are not on this machine."""
        return [name for name in self.registered if find(name, folders) is None]

    def locate(self, folders: Folders | None = None, given: Files | None = None) -> dict[str, Path]:
        """The path of each file; `given` ones, by role, instead of those found.

        Raises:
            FoleyError: one is missing (its source, its licence, how to get it).
        """
        given = given or {}
        return {
            role: given.get(role) or (file if isinstance(file, Path) else locate(file, folders))
            for role, file in self.files.items()
        }

    def loaders(self, files: Files, **made: Any) -> Loaders:
        """What loads each of its networks, by role. files: at least its own. made: `dtype` and
        `device`. A generator has none here, see `loading.load_network`."""
        return {}


@dataclass(frozen=True, kw_only=True)
class GeneratorPart(Part):
    """checkpoint: its family; config: as published, in place of which comes that of the files which
    are loaded (`of_file`). memory_factor: of a sampling step, as ComfyUI reckons. Weights may lie
    in several files, each of which has a share of them."""

    checkpoint: CheckpointSpec
    config: GeneratorConfig
    memory_factor: float = 2.0

    @property
    def own(self) -> str:
        """The role of its own file."""
        return next(iter(self.files))

    def of_file(self, *paths: Path) -> GeneratorPart:
        """This row for the network that files hold, its own first."""
        config = recognised(self.checkpoint, *paths)
        return self if config is None else replace(self, config=config)

    def paths(self, files: Files) -> tuple[Path, ...]:
        """Of the files that hold its weights, its own first."""
        return tuple(files[role] for role in self.files)

    def build(self, **made: Any) -> Generator:
        """The network without weights; `operations`, `dtype`, `device` as of all networks.

        Raises:
            FoleyError: its sizes, which may be a file's, do not fit together.
        """
        with building(f"The network of {self.title}"):
            return self.checkpoint.build(self.config, **made)


@dataclass(frozen=True)
class StreamEncoder:
    """One encoder of a row. layout: its class, which says what frames it wants before it is loaded.
    load(path, dtype=, device=): the encoder."""

    layout: type[VideoEncoder]
    load: Callable[..., VideoEncoder]


@dataclass(frozen=True, kw_only=True)
class VideoEncoderPart(Part):
    """What makes streams of a video.

    Attributes:
        encoders: by stream, in the order in which they run; each has a file of the stream's name.
        load, encode, frames: instead of `encoders`, for one network that needs a whole clip:
            load(path, dtype=, device=), encode(module, frames by request, cancelled), and the
            frames it wants. Its role is "video"; made: its streams, made_rate: features of one a
            second.
        round_up_seconds: how much of a video a take of so many seconds is encoded from.
        still: the streams that a single picture has; still_seconds: how long its take is unless
            asked otherwise.
        place_hits: place_hits(video, times, strengths): what is encoded, with hits at `times` in
            seconds in the place of those that were seen; None where the streams cannot say it.
        seen_hits: seen_hits(streams): times and strengths of those that were seen.
    """

    encoders: Mapping[str, StreamEncoder] = field(default_factory=dict)
    load: Callable[..., nn.Module] | None = None
    encode: Callable[[nn.Module, Mapping[str, Tensor], CancelCheck | None], EncodedVideo] | None = (
        None
    )
    frames: Mapping[str, FrameRequest] = field(default_factory=dict)
    made: tuple[str, ...] = ()
    made_rate: float = 0.0
    round_up_seconds: Callable[[float], float] = lambda seconds: seconds
    still: tuple[str, ...] = ()
    still_seconds: float = 8.0
    place_hits: Callable[[EncodedVideo, Sequence[float], Sequence[float]], EncodedVideo] | None = (
        None
    )
    seen_hits: Callable[[Mapping[str, Tensor]], tuple[list[float], list[float]]] | None = None

    @property
    def roles(self) -> tuple[str, ...]:
        """Of its networks in a store."""
        return ("video",) if self.load is not None else tuple(self.encoders)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that it makes."""
        return self.made or tuple(self.encoders)

    def moments(self, stream: str) -> tuple[float, int]:
        """Moments of a stream a second, and the features of each."""
        if stream not in self.encoders:
            return self.made_rate, 1
        layout = self.encoders[stream].layout
        return layout.rate / layout.places, layout.places

    @property
    def requests(self) -> Mapping[str, FrameRequest]:
        """The frames that are wanted, by stream or by name."""
        own = {name: encoder.layout.frame_request for name, encoder in self.encoders.items()}
        return own or self.frames

    def loaders(self, files: Files, **made: Any) -> Loaders:
        if self.load is not None:
            return {"video": partial(self.load, files[next(iter(self.files))], **made)}
        return {name: partial(one.load, files[name], **made) for name, one in self.encoders.items()}


@dataclass(frozen=True, kw_only=True)
class TextEncoderPart(Part):
    """load(path, dtype=, device=): the network. encode(module, prompt): the stream `[1, N, D]`,
    None when nothing in the prompt is known. inside: the file is the generator's own. stream: its
    name. hears: how it encodes a sound in the place of words, None where it cannot."""

    load: Callable[..., nn.Module]
    encode: Callable[[Any, str], Tensor | None]
    inside: bool = False
    stream: str = "text"
    hears: ReferenceMethod | None = None

    def loaders(self, files: Files, **made: Any) -> Loaders:
        return {"text": partial(self.load, files[next(iter(self.files))], **made)}


@dataclass(frozen=True, kw_only=True)
class CodecPart(Part):
    """load(files, decode_only=, device=): the codec, in float32. channels: of its sound."""

    load: Callable[..., Codec]
    channels: int = 1

    def loaders(self, files: Files, *, device: Any = "cpu", **made: Any) -> Loaders:
        # Sound is made in float32 whatever the network computes in: it costs little.
        load = partial(self.load, {role: files[role] for role in self.files}, device=device)
        return {"codec": load, "decoder": partial(load, decode_only=True)}


def recognised(checkpoint: CheckpointSpec, *paths: Path) -> Any:
    """The config of a network of a family that files hold together, None when it is another's. What
    several say counts as the first has it.

    Raises:
        FoleyError: one cannot be read, or they do not belong together.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    about: dict[str, str] = {}
    for path in reversed(paths):
        shapes |= read_shapes(path)
        about |= read_metadata(path)
    return checkpoint.recognise(shapes, about)


def read_checkpoint(checkpoint: CheckpointSpec, *paths: Path, **read: Any) -> dict[str, Tensor]:
    """The weights of files under the names of the family's network. read: `dtype`, `device`."""
    key, found = checkpoint.key, dict[str, Tensor]()
    for path in reversed(paths):
        tensors = read_weights(path, keep=lambda stored: key(stored) is not None, **read)
        found |= {key(stored) or stored: value for stored, value in tensors.items()}
    return found


def advice_for(names: Sequence[str], folders: Folders | None) -> str:
    """How to get weights of the registry, as the end of a sentence."""
    advice = download_advice(names, in_comfyui=folders is not None)
    return advice or f"get {', '.join(str(entry(name).source) for name in names)}"
