"""Solvers, noise, cancellation, and the whole of `sample_flow`."""

from __future__ import annotations

import math

import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.sampling import (
    cfg,
    draw_noise,
    euler,
    interval,
    midpoint,
    sample_flow,
    times,
)


def error(solver, steps):
    """Of dx/dt = x cos t, x(0) = 1, at t = 1."""
    x = torch.ones(1, 1, 1, dtype=torch.float64)
    end = solver(lambda x, t: x * math.cos(t), x, times(steps))
    return abs(end.item() - math.exp(math.sin(1.0)))


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (midpoint, 2)])
def test_order_of_accuracy(solver, order):
    measured = math.log2(error(solver, 64) / error(solver, 128))
    assert measured == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("solver", [euler, midpoint])
def test_constant_velocity_is_exact_in_one_step(solver):
    x = torch.zeros(1, 3, 2)
    assert torch.equal(solver(lambda x, t: torch.ones_like(x), x, times(1)), x + 1)


def test_falling_times_integrate_backwards():
    x = torch.ones(1, 1, 1, dtype=torch.float64)
    there = midpoint(lambda x, t: x * t, x, times(50))
    back = midpoint(lambda x, t: x * t, there, times(50, 1.0, 0.0))
    assert back.item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("solver", [euler, midpoint])
def test_cancellation_stops_before_the_next_step(solver):
    done = []
    with pytest.raises(Cancelled):
        solver(
            lambda x, t: x,
            torch.ones(1, 1, 1),
            times(10),
            callback=lambda i, n, x: done.append(i),
            cancelled=lambda: len(done) == 3,
        )
    assert done == [1, 2, 3]


def test_progress_counts_to_the_number_of_steps(counting, streams):
    seen = []
    sample_flow(
        counting, streams, seconds=1, seed=0, steps=4, progress=lambda i, n: seen.append((i, n))
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(("solver", "forwards"), [("euler", 6), ("midpoint", 12)])
def test_forwards_a_take(counting, streams, solver, forwards):
    sample_flow(counting, streams, cfg(3.0), seconds=1, seed=0, steps=6, solver=solver)
    assert counting.forwards == forwards


def test_interval_saves_half_of_the_rows_outside(counting, streams):
    guidance = interval(cfg(3.0), 0.3, 0.7)
    sample_flow(counting, streams, guidance, seconds=1, seed=0, steps=10)
    assert counting.rows == 2 * (4 * 2 + 6)


def test_same_seed_same_take_other_seed_other_take(small, heard):
    first, again, other = (
        sample_flow(small, heard(0.8), cfg(3.0), seconds=0.8, seed=seed, steps=2)
        for seed in (7, 7, 8)
    )
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 0.1


def test_global_random_state_plays_no_part(small, heard):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    sample_flow(small, heard(0.8), seconds=0.8, seed=7, steps=1)
    assert torch.equal(torch.get_rng_state(), state)


def test_take_k_of_a_batch_is_reproduced_alone(small, heard):
    options = {"seconds": 0.8, "seed": 5, "steps": 2}
    batch = sample_flow(small, heard(0.8), cfg(3.0), takes=4, **options)
    alone = sample_flow(small, heard(0.8), cfg(3.0), takes=1, first_take=2, **options)
    torch.testing.assert_close(alone, batch[2:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [1, 7, 25])
def test_noise_of_earlier_takes_does_not_depend_on_their_number(length):
    seeded = [torch.Generator().manual_seed(3) for _ in range(2)]
    few, many = (draw_noise(g, n, length, 5) for g, n in zip(seeded, (2, 6), strict=True))
    assert torch.equal(few, many[:2])


def test_seed_generator_and_noise_agree(small, heard):
    noise = draw_noise(torch.Generator().manual_seed(4), 1, 25, 32)
    sources = [{"seed": 4}, {"rng": torch.Generator().manual_seed(4)}, {"noise": noise}]
    takes = [sample_flow(small, heard(0.8), seconds=0.8, steps=1, **s) for s in sources]
    assert torch.equal(takes[0], takes[1]) and torch.equal(takes[0], takes[2])


def test_take_without_any_condition_is_possible(small):
    take = sample_flow(small, {}, cfg(4.0), seconds=0.8, seed=0, steps=1, takes=2)
    assert take.shape == (2, 25, 32)
    assert take.dtype == torch.float32


def test_latent_is_returned_in_the_codecs_units(small, heard):
    plain = sample_flow(small, heard(0.8), seconds=0.8, seed=0, steps=1)
    try:
        small.latent_std.fill_(2.0)
        small.latent_mean.fill_(1.0)
        scaled = sample_flow(small, heard(0.8), seconds=0.8, seed=0, steps=1)
    finally:
        small.latent_std.fill_(1.0)
        small.latent_mean.zero_()
    torch.testing.assert_close(scaled, plain * 2 + 1)


def test_inputs_are_left_as_they_were(small, heard):
    given = heard(0.8)
    before = {k: v.clone() for k, v in given.items()}
    noise = torch.randn(1, 25, 32)
    kept = noise.clone()
    sample_flow(small, given, cfg(3.0), seconds=0.8, noise=noise, steps=2)
    assert torch.equal(noise, kept)
    assert all(torch.equal(given[k], before[k]) for k in before)


def test_result_that_is_not_a_number_is_refused(counting, streams):
    streams["clip"][0, 0, 0] = float("nan")
    with pytest.raises(FoleyError, match="not numbers"):
        sample_flow(counting, streams, seconds=1, seed=0, steps=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "at least 1 step"),
        ({"solver": "heun"}, "no solver 'heun'"),
        ({"seed": None}, "exactly one"),
        ({"noise": torch.zeros(2, 10, 2)}, "exactly one"),
        ({"seed": None, "noise": torch.zeros(2, 9, 2)}, r"needs \[2, 10, 2\]"),
        ({"takes": 3}, "holds 2 takes, but 3"),
        ({"takes": 0}, "at least 1 take"),
    ],
)
def test_wrong_arguments_are_refused(counting, streams, options, words):
    with pytest.raises(FoleyError, match=words):
        sample_flow(counting, streams, **{"seconds": 1, "seed": 0, "steps": 2} | options)


def test_model_that_is_not_a_flow_is_refused(counting, streams):
    counting.parameterization = "epsilon"
    with pytest.raises(FoleyError, match="not a flow"):
        sample_flow(counting, streams, seconds=1, seed=0)
