"""Flow sampling: noise at t = 0 is carried to data at t = 1 along the predicted velocity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from ..errors import Cancelled, FoleyError
from ..generators.base import Generator
from .guidance import CONDITIONAL, Guidance, Guided, Predict, Term
from .windows import Windowed, Windows

Solver = Literal["euler", "midpoint"]
Callback = Callable[[int, int, Tensor], None]


def times(steps: int, start: float = 0.0, stop: float = 1.0) -> list[float]:
    """`steps + 1` evenly spaced flow times from `start` to `stop`."""
    if steps < 1:
        raise FoleyError(f"Sampling needs at least 1 step, not {steps}.")
    return torch.linspace(start, stop, steps + 1, dtype=torch.float64).tolist()


def euler(
    predict: Predict,
    x: Tensor,
    times: Sequence[float],
    *,
    callback: Callback | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """First order: x += (t' - t) v(x, t). One prediction a step.

    Args:
        predict: velocity of x at a time.
        times: visited times in order; falling ones integrate backwards.
        callback: called after each step with its number from 1, their count, and x.
        cancelled: asked before each step.

    Raises:
        Cancelled: `cancelled` said so.
    """

    def step(x: Tensor, t: float, h: float) -> Tensor:
        return x + h * predict(x, t)

    return _integrate(step, x, times, callback, cancelled)


def midpoint(
    predict: Predict,
    x: Tensor,
    times: Sequence[float],
    *,
    callback: Callback | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Second order: x += h v(x + h/2 v(x, t), t + h/2). Two predictions a step; see `euler`."""

    def step(x: Tensor, t: float, h: float) -> Tensor:
        return x + h * predict(x + h / 2 * predict(x, t), t + h / 2)

    return _integrate(step, x, times, callback, cancelled)


def _integrate(
    step: Callable[[Tensor, float, float], Tensor],
    x: Tensor,
    times: Sequence[float],
    callback: Callback | None,
    cancelled: Callable[[], bool] | None,
) -> Tensor:
    total = len(times) - 1
    for i in range(total):
        if cancelled is not None and cancelled():
            raise Cancelled
        x = step(x, times[i], times[i + 1] - times[i])
        if callback is not None:
            callback(i + 1, total, x)
    return x


SOLVERS: dict[str, Callable[..., Tensor]] = {"euler": euler, "midpoint": midpoint}


def draw_noise(
    rng: torch.Generator, takes: int, length: int, channels: int, *, first_take: int = 0
) -> Tensor:
    """Gaussian noise `[takes, length, channels]`, float32, on the CPU.

    Every take is one draw of `[length, channels]`, in order, so take k depends on the
    generator's state and k alone: `first_take=k` gives take k of a larger batch by itself.
    """
    draws = [torch.randn(length, channels, generator=rng) for _ in range(first_take + takes)]
    return torch.stack(draws[first_take:])


@torch.no_grad()
def sample_flow(
    generator: Generator,
    conditions: Mapping[str, Tensor],
    guidance: Guidance = CONDITIONAL,
    *,
    seconds: float | None = None,
    lengths: Any = None,
    steps: int = 25,
    solver: Solver = "euler",
    seed: int | None = None,
    rng: torch.Generator | None = None,
    noise: Tensor | None = None,
    takes: int | None = None,
    first_take: int = 0,
    windows: Windows | None = None,
    batched: bool = True,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Takes of a flow generator, from its conditions to the codec's latent.

    Args:
        conditions: stream name -> `[B or 1, N, D]`; a missing stream is the learned null. Moved
            to the generator's device and dtype.
        guidance: terms, see `guidance`.
        seconds: length of the take; or `lengths`, all sequence lengths (no windows then).
        steps: 1 or more; midpoint evaluates the network twice a step.
        seed, rng, noise: exactly one of a seed, a CPU generator, and x_0 `[B, N, C]`.
        takes: number of takes; by default as many as the conditions hold.
        first_take: see `draw_noise`.
        windows: for takes longer than trained, see `windows`.
        batched: guidance in one forward a step.
        progress: called with (step, steps). cancelled: asked before each step.

    Returns:
        Codec latent `[B, N, C]`, float32, on the generator's device.

    Raises:
        FoleyError: a wrong argument, or a result that is not a number. Cancelled: as asked.
    """
    if generator.parameterization != "flow":
        raise FoleyError("This model is not a flow model; choose the sampler made for it.")
    if solver not in SOLVERS:
        raise FoleyError(f"There is no solver '{solver}'; choose one of: {', '.join(SOLVERS)}.")
    grid = times(steps)
    predict, x = begin(
        generator,
        conditions,
        guidance,
        seconds=seconds,
        lengths=lengths,
        seed=seed,
        rng=rng,
        noise=noise,
        takes=takes,
        first_take=first_take,
        windows=windows,
        batched=batched,
    )

    def report(step: int, total: int, _: Tensor) -> None:
        if progress is not None:
            progress(step, total)

    x = SOLVERS[solver](predict, x, grid, callback=report, cancelled=cancelled)
    return finish(generator, x)


def begin(
    generator: Generator,
    conditions: Mapping[str, Tensor],
    guidance: Guidance,
    *,
    seconds: float | None,
    lengths: Any,
    seed: int | None,
    rng: torch.Generator | None,
    noise: Tensor | None,
    takes: int | None,
    first_take: int,
    windows: Windows | None,
    batched: bool,
) -> tuple[Predict, Tensor]:
    """What every sampler starts from: the guided prediction, and noise `[B, N, C]` in float32.

    Arguments and errors as of `sample_flow`.
    """
    like = next(generator.parameters())
    conditions = {k: v.to(like.device, like.dtype) for k, v in conditions.items()}
    guidance = [_moved(term, like) for term in guidance]
    lengths = lengths or generator.lengths(conditions, seconds)
    if takes is None:
        held = [v.shape[0] for v in conditions.values()]
        takes = noise.shape[0] if noise is not None else max(held, default=1)
    if takes < 1:
        raise FoleyError(f"Ask for at least 1 take, not {takes}.")
    x = _start(seed, rng, noise, takes, lengths.latent, generator.latent_dim, first_take)
    x = x.to(like.device, torch.float32)
    options: dict[str, Any] = {"batch": takes, "batched": batched}
    if windows is not None and seconds is not None and windows.needed(generator, seconds):
        return Windowed(generator, conditions, guidance, seconds, windows, **options), x
    return Guided(generator, conditions, guidance, lengths=lengths, **options), x


def finish(generator: Generator, x: Tensor) -> Tensor:
    """The codec's latent of a sampled x; FoleyError for values that are not numbers."""
    if not torch.isfinite(x).all():
        raise FoleyError(
            "The model produced values that are not numbers; use float32 or bfloat16 instead of "
            "a smaller type, or a lower guidance scale."
        )
    return generator.unnormalize(x)


def _moved(term: Term, like: Tensor) -> Term:
    moved = {k: v.to(like.device, like.dtype) for k, v in term.replace.items()}
    return replace(term, replace=moved)


def _start(
    seed: int | None,
    rng: torch.Generator | None,
    noise: Tensor | None,
    takes: int,
    length: int,
    channels: int,
    first_take: int,
) -> Tensor:
    if sum(source is not None for source in (seed, rng, noise)) != 1:
        raise FoleyError("Give exactly one of a seed, a random generator, and the noise itself.")
    if noise is not None:
        if tuple(noise.shape) != (takes, length, channels):
            raise FoleyError(
                f"The noise has the shape {list(noise.shape)}, but this take needs "
                f"{[takes, length, channels]}."
            )
        return noise
    if rng is None:
        rng = torch.Generator().manual_seed(seed)
    return draw_noise(rng, takes, length, channels, first_take=first_take)
