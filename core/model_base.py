"""What every model is: a generator with its codec and encoders, whatever the paper."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .encoders.base import Features
from .encoders.cache import FeatureCache
from .encoders.gaze import Eye
from .encoders.mini_video import Seen
from .errors import FoleyError
from .generators import Sampling
from .media import FrameRequest
from .reference import ReferencePick, ReferenceSpec, cut_windows
from .sampling import Guidance, preset
from .weights.store import find

CancelCheck = Callable[[], bool]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Loading:
    """How a model is loaded.

    files: weights of one's own instead of those that are found, by part. precision: see
    `precision`. keep: parts stay in memory between takes instead of being freed after use.
    compile: the network is compiled by torch, which pays off from the second take on.
    feature_cache: folder where features of videos and words are kept for the next time; None is the
    one that FOLEYSTAGE_CACHE names, if any.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    precision: str = "auto"
    keep: bool = False
    compile: bool = False
    feature_cache: Path | None = None


@dataclass(frozen=True)
class ModelCard:
    """What `foleystage models` says of a generator. `files` are its weights' registry names,
    `compiles` is whether `Loading.compile` means something to it."""

    name: str
    title: str
    files: tuple[str, ...]
    licence: str
    load: Callable[..., Model]
    compiles: bool = False

    @cached_property
    def size(self) -> int:
        """Bytes of all weights files that are there."""
        found = (find(name) for name in self.files)
        return sum(path.stat().st_size for path in found if path is not None)


@dataclass(frozen=True)
class Told:
    """What a take is conditioned on: streams `[1, N, D]` by name, and what guidance leads away
    from. seen: what the encoder made of the picture, where it tells."""

    streams: Mapping[str, Tensor]
    avoided: Mapping[str, Tensor] = field(default_factory=dict)
    seen: Seen | None = None


class Model(abc.ABC):
    """A generator with its codec and encoders, ready to be given a video, words and a reference.

    requests: the frames it looks at. still: which of them one picture serves. reference_samples: of
    the codec's rate that one window of a reference holds; 0 for a model that takes none. bounded:
    takes longer than trained lose quality.
    """

    name: str
    requests: Mapping[str, FrameRequest] = {}
    still: tuple[str, ...] = ()
    bounded = False
    config: Any
    device: torch.device
    sample_rate: int
    cache: FeatureCache | None = None

    @property
    def sampling(self) -> Sampling:
        """How a take is sampled unless asked otherwise."""
        return self.config.sampling

    @property
    def reference_samples(self) -> int:
        return self.config.reference_samples

    @property
    def reference_seconds(self) -> float:
        """Length of one window of a reference."""
        return self.reference_samples / self.sample_rate

    @property
    def eyes(self) -> Mapping[str, Eye]:
        """Encoders that look at a video while it is read, by request; none: `tell` is given the
        frames."""
        return {}

    @abc.abstractmethod
    def using(self, part: str) -> contextlib.AbstractContextManager[nn.Module]:
        """A part on its device while the context lasts: "generator" or "decoder"."""

    @abc.abstractmethod
    def tell(
        self,
        frames: Mapping[str, Tensor | Features],
        seconds: float,
        prompt: str,
        negative: str,
        *,
        ignored: frozenset[str] = frozenset(),
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Told:
        """Streams of the frames by request (those that are there), or of what `eyes` saw in them,
        and of the words, for a take of `seconds`; `ignored` names streams that are left out."""

    def shown_seconds(self, made: float, covered: float) -> float:
        """Seconds of frames that are looked at for a take of `made` seconds, of which the network
        makes `covered`; where there is no picture, its last frame is held."""
        return covered

    def guide(
        self, scale: float | None, avoided: Mapping[str, Tensor], *, published: bool = False
    ) -> Guidance:
        """Guidance of a scale, None the model's own, away from the `avoided` streams; `published`:
        see `cfg`."""
        kept = self.config.unguided
        return preset(self.sampling, scale, avoided, kept=kept, published=published)

    @abc.abstractmethod
    def level(self, waveform: Tensor, rate: int, peak: float) -> Tensor:
        """A sound [C, T] as this model listens to it: [1, T'] at the codec's rate. peak: largest
        value of the whole sound in mono, of which `waveform` may be a part."""

    @abc.abstractmethod
    def hear(self, windows: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Reference stream [1, N, D] of windows [W, reference_samples], their mean in the end. rng:
        where noise is drawn from, if any is; None is the same noise each time."""

    def listen(
        self,
        waveform: Tensor,
        rate: int,
        pick: ReferencePick = ReferencePick(),  # noqa: B008 - frozen
        *,
        peak: float | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Reference stream [1, N, D] of a sound [C, T]. Frames of several windows stand side by
        side, since the network takes the mean over them. peak, rng: see `level`, `hear`.

        Raises:
            FoleyError: the model takes no reference; a sound too short, or silent where it is
                heard; a start beyond its end.
        """
        if not self.reference_samples:
            raise FoleyError(f"{self.name} takes no reference sound; leave it away.")
        spec = ReferenceSpec(self.reference_samples, self.sample_rate)
        windows = cut_windows(self.level, waveform, rate, spec, pick, peak)
        return self.hear(windows, rng)


class ResidentModel(Model):
    """A model whose parts are all in memory."""

    watch: Callable[..., Seen]
    read: Callable[[str], Tensor | None]

    def __init__(self, name: str, generator, codec, video, text) -> None:
        self.name, self.generator, self.codec = name, generator, codec
        self.video, self.text = video, text

    @property
    def config(self) -> Any:
        return self.generator.config

    @property
    def device(self) -> torch.device:
        return next(self.generator.parameters()).device

    @property
    def sample_rate(self) -> int:  # type: ignore[override] # nobody sets it
        return self.codec.sample_rate

    @contextlib.contextmanager
    def using(self, part: str) -> Iterator[nn.Module]:
        yield {"generator": self.generator, "decoder": self.codec}[part]
