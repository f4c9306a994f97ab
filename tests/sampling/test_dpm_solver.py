"""DPM-Solver++ walks the published path, and power-cosine guidance has the published scales."""

from __future__ import annotations

import case as golden
import numpy as np
import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.sampling import DYNAMICS, dpm_solver_2m, power_cosine, schedule

diffusion_times = DYNAMICS["epsilon"].times


@pytest.fixture(scope="module")
def case():
    return golden.load("dpm_solver_2m")


def noise_model(case, name):
    centre = 0.5 * case.input("c")

    def gauss(x, t):
        log_alpha = np.interp(t, np.arange(1000), schedule.LOG_ALPHAS)
        alpha, variance = float(np.exp(log_alpha)), float(-np.expm1(2 * log_alpha))
        return variance**0.5 * (x - alpha * centre) / (0.16 * alpha**2 + variance)

    return {"gauss": gauss, "tanh": lambda x, t: torch.tanh(x * (0.5 + t / 1000))}[name]


@pytest.mark.parametrize("steps", [10, 25, 50])
@pytest.mark.parametrize("model", ["gauss", "tanh"])
def test_trajectory_matches(case, model, steps):
    states = []

    def record(step, x):
        states.append(x)
        return x

    start = case.input("x_T")
    dpm_solver_2m(noise_model(case, model), start, diffusion_times(steps), hook=record)
    assert torch.equal(states[0], start)
    assert case.error(f"{model}_{steps}_traj", torch.cat(states)) < case.tolerance


def test_network_is_asked_at_the_published_times(case):
    for steps, published in case.info["model_times"].items():
        asked = []

        def predict(x, t, asked=asked):
            asked.append(t)
            return x

        dpm_solver_2m(predict, torch.zeros(1), diffusion_times(int(steps)))
        assert asked == pytest.approx(published, abs=1e-3)


def test_schedule_matches_the_published_table(case):
    table = case.info["schedule_table_at_11_uniform_times"]
    for i, t in enumerate(table["t_continuous"]):
        alpha, sigma = schedule.alpha_sigma(t)
        assert alpha == pytest.approx(table["alpha"][i], rel=1e-4)
        assert sigma == pytest.approx(table["sigma"][i], rel=1e-4)
        assert schedule.log_snr(t) == pytest.approx(table["lambda"][i], abs=1e-4)


def test_gaussian_data_is_reached(case):
    # The exact score of N(0.5 c, 0.4^2) must carry noise to that distribution.
    start = torch.randn(4000, 4, 8, 6, generator=torch.Generator().manual_seed(0))
    x = dpm_solver_2m(noise_model(case, "gauss"), start, diffusion_times(40))
    assert float((x.mean(0) - 0.5 * case.input("c")).abs().max()) < 0.04
    assert float(x.std(0).mean()) == pytest.approx(0.4, abs=0.05)


def test_no_steps_are_refused():
    with pytest.raises(FoleyError, match="at least 1 step"):
        diffusion_times(0)


def test_what_a_hook_raises_ends_the_run():
    calls = []

    def predict(x, t):
        calls.append(t)
        return x

    def stop(step, x):
        if step == 3:
            raise Cancelled
        return x

    with pytest.raises(Cancelled):
        dpm_solver_2m(predict, torch.zeros(1), diffusion_times(9), hook=stop)
    assert len(calls) == 3


def test_times_may_begin_later():
    assert diffusion_times(4, 0.5) == pytest.approx(np.linspace(0.5005, 0.001, 5).tolist())


@pytest.mark.parametrize(("scale", "power"), [(5, 0.01), (6, 0.01), (5, 4), (4, 4)])
def test_power_cosine_scales_match(scale, power):
    case = golden.load("power_cosine_cfg")
    times = [999, *range(900, -1, -100)]
    kept, dropped = power_cosine(scale, power)
    weights = torch.tensor([kept.at(1 - t / 1000) for t in times], dtype=torch.float64)
    assert case.error(f"scale_cfg{scale}_pow{power:g}", weights) < case.tolerance
    assert all(kept.at(1 - t / 1000) + dropped.at(1 - t / 1000) == pytest.approx(1) for t in times)


@pytest.mark.parametrize("power", [0.0, -1.0, float("nan")])
def test_a_power_that_is_no_curve_is_refused(power):
    with pytest.raises(FoleyError, match="above 0"):
        power_cosine(5.0, power)
