"""Euler's method and the midpoint method: accuracy, direction, and what a hook may do."""

from __future__ import annotations

import math

import pytest
import torch
from foleystage.core.errors import Cancelled
from foleystage.core.sampling import DYNAMICS, euler, midpoint

flow_times = DYNAMICS["flow"].times


def error(solver, steps):
    """Of dx/dt = x cos t, x(0) = 1, at t = 1."""
    x = torch.ones(1, 1, 1, dtype=torch.float64)
    end = solver(lambda x, t: x * math.cos(t), x, flow_times(steps))
    return abs(end.item() - math.exp(math.sin(1.0)))


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (midpoint, 2)])
def test_order_of_accuracy(solver, order):
    measured = math.log2(error(solver, 64) / error(solver, 128))
    assert measured == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("solver", [euler, midpoint])
def test_constant_velocity_is_exact_in_one_step(solver):
    x = torch.zeros(1, 3, 2)
    assert torch.equal(solver(lambda x, t: torch.ones_like(x), x, flow_times(1)), x + 1)


def test_falling_times_integrate_backwards():
    x = torch.ones(1, 1, 1, dtype=torch.float64)
    there = midpoint(lambda x, t: x * t, x, flow_times(50))
    back = midpoint(lambda x, t: x * t, there, flow_times(50)[::-1])
    assert back.item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("solver", [euler, midpoint])
def test_what_a_hook_raises_ends_the_run_before_the_next_step(solver):
    done = []

    def stop(step, x):
        done.append(step)
        if step == 3:
            raise Cancelled
        return x

    with pytest.raises(Cancelled):
        solver(lambda x, t: x, torch.ones(1, 1, 1), flow_times(10), hook=stop)
    assert done == [0, 1, 2, 3]


@pytest.mark.parametrize("solver", [euler, midpoint])
def test_what_a_hook_returns_is_gone_on_with(solver):
    x = torch.zeros(1, 3, 2)
    end = solver(
        lambda x, t: torch.ones_like(x), x, flow_times(2), hook=lambda step, x: x + 10**step
    )
    torch.testing.assert_close(end, torch.full_like(x, 1 + 1 + 10 + 100))
