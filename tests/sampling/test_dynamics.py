"""Where each kind of dynamics starts, which times it visits, and how a take is edited."""

from __future__ import annotations

import math

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import Conditions, Generator, GeneratorConfig, LatentSpec, Prepared
from foleystage.core.sampling import DYNAMICS, Noise, Start, dynamics_of, sample, schedule

KINDS = ["flow", "epsilon", "v"]
SCALE = 3.0  # of the network's space
HERE = Conditions({}, 1.0)
DATA = torch.randn(1, 10, 2, generator=torch.Generator().manual_seed(1))
NOISE = torch.randn(1, 10, 2, generator=torch.Generator().manual_seed(2))


class OneSecond(GeneratorConfig):
    latent = LatentSpec("no_codec", 2, 10.0, 16000)
    streams = ()


class Known(Generator):
    """What it predicts belongs to the one path from `noise` to `SCALE * data`, whatever x is."""

    def __init__(self, dynamics, data=DATA, noise=NOISE):
        super().__init__()
        self.config, self.dynamics = OneSecond(), dynamics
        self.anchor = torch.nn.Parameter(torch.zeros(()))
        self.data, self.noise = SCALE * data, noise
        self.times = []

    def null(self, stream):
        raise NotImplementedError

    def prepare(self, streams, seconds=None, *, lengths=None, batch=None):
        return Prepared({"nothing": torch.zeros(batch, 1)})

    def forward(self, x, t, prepared):
        self.times.append(float(t[0]))
        made = self.prediction(x, float(t[0]))
        return made.expand_as(x)

    def prediction(self, x, t):
        if self.dynamics == "flow":
            return self.data - self.noise
        if self.dynamics == "epsilon":
            return self.noise
        angle = t * math.pi / 2
        return math.cos(angle) * self.noise - math.sin(angle) * self.data

    def normalize(self, latent):
        return latent * SCALE

    def unnormalize(self, latent):
        return latent / SCALE


def recorder(change=lambda x, t: x):
    """An `edit`, and the states and times that it is called with."""
    calls = []

    def edit(x, t):
        calls.append((x.clone(), t))
        return change(x, t)

    return edit, calls


def state_at(dynamics, time, data=SCALE * DATA, noise=NOISE):
    """The state at a flow time, from the definition of each kind."""
    if dynamics == "flow":
        return time * data + (1 - time) * noise
    if dynamics == "epsilon":
        alpha, sigma = schedule.alpha_sigma(1 - time * 0.999)
        return alpha * data + sigma * noise
    return data + (500.0 if time == 0 else math.tan((1 - time) * math.pi / 2)) * noise


@pytest.mark.parametrize("time", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("dynamics", KINDS)
def test_a_start_is_the_latent_noised_to_its_time(dynamics, time):
    edit, calls = recorder()
    sample(Known(dynamics), HERE, noise=NOISE, start=Start(DATA, time), steps=3, edit=edit)
    torch.testing.assert_close(calls[0][0], state_at(dynamics, time))
    assert calls[0][1] == pytest.approx(time, abs=2e-3)


@pytest.mark.parametrize("time", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("dynamics", KINDS)
def test_the_latent_that_a_take_starts_from_comes_back_untouched(dynamics, time):
    made = sample(Known(dynamics), HERE, noise=NOISE, start=Start(DATA, time), steps=12)
    # Noise prediction ends at diffusion time 0, where a hundredth of noise is left.
    left = schedule.alpha_sigma(schedule.END)
    want = left[0] * DATA + left[1] * NOISE / SCALE if dynamics == "epsilon" else DATA
    torch.testing.assert_close(made, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dynamics", KINDS)
def test_without_a_start_a_take_begins_with_noise_alone(dynamics):
    edit, calls = recorder()
    sample(Known(dynamics), HERE, noise=NOISE, steps=3, edit=edit)
    level = 500.0 if dynamics == "v" else 1.0
    torch.testing.assert_close(calls[0][0], level * NOISE)


def test_one_start_serves_all_takes_each_with_its_own_noise():
    edit, calls = recorder()
    noise = torch.cat((NOISE, NOISE.flip(1)))
    sample(Known("flow"), HERE, noise=noise, start=Start(DATA, 0.5), steps=1, edit=edit)
    expected = torch.cat((state_at("flow", 0.5), state_at("flow", 0.5, noise=NOISE.flip(1))))
    torch.testing.assert_close(calls[0][0], expected)


@pytest.mark.parametrize("time", [-0.1, 1.0, float("nan")])
def test_a_time_that_no_take_starts_at_is_refused(time):
    with pytest.raises(FoleyError, match="from 0 to below 1"):
        sample(Known("flow"), HERE, noise=NOISE, start=Start(DATA, time))


@pytest.mark.parametrize("shape", [(1, 9, 2), (1, 10, 3), (2, 10, 2)])
def test_a_start_of_another_shape_is_refused(shape):
    with pytest.raises(FoleyError, match=r"to start from .* needs \[1, 10, 2\]"):
        sample(Known("flow"), HERE, noise=NOISE, start=Start(torch.zeros(shape), 0.5))


@pytest.mark.parametrize("start", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("name", KINDS)
def test_visited_times_go_from_the_start_to_data(name, start):
    dynamics = dynamics_of(name)
    times = dynamics.times(5, start)
    flow = [dynamics.to_flow_time(dynamics.network_time(t)) for t in times]
    assert len(times) == 6 and flow == sorted(set(flow))
    assert flow[0] == pytest.approx(start, abs=2e-3) and flow[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("dynamics", KINDS)
def test_a_network_is_asked_at_its_own_times(dynamics):
    net = Known(dynamics)
    sample(net, HERE, noise=NOISE, steps=4)
    ends = {"flow": (0.0, 0.75), "epsilon": (999.0, 249.75), "v": (0.99873, 0.18555)}
    assert (net.times[0], net.times[-1]) == pytest.approx(ends[dynamics], rel=1e-4)


@pytest.mark.parametrize("dynamics", KINDS)
def test_an_edit_is_asked_at_the_start_and_after_each_step(dynamics):
    edit, calls = recorder()
    made = sample(Known(dynamics), HERE, noise=NOISE, steps=4, edit=edit)
    kind = DYNAMICS[dynamics]
    expected = [kind.to_flow_time(kind.network_time(time)) for time in kind.times(4)]
    assert [t for _, t in calls] == pytest.approx(expected)
    torch.testing.assert_close(calls[-1][0] / SCALE, made)


def test_flow_times_of_an_edit_are_even():
    edit, calls = recorder()
    sample(Known("flow"), HERE, noise=NOISE, steps=4, edit=edit)
    assert [t for _, t in calls] == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize("dynamics", KINDS)
def test_what_an_edit_returns_is_gone_on_with(dynamics):
    plain = sample(Known(dynamics), HERE, noise=NOISE, steps=6)
    known = torch.full((1, 4, 2), 7.0)

    def put_back(x, t):
        return torch.cat((known, x[:, 4:]), dim=1)

    edit, calls = recorder(put_back)
    made = sample(Known(dynamics), HERE, noise=NOISE, steps=6, edit=edit)
    torch.testing.assert_close(made[:, :4], known / SCALE)
    torch.testing.assert_close(made[:, 4:], plain[:, 4:])
    if dynamics == "flow":  # a step goes on from what was put back
        step = (SCALE * DATA - NOISE)[:, :4] / 6
        assert all(torch.allclose(state[:, :4], known + step) for state, _ in calls[1:])


def test_an_edit_in_the_middle_shifts_all_that_follows():
    edit, _ = recorder(lambda x, t: x + 1.0 if t == 0.5 else x)
    plain = sample(Known("flow"), HERE, noise=NOISE, steps=4)
    made = sample(Known("flow"), HERE, noise=NOISE, steps=4, edit=edit)
    torch.testing.assert_close(made, plain + 1.0 / SCALE)


class Gaussian(Known):
    """The exact v of data that are normal with mean 1 and deviation 0.5, in the network's space."""

    def prediction(self, x, t):
        sigma = math.tan(t * math.pi / 2)
        noisy = x * math.sqrt(1 + sigma**2)
        data = (0.25 * noisy + sigma**2) / (0.25 + sigma**2)
        return (noisy / (1 + sigma**2) - data) * math.sqrt(1 + sigma**2) / sigma


class ManySeconds(OneSecond):
    latent = LatentSpec("no_codec", 2, 4000.0, 16000)


def test_a_v_generator_makes_its_data():
    net = Gaussian("v")
    net.config = ManySeconds()
    made = sample(net, HERE, seed=3, steps=60) * SCALE
    # The last step returns the mean of the data given a noise level of 0.3.
    assert float(made.mean()) == pytest.approx(1.0, abs=0.03)
    assert float(made.std()) == pytest.approx(0.25 / math.sqrt(0.25 + 0.09), rel=0.03)


def test_a_v_take_is_the_same_however_many_are_made():
    net = Gaussian("v")
    many = sample(net, HERE, seed=5, steps=4, takes=3)
    for takes in (1, 2):
        fewer = sample(net, HERE, seed=5, steps=4, takes=takes)
        torch.testing.assert_close(fewer, many[:takes])
    assert (many[0] - many[1]).abs().max() > 0.05


def test_a_v_take_of_noise_alone_draws_nothing_in_its_steps():
    net = Gaussian("v")
    kind = DYNAMICS["v"]
    drawn = kind.draw(torch.Generator().manual_seed(5), net.config.latent, 1, 10, 4)
    assert drawn.first.shape == (1, 10, 2) and drawn.later.shape == (4, 1, 10, 2)
    seeded, given = sample(net, HERE, seed=5, steps=4), sample(net, HERE, noise=drawn, steps=4)
    assert torch.equal(seeded, given)
    first, again = (sample(net, HERE, noise=Noise(drawn.first), steps=4) for _ in range(2))
    assert torch.equal(first, again) and not torch.equal(first, seeded)
