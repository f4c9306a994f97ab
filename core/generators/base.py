"""What every generator is: a network that predicts, given once a take what it is conditioned on."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import FoleyError
from ..weights.families import Shapes

Dynamics = Literal["flow", "epsilon", "v", "tokens"]
Streams = Mapping[str, Tensor]
Lengths = dict[str, int]
"""Sequence lengths of a take: `latent`, and each stream by its name."""

LATENT = "latent"
CONTEXT = "context"
"""The stream of a sound of which a part is known, where a generator has a place for one: the
codec's latent, and beside it 1 where it is known, 0 elsewhere."""
VIDEO_MASK = "video_mask"
"""Beside it the stream that is 1 where the picture counts as unseen."""
# Products of seconds and rates that miss a whole number by rounding alone count as whole.
LENGTH_SLACK = 1e-6


@dataclass(frozen=True)
class StreamSpec:
    """One named kind of condition that a generator takes: a tensor `[B, N, width]`.

    Attributes:
        rate: vectors a second; None: not along time.
        multiple: N is a multiple of it, and windows are cut there.
        required: the generator cannot do without it.
        null: what stands for a missing stream: "learned" vectors, or "zeros".
        always_conditioned: guidance keeps it on both sides unless asked otherwise.
        meaning: what it says, for an artist: "the prompt".
    """

    name: str
    width: int
    rate: float | None = None
    multiple: int = 1
    required: bool = False
    null: Literal["learned", "zeros"] = "learned"
    always_conditioned: bool = False
    meaning: str = ""


@dataclass(frozen=True)
class LatentSpec:
    """What a generator makes. codec: the row of the catalogue that decodes it. dim: numbers of a
    latent frame; rate: frames a second, of sound at `sample_rate`. codes: size of the codebook
    where it is tokens."""

    codec: str
    dim: int
    rate: float
    sample_rate: int
    codes: int | None = None


@dataclass(frozen=True, eq=False)
class Conditions:
    """All that a generator is conditioned on for one take: streams `[B or 1, N, width]` by name.
    Guidance leads from `negative`; a stream that is missing is the generator's null."""

    positive: Streams
    seconds: float
    negative: Streams = field(default_factory=dict)


class GeneratorConfig:
    """What is known of a generator without its weights; each paper has a frozen dataclass of it.

    Attributes:
        latent, streams: see `LatentSpec`, `StreamSpec`.
        trained_seconds: the longest take it was trained on.
        any_length: one pass can be longer than that.
        window_step: seconds; a part of a longer take starts on this grid.
        video_encoder: the row of the one that it was trained with, "" where its own row says.
        reference_samples: of the codec's rate that one window of a reference sound has; 0: it takes
            none.
    """

    latent: LatentSpec
    streams: tuple[StreamSpec, ...]
    trained_seconds: float = math.inf
    any_length: bool = True
    window_step: float = 1.0
    reference_samples: int = 0
    video_encoder: str = ""

    @property
    def window_slack(self) -> float:
        """Seconds that one piece may be longer than `trained_seconds`."""
        return self.window_step if self.any_length else LENGTH_SLACK

    def round_up_seconds(self, seconds: float) -> float:
        """The shortest take of at least `seconds` that can be made."""
        return seconds

    def round_down_seconds(self, seconds: float) -> float:
        """The longest take of at most `seconds`, which may be none."""
        above = self.round_up_seconds(seconds)
        return seconds if above <= seconds + LENGTH_SLACK else above - self.window_step

    def lengths(self, seconds: float) -> Lengths:
        """All sequence lengths of a take; a stream that is not along time has none of its own."""
        lengths = {LATENT: math.ceil(seconds * self.latent.rate - LENGTH_SLACK)}
        for spec in self.streams:
            if spec.rate is not None:
                pieces = math.floor(seconds * spec.rate / spec.multiple + LENGTH_SLACK)
                lengths[spec.name] = pieces * spec.multiple
        return lengths


@dataclass(frozen=True)
class CheckpointSpec:
    """How the weights files of a family become its network. Nothing here opens a file.

    Attributes:
        family: its name, as converted files say it; title: as its paper does.
        recognise: the config of a file's network, from shapes by key and the file's metadata; None
            for another family's.
        build: the network of a config without weights, build(config, operations=, dtype=, device=).
        key: a stored key to the network's own name; None for what prediction does not use.
        pack: the network repacked for prediction on a CPU, in place. least_packed: parameters from
            which that pays, None: as in most families.
        compiles: whether torch.compile gains something.
        variant: which size or kind a config is, for messages.
    """

    family: str
    title: str
    recognise: Callable[[Shapes, Mapping[str, str]], Any]
    build: Callable[..., Generator]
    key: Callable[[str], str | None] = lambda key: key
    pack: Callable[[Any], Any] | None = None
    least_packed: float | None = None
    compiles: bool = False
    variant: Callable[[Any], str] = lambda config: ""


@dataclass(frozen=True)
class Prepared:
    """Everything a prediction needs besides x_t and t, computed once a take.

    `batched` tensors have the take as their first axis; `shared` ones (position tables) serve
    every take of the same lengths.
    """

    batched: Mapping[str, Tensor]
    shared: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        return next(iter(self.batched.values())).shape[0]

    @staticmethod
    def cat(parts: Sequence[Prepared]) -> Prepared:
        """Join along the batch; all parts must have the same lengths."""
        first = parts[0]
        batched = {k: torch.cat([p.batched[k] for p in parts]) for k in first.batched}
        return Prepared(batched, first.shared)

    def take(self, index: slice | Tensor) -> Prepared:
        """Some rows of the batch."""
        return Prepared({k: v[index] for k, v in self.batched.items()}, self.shared)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Prepared:
        """Moved; the dtype of shared tables is kept (they are float32 on purpose)."""
        batched = {k: v.to(device=device, dtype=dtype) for k, v in self.batched.items()}
        return Prepared(batched, {k: v.to(device=device) for k, v in self.shared.items()})


@dataclass(frozen=True)
class Window:
    """A part of a longer take: its streams, their lengths, and the span of its latents."""

    streams: Streams
    lengths: Lengths
    span: slice


def with_seen_rows(prepared: Prepared) -> Prepared:
    """Conditions with `rows` among what is shared: those of the batch where `seen` [B] is not 0."""
    rows = prepared.batched["seen"].nonzero()[:, 0]
    return Prepared(prepared.batched, {**prepared.shared, "rows": rows})


class Generator(nn.Module, abc.ABC):
    """Base of all generators.

    Streams map a name to a tensor `[B, N, D]`. One that is missing is the generator's own null.
    dynamics: what x_t means, see `core.sampling.dynamics`.
    """

    dynamics: Dynamics = "flow"
    config: Any

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        """What it can be conditioned on."""
        return self.config.streams

    @property
    def stream_names(self) -> tuple[str, ...]:
        """Names of `streams`."""
        return tuple(spec.name for spec in self.streams)

    @abc.abstractmethod
    def null(self, stream: str) -> Tensor:
        """What stands for a missing stream, broadcastable to its tensor `[B, N, D]`."""

    @abc.abstractmethod
    def prepare(
        self,
        streams: Streams,
        seconds: float | None = None,
        *,
        lengths: Lengths | None = None,
        batch: int | None = None,
    ) -> Prepared:
        """All that does not depend on x_t, for the given streams. Differentiable."""

    @abc.abstractmethod
    def forward(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        """Prediction `[B, N, C]` for latents x `[B, N, C]` (or ids `[B, N]`) at the network's times
        t, `[B]` or scalar."""

    def settled(self, prepared: Prepared) -> Prepared:
        """Conditions that many predictions will be made with, as they are: what can be found out
        about them once is added to what is shared."""
        return prepared

    def latent_shape(self, seconds: float) -> tuple[int, int]:
        """(N, C) of the latent of one take of `seconds`."""
        return self.config.lengths(seconds)[LATENT], self.config.latent.dim

    def lengths(self, streams: Streams, seconds: float | None = None) -> Lengths:
        """Lengths for `seconds`, those of given streams replaced by their own.

        Raises:
            FoleyError: no seconds, or a stream along time of another length.
        """
        if seconds is None:
            raise FoleyError("The length of the take is missing; give its seconds.")
        lengths = dict(self.config.lengths(seconds))
        for spec in self.streams:
            if spec.name not in streams:
                continue
            given = streams[spec.name].shape[1]
            expected = lengths.get(spec.name, given)
            if spec.rate is not None and abs(given - expected) > spec.multiple:
                raise FoleyError(
                    f"The '{spec.name}' stream has {given} features, but a take of {seconds:g} s "
                    f"has {expected}; encode the same part of the video."
                )
            lengths[spec.name] = given
        return lengths

    def window(self, streams: Streams, seconds: float, start: float, stop: float) -> Window:
        """The part [start, stop) seconds of a take of `seconds`; start is on `config.window_step`.

        Streams along time are cut at their own rates. The last window takes all that is left.
        """
        whole, part = self.lengths(streams, seconds), self.config.lengths(stop - start)
        firsts = {LATENT: round(start * self.config.latent.rate)}
        for spec in self.streams:
            if spec.rate is not None:
                firsts[spec.name] = round(start * spec.rate / spec.multiple) * spec.multiple
        ends = stop > seconds - LENGTH_SLACK
        lasts = {
            name: whole[name] if ends else min(first + part[name], whole[name])
            for name, first in firsts.items()
        }
        cut = {k: v[:, firsts[k] : lasts[k]] if k in firsts else v for k, v in streams.items()}
        lengths = {**whole, **{name: lasts[name] - first for name, first in firsts.items()}}
        return Window(cut, lengths, slice(firsts[LATENT], lasts[LATENT]))

    def normalize(self, latent: Tensor) -> Tensor:
        """Codec latent `[B, N, C]` -> the space the network works in."""
        return latent

    def unnormalize(self, latent: Tensor) -> Tensor:
        """The space the network works in -> codec latent `[B, N, C]`."""
        return latent

    def quantizable(self) -> Iterable[nn.Module]:
        """The modules whose weights may be stored in 8 bits."""
        return (self,)

    def drop_streams(self, streams: Streams, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Per-sample condition dropout: where `masks[stream]` (bool `[B]`) is true, the null.

        Gradients reach learned nulls. A stream without a mask is left as it is, one that is absent
        stays absent (it is the null for all samples already).
        """
        dropped = dict(streams)
        for stream, mask in masks.items():
            self.check_stream(stream)
            if stream not in dropped:
                continue
            value = dropped[stream]
            null = self.null(stream).to(device=value.device, dtype=value.dtype)
            dropped[stream] = torch.where(mask.to(value.device)[:, None, None], null, value)
        return dropped

    def check_stream(self, stream: str) -> None:
        """Raise FoleyError for a stream that this generator does not know."""
        if stream not in self.stream_names:
            known = ", ".join(self.stream_names)
            raise FoleyError(f"This generator has no stream named '{stream}'; it takes: {known}.")

    def check_streams(self, streams: Streams) -> int | None:
        """Check names, ranks and widths; return the common batch size, None when there are none.

        Raises:
            FoleyError: a stream that is unknown, missing though required, or of another shape.
        """
        for stream in streams:
            self.check_stream(stream)
        sizes = set()
        for spec in self.streams:
            if spec.name not in streams:
                if spec.required:
                    raise FoleyError(f"This generator needs the stream '{spec.name}'; connect one.")
                continue
            value = streams[spec.name]
            if value.ndim != 3:
                raise FoleyError(
                    f"Stream '{spec.name}' must have the shape [batch, length, channels], "
                    f"but has {list(value.shape)}."
                )
            if value.shape[2] != spec.width:
                raise FoleyError(
                    f"Stream '{spec.name}' has {value.shape[2]} channels, but this model needs "
                    f"{spec.width}; it was made with another encoder."
                )
            if value.shape[1] % spec.multiple:
                raise FoleyError(
                    f"The '{spec.name}' stream has {value.shape[1]} features; its length must be a "
                    f"multiple of {spec.multiple}."
                )
            sizes.add(value.shape[0])
        if len(sizes) > 1:
            raise FoleyError(f"The streams have different batch sizes: {sorted(sizes)}.")
        return sizes.pop() if sizes else None


def draw_normal(parameter: Tensor, deviation: float, rng: torch.Generator) -> None:
    """Gaussian weights, drawn on the CPU."""
    parameter.copy_(torch.randn(parameter.shape, generator=rng) * deviation)
