"""What every generator is: a network that predicts, told once a take what it is conditioned on."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import FoleyError
from .sampling import Sampling

Parameterization = Literal["flow", "epsilon", "v", "tokens"]


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

    def repeat(self, times: int) -> Prepared:
        """The whole batch, `times` times over: [a, b] becomes [a, b, a, b, ...]."""
        batched = {k: v.repeat(times, *[1] * (v.ndim - 1)) for k, v in self.batched.items()}
        return Prepared(batched, self.shared)

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
    """A part of a longer take: its conditions, their lengths, and the latents `[first, last)`."""

    conditions: Mapping[str, Tensor]
    lengths: Any
    first: int
    last: int


class Generator(nn.Module, abc.ABC):
    """Base of all generators.

    Conditions map a stream's name to a tensor `[B, N, D]`. A stream that is missing is the
    generator's own learned null.
    """

    required_streams: tuple[str, ...] = ()
    optional_streams: tuple[str, ...] = ()
    unguided: tuple[str, ...] = ()  # heard on both sides of plain guidance
    sampling: Sampling = Sampling()
    codec: str = ""
    parameterization: Parameterization = "flow"
    latent_dim: int = 0
    # Longest take the network was trained on, and the grid on which a part of a take may start.
    trained_seconds: float = math.inf
    window_step: float = 1.0

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all streams this generator listens to."""
        return self.required_streams + self.optional_streams

    @property
    def window_slack(self) -> float:
        """Seconds that one piece may be longer than `trained_seconds`."""
        return self.window_step

    def moment(self, t: float) -> float:
        """Flow time, 0 for noise to 1 for data, of the network's own time t."""
        return t

    @abc.abstractmethod
    def latent_shape(self, seconds: float) -> tuple[int, int]:
        """(N, C) of the latent of one take of `seconds`."""

    @abc.abstractmethod
    def lengths(self, conditions: Mapping[str, Tensor], seconds: float | None = None) -> Any:
        """Every sequence length of a take, for `prepare(lengths=...)`."""

    @abc.abstractmethod
    def null(self, stream: str) -> Tensor:
        """The learned null of a stream, broadcastable to its tensor `[B, N, D]`."""

    @abc.abstractmethod
    def prepare(
        self,
        conditions: Mapping[str, Tensor],
        seconds: float | None = None,
        *,
        lengths: Any = None,
        batch: int | None = None,
    ) -> Prepared:
        """All that does not depend on x_t, for the given conditions. Differentiable."""

    def settled(self, prepared: Prepared) -> Prepared:
        """Conditions that many predictions will be made with, as they are: what can be found out
        about them once is added to what is shared."""
        return prepared

    @abc.abstractmethod
    def forward(self, x: Tensor, t: Tensor, prepared: Prepared) -> Tensor:
        """Prediction `[B, N, C]` for latents x `[B, N, C]` at times t `[B]` or scalar."""

    def window(
        self, conditions: Mapping[str, Tensor], seconds: float, start: float, stop: float
    ) -> Window:
        """The part [start, stop) seconds of a take of `seconds`; start is on `window_step`."""
        raise FoleyError("This model cannot make a take longer than it was trained on in windows.")

    def normalize(self, latent: Tensor) -> Tensor:
        """Codec latent `[B, N, C]` -> the space the network works in."""
        return latent

    def unnormalize(self, latent: Tensor) -> Tensor:
        """The space the network works in -> codec latent `[B, N, C]`."""
        return latent

    def drop_streams(
        self, conditions: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Per-sample condition dropout: where `masks[stream]` (bool `[B]`) is true, the null.

        Gradients reach the learned nulls. A stream without a mask is left as it is, a stream
        absent from `conditions` stays absent (it is the null for all samples already).
        """
        dropped = dict(conditions)
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
        if stream not in self.streams:
            known = ", ".join(self.streams)
            raise FoleyError(
                f"This generator has no stream named '{stream}'; it listens to: {known}."
            )

    def check_conditions(self, conditions: Mapping[str, Tensor]) -> int | None:
        """Check names and ranks; return the common batch size, None when there are none."""
        for stream in conditions:
            self.check_stream(stream)
        for stream in self.required_streams:
            if stream not in conditions:
                raise FoleyError(f"This generator needs the stream '{stream}'; connect one.")
        sizes = set()
        for stream, value in conditions.items():
            if value.ndim != 3:
                raise FoleyError(
                    f"Stream '{stream}' must have the shape [batch, length, channels], "
                    f"but has {list(value.shape)}."
                )
            sizes.add(value.shape[0])
        if len(sizes) > 1:
            raise FoleyError(f"The streams have different batch sizes: {sorted(sizes)}.")
        return sizes.pop() if sizes else None
