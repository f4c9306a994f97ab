"""What is known of a take while the rest of it is made: inpainting, continuation, editing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ..errors import FoleyError
from .dynamics import Dynamics, Noise

Kept = Literal["steps", "end", "never"]
Inversion = Literal["", "around", "throughout"]


@dataclass(frozen=True, eq=False)
class Start:
    """A state to begin with. latent: the codec's, `[B or 1, N, C]` (of tokens the ids, those to be
    made being the id after the last). time: flow time that it is noised to, 0 is noise alone."""

    latent: Tensor
    time: float = 0.0


@dataclass(frozen=True, eq=False)
class Known:
    """The known part of a take.

    Attributes:
        latent: the codec's, `[1 or B, N, C]`.
        frames: bool `[N]`, where it is known.
        kept: when it is put back: at every step, noised as far as the rest is (inpainting), at the
            end alone, or never.
        added: its normalised latent is added to the noise (FoleyGenEx, figure 3).
        inverted: the noise is what the flow leads back to from the latent: "around" what is to be
            made, or "throughout", which keeps the structure of what was there. Of flow models.
    """

    latent: Tensor
    frames: Tensor
    kept: Kept = "steps"
    added: bool = False
    inverted: Inversion = ""

    def check(self, dynamics: Dynamics, takes: int, length: int, dim: int) -> None:
        """FoleyError where it does not fit a take."""
        if self.inverted and dynamics.name != "flow":
            raise FoleyError(
                f"Only flow models can be inverted, not one of the kind {dynamics.name}; edit "
                "without inversion."
            )
        shape = tuple(self.latent.shape)
        if shape[1:] != (length, dim) or shape[0] not in (1, takes):
            raise FoleyError(
                f"The known latent has the shape {list(shape)}, but this take needs "
                f"{[takes, length, dim]}."
            )
        if self.frames.shape != (length,):
            raise FoleyError(
                f"{len(self.frames)} frames are said to be known or not, but the take has {length}."
            )

    def ids(self, codes: int) -> Start:
        """Of tokens: where a take begins, with what is not known masked."""
        return Start(self.latent.masked_fill(~self.frames[:, None].to(self.latent.device), codes))

    def begin(self, noise: Noise, data: Tensor, invert: Callable[[Tensor], Tensor]) -> Noise:
        """The noise to start from. data: the latent in the network's space. invert(data): the noise
        that the flow leads back to."""
        first, frames = noise.first, self.frames[:, None]
        assert first is not None
        data = data.expand(first.shape)
        if self.inverted:
            led_back = invert(data)
            first = led_back if self.inverted == "throughout" else led_back.where(frames, first)
        if self.added:
            first = first + data * frames
        return replace(noise, first=first)

    def put_back(self, x: Tensor, data: Tensor) -> Tensor:
        """x with `data` where it is known."""
        return torch.where(self.frames[:, None].to(x.device), data.to(x), x)
