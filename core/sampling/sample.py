"""The one sampler: takes of any generator, from its conditions to the codec's latent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import FoleyError, stop_if
from ..generators.base import Conditions, Generator
from .dynamics import Dynamics, Like, Noise, Run, dynamics_of, masked_ids
from .euler import euler
from .guidance import CONDITIONAL, Guidance, Guided
from .known import Known, Start
from .remask import fill_like
from .slide import Progress, slide
from .windows import Piece, Windows, pieces_of

Edit = Callable[[Tensor, float], Tensor]


@torch.no_grad()
def sample(
    generator: Generator,
    conditions: Conditions,
    guidance: Guidance = CONDITIONAL,
    *,
    solver: str | None = None,
    steps: int = 25,
    temperature: float = 0.0,
    seed: int | None = None,
    rng: torch.Generator | None = None,
    noise: Tensor | Noise | None = None,
    takes: int | None = None,
    like: Like | None = None,
    windows: Windows | None = None,
    batched: bool = True,
    start: Start | None = None,
    known: Known | None = None,
    edit: Edit | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Takes of a generator.

    Args:
        conditions: a missing stream is the generator's null. Moved to its device and type.
        guidance: terms, see `guidance`.
        solver: of the generator's `dynamics`; None is the first one of its kind.
        steps: 1 or more. temperature: of tokens, see `maskgit`.
        seed, rng, noise: exactly one of a seed, a CPU generator, and the noise itself, x_0
            `[B, N, C]` or what the kind's `draw` gives.
        takes: number of takes; by default as many as the noise or the conditions hold.
        like: takes near one of the seed or the generator, see `Like`.
        windows: for takes longer than trained, see `windows`.
        batched: guidance in one forward a step.
        start: where to begin, instead of noise alone.
        known: what stays of a latent that is there, see `Known`; of tokens their ids.
        edit: edit(x, t) -> x, at the start and after each step, x in the network's space and t the
            flow time it is at.
        progress: called with (step, steps). cancelled: asked before each step.

    Returns:
        Codec latent `[B, N, C]`, float32, or ids, on the generator's device.

    Raises:
        FoleyError: a wrong argument, or a result that is not a number. Cancelled: as asked.
    """
    dynamics = dynamics_of(generator.dynamics)
    solver = _solver_of(dynamics, solver)
    if start is not None and not 0.0 <= start.time < 1.0:
        raise FoleyError(f"A take can start at times from 0 to below 1, not at {start.time:g}.")
    levels = dynamics.times(steps, start.time if start else 0.0)
    weight = next(generator.parameters())
    given, negative = (
        {name: value.to(weight) for name, value in streams.items()}
        for streams in (conditions.positive, conditions.negative)
    )
    if sum(source is not None for source in (seed, rng, noise)) != 1:
        raise FoleyError("Give exactly one of a seed, a random generator, and the noise itself.")
    if isinstance(noise, Tensor):
        noise = Noise(noise.float())
    if takes is None:
        takes = noise.takes if noise else max(map(len, given.values()), default=1)
    if takes < 1:
        raise FoleyError(f"Ask for at least 1 take, not {takes}.")
    conditions = Conditions(given, conditions.seconds, negative)
    if dynamics.name == "tokens":
        if known is not None:
            known.check(dynamics, takes, *generator.latent_shape(conditions.seconds))
            start, known = known.ids(generator.config.latent.codes), None
        pieces = pieces_of(generator, given, conditions.seconds, windows)
        if like is not None:
            rng = rng or torch.Generator().manual_seed(seed or 0)
            spec, length = generator.config.latent, generator.latent_shape(conditions.seconds)[0]
            ids = masked_ids(spec, takes, length).to(weight.device)
            ids = ids if start is None else start.latent.to(ids).expand(ids.shape)

            def fill(rng: torch.Generator, ids: Tensor) -> Tensor:
                return sample(
                    generator,
                    conditions,
                    guidance,
                    solver=solver,
                    steps=steps,
                    temperature=temperature,
                    rng=rng,
                    takes=len(ids),
                    windows=windows,
                    batched=batched,
                    start=Start(ids),
                    edit=edit,
                    progress=progress,
                    cancelled=cancelled,
                )

            return fill_like(fill, rng, like, ids, spec, steps, slid=len(pieces) > 1)
        if len(pieces) > 1:
            rng = rng or torch.Generator().manual_seed(seed or 0)
            ids = masked_ids(generator.config.latent, takes, pieces[-1].span.stop).to(weight.device)
            ids = ids if start is None else start.latent.to(ids).expand(ids.shape)
            options = {
                "guidance": guidance,
                "solver": solver,
                "temperature": temperature,
                "batched": batched,
                "edit": edit,
                "cancelled": cancelled,
            }
            return _slid(generator, conditions, pieces, ids, steps, rng, progress, options)
    guided = Guided(
        generator,
        conditions,
        guidance,
        windows=windows,
        batch=takes,
        batched=batched,
        made=None if known is None or known.frames.all() else ~known.frames,
    )
    length, latent = guided.length, generator.config.latent
    if noise is None:
        rng = rng or torch.Generator().manual_seed(seed or 0)
        size = latent, takes, length, steps
        noise = dynamics.draw(rng, *size) if like is None else dynamics.draw_like(rng, like, *size)
    if noise.steps not in (None, steps):
        raise FoleyError(f"The noise is drawn for {noise.steps} steps, but {steps} are to be made.")
    if noise.first is not None and tuple(noise.first.shape) != (takes, length, latent.dim):
        raise FoleyError(
            f"The noise has the shape {list(noise.first.shape)}, but this take needs "
            f"{[takes, length, latent.dim]}."
        )
    data = torch.zeros(())
    if known is not None:
        known.check(dynamics, takes, length, latent.dim)
        data = generator.normalize(known.latent.to(weight)).float().cpu()

        def invert(data: Tensor) -> Tensor:
            led = Guided(generator, conditions, windows=windows, batch=takes)
            return euler(led, data.to(weight.device), levels[::-1]).cpu()

        noise = known.begin(noise, data, invert)
    run = Run(levels, noise, latent, temperature)
    x = dynamics.begin(run)
    if start is not None:
        if start.latent.shape[1:] != x.shape[1:] or len(start.latent) not in (1, takes):
            raise FoleyError(
                f"The latent to start from has the shape {list(start.latent.shape)}, but this take "
                f"needs {list(x.shape)}."
            )
        x = dynamics.begin(run, generator.normalize(start.latent).expand(x.shape))
    x = x.to(weight.device)

    def hook(step: int, x: Tensor) -> Tensor:
        if known is not None and known.kept == "steps" and noise.first is not None:
            x = known.put_back(x, dynamics.noised(data, noise.first, levels[step]))
        if edit is not None:
            x = edit(x, dynamics.to_flow_time(dynamics.network_time(levels[step])))
        if step and progress is not None:
            progress(step, steps)
        if step < steps:
            stop_if(cancelled)
        return x

    x = dynamics.integrate(solver, guided, x, run, hook)
    if not torch.isfinite(x).all():
        raise FoleyError(
            "The model produced values that are not numbers; use float32 or bfloat16 instead of "
            "a smaller type, or a lower guidance scale."
        )
    made = generator.unnormalize(x)
    if known is None or known.kept == "never":
        return made
    return known.put_back(made, known.latent)


def _slid(
    generator: Generator,
    conditions: Conditions,
    pieces: Sequence[Piece],
    ids: Tensor,
    steps: int,
    rng: torch.Generator,
    progress: Progress | None,
    options: Mapping[str, Any],
) -> Tensor:
    """Long takes of tokens, see `slide`; each window is a take of its own. options: of `sample`."""
    latent = generator.config.latent

    def make(index: int, ids: Tensor, noise: Noise, progress: Progress) -> Tensor:
        cut = pieces[index].cut
        here, away = cut(conditions.positive), cut(conditions.negative)
        given = Conditions(here, ids.shape[1] / latent.rate, away)
        return sample(
            generator,
            given,
            steps=noise.steps,
            noise=noise,
            takes=len(ids),
            start=Start(ids),
            progress=progress,
            **options,
        )

    return slide(make, [piece.span for piece in pieces], ids, latent, steps, rng, progress)


def _solver_of(dynamics: Dynamics, solver: str | None) -> str:
    if solver is None:
        return next(iter(dynamics.solvers))
    if solver not in dynamics.solvers:
        raise FoleyError(
            f"There is no solver '{solver}' for this model, which is of the kind "
            f"{dynamics.name}; choose one of: {', '.join(dynamics.solvers)}."
        )
    return solver
