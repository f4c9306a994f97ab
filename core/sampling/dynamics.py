"""Dynamics: what x_t means to a generator, where it starts, and along which times it goes.

One small object a kind. Flow time runs from 0 for noise to 1 for data and is the same for all of
them; the network's own time and the solver's are the kind's. ComfyUI's side of each kind is in
`nodes.native.kinds`.
"""

from __future__ import annotations

import abc
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..errors import FoleyError
from ..generators.base import LatentSpec
from . import schedule
from .dpm_solver import dpm_solver_2m
from .dpmpp_3m_sde import denoised_of_v, dpmpp_3m_sde, exponential_sigmas
from .euler import euler
from .maskgit import GumbelNoise, draw_gumbel, maskgit
from .midpoint import midpoint
from .solver import Hook, Predict, unchanged


@dataclass(frozen=True, eq=False)
class Noise:
    """All that is drawn for a run. first: x at the start, `[B, N, C]` of unit deviation (None for
    tokens, which start masked). later: what the kind draws in its steps; steps: how many it is
    drawn for, None: any."""

    first: Tensor | None
    later: Any = None
    steps: int | None = None

    @property
    def takes(self) -> int:
        """How many takes it is drawn for."""
        return len(self.later.tokens if self.first is None else self.first)


@dataclass(frozen=True)
class Like:
    """New takes near one of a seed. take: its number, from 1. variation: how far from it, 0 is that
    take and 1 has nothing of it: how much of its noise is new, or of tokens which share (`remask`).
    """

    take: int
    variation: float

    def fresh_seed(self, seed: int) -> int:
        """Of what is new in them: no take of the seed itself draws it."""
        digest = hashlib.sha256(f"{seed} like {self.take}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def fresh(self, rng: torch.Generator) -> torch.Generator:
        """A generator by that seed."""
        return torch.Generator().manual_seed(self.fresh_seed(rng.initial_seed()))


@dataclass(frozen=True, eq=False)
class Run:
    """What a run goes by: the solver's times, what is drawn, what is made, and of tokens the
    temperature."""

    times: Sequence[float]
    noise: Noise
    latent: LatentSpec
    temperature: float = 0.0


def joined(parts: Sequence[Noise]) -> Noise:
    """The noise of several takes as one."""
    first, later = parts[0].first, parts[0].later
    if first is not None:
        first = torch.cat([part.first for part in parts if part.first is not None])
    if isinstance(later, GumbelNoise):
        later = GumbelNoise(
            torch.cat([part.later.tokens for part in parts]),
            torch.cat([part.later.confidence for part in parts]),
        )
    elif later is not None:
        later = torch.cat([part.later for part in parts], 1)
    return Noise(first, later, parts[0].steps)


def mixed(near: Noise, fresh: Noise, variation: float) -> Noise:
    """Gaussian noise of as many takes as `fresh`, each `variation` v away from the one take of
    `near`: its correlations are sqrt(1 - v^2) with that and v with `fresh`."""
    assert near.first is not None and fresh.first is not None, "tokens are made as `remask` says"
    kept = math.sqrt(1 - variation**2)
    first, later = kept * near.first + variation * fresh.first, fresh.later
    if later is not None:
        later = kept * near.later + variation * later
    return Noise(first, later, fresh.steps)


def draw_noise(rng: torch.Generator, takes: int, *shape: int) -> Tensor:
    """Gaussian noise `[takes, *shape]`, float32, on the CPU.

    Every take is one draw, in order, so take k is the same however many there are.
    """
    return torch.stack([torch.randn(shape, generator=rng) for _ in range(takes)])


def masked_ids(latent: LatentSpec, takes: int, length: int) -> Tensor:
    """Ids of tokens of which none is known, `[B, N]`, or `[B, N, C]` where a frame has several."""
    shape = (takes, length, latent.dim) if latent.dim > 1 else (takes, length)
    return torch.full(shape, latent.codes or 0)


class Dynamics(abc.ABC):
    """A kind. solvers: those that integrate it, by name."""

    name: ClassVar[str]
    solvers: ClassVar[Mapping[str, Callable[..., Tensor]]]

    def draw(
        self, rng: torch.Generator, latent: LatentSpec, takes: int, length: int, steps: int
    ) -> Noise:
        """Noise of as many takes; take k is the same however many there are."""
        return Noise(draw_noise(rng, takes, length, latent.dim))

    def draw_like(
        self,
        rng: torch.Generator,
        like: Like,
        latent: LatentSpec,
        takes: int,
        length: int,
        steps: int,
    ) -> Noise:
        """Gaussian noise of takes near the one that `draw` gives to take `like.take`; take k is the
        same however many there are."""
        for _ in range(like.take):
            near = self.draw(rng, latent, 1, length, steps)
        fresh = self.draw(like.fresh(rng), latent, takes, length, steps)
        return mixed(near, fresh, like.variation)

    def draw_each(
        self, rngs: Sequence[torch.Generator], latent: LatentSpec, length: int, steps: int
    ) -> Noise:
        """Noise of one take a generator."""
        return joined([self.draw(rng, latent, 1, length, steps) for rng in rngs])

    def times(self, steps: int, start: float = 0.0) -> list[float]:
        """`steps + 1` of the solver's times, from flow time `start` to data; FoleyError for no
        steps."""
        if steps < 1:
            raise FoleyError(f"Sampling needs at least 1 step, not {steps}.")
        return self._times(steps, start)

    @abc.abstractmethod
    def _times(self, steps: int, start: float) -> list[float]: ...

    def network_time(self, time: float) -> float:
        """The network's time of a solver's time."""
        return time

    def to_flow_time(self, t: float) -> float:
        """Flow time of the network's time."""
        return t

    @abc.abstractmethod
    def noised(self, data: Tensor, noise: Tensor, time: float) -> Tensor:
        """The state at a solver's time of data and noise, both in the network's space."""

    def begin(self, run: Run, data: Tensor | None = None) -> Tensor:
        """The state at the first of the times: of nothing but noise, or of data `[B, N, C]` in the
        network's space."""
        noise = run.noise.first
        assert noise is not None
        return noise if data is None else self.noised(data.to(noise), noise, run.times[0]).float()

    def integrate(
        self, solver: str, predict: Predict, x: Tensor, run: Run, hook: Hook = unchanged
    ) -> Tensor:
        """The state at the last of the times. predict: guided, at the network's time."""
        return self.solvers[solver](predict, x, run.times, hook=hook)


class Flow(Dynamics):
    """Velocity from noise at t = 0 to data at t = 1."""

    name = "flow"
    solvers = {"euler": euler, "midpoint": midpoint}

    def _times(self, steps: int, start: float) -> list[float]:
        return torch.linspace(start, 1.0, steps + 1, dtype=torch.float64).tolist()

    def noised(self, data: Tensor, noise: Tensor, time: float) -> Tensor:
        return torch.lerp(noise, data, time)


class Epsilon(Dynamics):
    """Noise in x_t = alpha x_0 + sigma noise at diffusion times 999 to 0 (linear betas)."""

    name = "epsilon"
    solvers = {"dpm_solver_2m": dpm_solver_2m}

    def _times(self, steps: int, start: float) -> list[float]:
        first = 1.0 - start * (1.0 - schedule.END)
        return np.linspace(first, schedule.END, steps + 1).tolist()

    def network_time(self, time: float) -> float:
        return schedule.network_time(time)

    def to_flow_time(self, t: float) -> float:
        return 1 - t / schedule.STEPS

    def noised(self, data: Tensor, noise: Tensor, time: float) -> Tensor:
        alpha, sigma = schedule.alpha_sigma(time)
        return alpha * data + sigma * noise


class V(Dynamics):
    """v of x / sqrt(1 + sigma^2) at t = 2/pi atan sigma; x is data plus sigma times noise.

    Source: Stable Audio Open (arXiv 2407.14358) as its examples sample it.
    """

    name = "v"
    solvers = {"dpmpp_3m_sde": dpmpp_3m_sde}
    lowest, highest = 0.3, 500.0

    def draw(self, rng, latent, takes, length, steps) -> Noise:
        whole = draw_noise(rng, takes, steps + 1, length, latent.dim)
        return Noise(whole[:, 0], whole[:, 1:].transpose(0, 1), steps)

    def _times(self, steps: int, start: float) -> list[float]:
        highest = self.highest if start <= 0 else math.tan((1 - start) * math.pi / 2)
        # A late start is below the lowest level of a whole run.
        return exponential_sigmas(steps, min(self.lowest, highest / 10), highest)

    def network_time(self, time: float) -> float:
        return math.atan(time) * 2 / math.pi

    def to_flow_time(self, t: float) -> float:
        return 1 - t

    def noised(self, data: Tensor, noise: Tensor, time: float) -> Tensor:
        return data + time * noise

    def begin(self, run: Run, data: Tensor | None = None) -> Tensor:
        state = super().begin(run, data)
        return state * run.times[0] if data is None else state

    def integrate(self, solver, predict, x, run, hook=unchanged) -> Tensor:
        def denoise(x: Tensor, sigma: float) -> Tensor:
            v = predict(x / math.sqrt(1 + sigma**2), self.network_time(sigma))
            return denoised_of_v(v, x, sigma)

        fresh = run.noise.later
        noise = {"eta": 0.0} if fresh is None else {"noise": fresh.__getitem__}
        return self.solvers[solver](denoise, x, run.times, **noise, hook=hook)


class Tokens(Flow):
    """Ids of a codebook, of which the unknown ones are the id after the last: logits of each.

    Ids are `[B, N]`, or `[B, N, C]` where a frame has several. Its time is the share of the steps
    that are made, from 0 on.
    """

    name = "tokens"
    solvers = {"maskgit": maskgit}

    def draw(self, rng, latent, takes, length, steps) -> Noise:
        return Noise(None, draw_gumbel(rng, takes, steps, length * latent.dim, latent.codes), steps)

    def _times(self, steps: int, start: float) -> list[float]:
        return super()._times(steps, 0.0)

    def begin(self, run: Run, data: Tensor | None = None) -> Tensor:
        if data is not None:
            return data
        tokens = run.noise.later.tokens
        return masked_ids(run.latent, len(tokens), tokens.shape[2] // run.latent.dim)

    def integrate(self, solver, predict, x, run, hook=unchanged) -> Tensor:
        settings = {"mask_id": run.latent.codes, "temperature": run.temperature}
        return self.solvers[solver](predict, x, run.noise.later, **settings, hook=hook)


DYNAMICS: dict[str, Dynamics] = {kind.name: kind for kind in (Flow(), Epsilon(), V(), Tokens())}


def dynamics_of(name: str) -> Dynamics:
    """The kind of a name; FoleyError for one that is not known."""
    if name not in DYNAMICS:
        raise FoleyError(
            f"No sampler is known for a generator of the kind '{name}': known are "
            f"{', '.join(DYNAMICS)}."
        )
    return DYNAMICS[name]
