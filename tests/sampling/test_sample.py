"""The one sampler: its noise, its progress, what it returns and what it refuses."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.generators import Conditions
from foleystage.core.sampling import Guided, cfg, draw_noise, interval, sample


def test_progress_counts_to_the_number_of_steps(counting, given):
    calls = []
    sample(counting, given, seed=0, steps=4, progress=lambda i, n: calls.append((i, n)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("solver", ["euler", "midpoint"])
def test_cancellation_stops_before_the_next_step(counting, given, solver):
    done = []
    with pytest.raises(Cancelled):
        sample(
            counting,
            given,
            solver=solver,
            seed=0,
            steps=10,
            progress=lambda i, n: done.append(i),
            cancelled=lambda: len(done) == 3,
        )
    assert done == [1, 2, 3]
    assert counting.forwards == (3 if solver == "euler" else 6)


def test_a_cancelled_run_predicts_nothing(counting, given):
    with pytest.raises(Cancelled):
        sample(counting, given, seed=0, cancelled=lambda: True)
    assert counting.forwards == 0


@pytest.mark.parametrize(("solver", "forwards"), [("euler", 6), ("midpoint", 12)])
def test_forwards_a_take(counting, given, solver, forwards):
    sample(counting, given, cfg(3.0), seed=0, steps=6, solver=solver)
    assert counting.forwards == forwards


def test_interval_saves_half_of_the_rows_outside(counting, given):
    guidance = interval(cfg(3.0), 0.3, 0.7)
    sample(counting, given, guidance, seed=0, steps=10)
    assert counting.rows == 2 * (4 * 2 + 6)


def test_same_seed_same_take_other_seed_other_take(small, conditions):
    first, again, other = (
        sample(small, conditions(0.8), cfg(3.0), seed=seed, steps=2) for seed in (7, 7, 8)
    )
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 0.1


def test_global_random_state_plays_no_part(small, conditions):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    sample(small, conditions(0.8), seed=7, steps=1)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_take_is_the_same_however_many_are_made(small, conditions):
    options = {"seed": 5, "steps": 2}
    many = sample(small, conditions(0.8), cfg(3.0), takes=4, **options)
    few = sample(small, conditions(0.8), cfg(3.0), takes=2, **options)
    torch.testing.assert_close(few, many[:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [1, 7, 25])
def test_noise_of_earlier_takes_does_not_depend_on_their_number(length):
    seeded = [torch.Generator().manual_seed(3) for _ in range(2)]
    few, many = (draw_noise(g, n, length, 5) for g, n in zip(seeded, (2, 6), strict=True))
    assert torch.equal(few, many[:2])


def test_seed_generator_and_noise_agree(small, conditions):
    noise = draw_noise(torch.Generator().manual_seed(4), 1, 25, 32)
    sources = [{"seed": 4}, {"rng": torch.Generator().manual_seed(4)}, {"noise": noise}]
    takes = [sample(small, conditions(0.8), steps=1, **s) for s in sources]
    assert torch.equal(takes[0], takes[1]) and torch.equal(takes[0], takes[2])


def test_take_without_any_condition_is_possible(small):
    take = sample(small, Conditions({}, 0.8), cfg(4.0), seed=0, steps=1, takes=2)
    assert take.shape == (2, 25, 32)
    assert take.dtype == torch.float32


def test_latent_is_returned_in_the_codecs_units(small, conditions):
    plain = sample(small, conditions(0.8), seed=0, steps=1)
    try:
        small.latent_std.fill_(2.0)
        small.latent_mean.fill_(1.0)
        scaled = sample(small, conditions(0.8), seed=0, steps=1)
    finally:
        small.latent_std.fill_(1.0)
        small.latent_mean.zero_()
    torch.testing.assert_close(scaled, plain * 2 + 1)


def test_inputs_are_left_as_they_were(small, conditions):
    given = conditions(0.8)
    before = {k: v.clone() for k, v in given.positive.items()}
    noise = torch.randn(1, 25, 32)
    kept = noise.clone()
    sample(small, given, cfg(3.0), noise=noise, steps=2)
    assert torch.equal(noise, kept)
    assert all(torch.equal(given.positive[k], before[k]) for k in before)


def test_result_that_is_not_a_number_is_refused(counting, given):
    given.positive["clip"][0, 0, 0] = float("nan")
    with pytest.raises(FoleyError, match="not numbers"):
        sample(counting, given, seed=0, steps=1)


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
def test_wrong_arguments_are_refused(counting, given, options, words):
    with pytest.raises(FoleyError, match=words):
        sample(counting, given, **{"seed": 0, "steps": 2} | options)


@pytest.mark.parametrize(
    ("dynamics", "solver", "choose"),
    [
        ("flow", "dpm_solver_2m", "euler, midpoint"),
        ("epsilon", "euler", "dpm_solver_2m"),
        ("v", "midpoint", "dpmpp_3m_sde"),
        ("tokens", "euler", "maskgit"),
    ],
)
def test_a_solver_of_another_kind_is_refused_by_name(counting, given, dynamics, solver, choose):
    counting.dynamics = dynamics
    message = f"no solver '{solver}' for this model, which is of the kind {dynamics}.*: {choose}"
    with pytest.raises(FoleyError, match=message):
        sample(counting, given, solver=solver, seed=0)
    assert counting.forwards == 0


def test_unknown_dynamics_are_refused_by_name(counting, given):
    counting.dynamics = "smoke"
    with pytest.raises(FoleyError, match="of the kind 'smoke': known are flow, epsilon, v, tok"):
        sample(counting, given, seed=0)
    with pytest.raises(FoleyError, match="of the kind 'smoke'"):
        Guided(counting, given, batch=2)
