"""DPM-Solver++(3M) SDE walks the published path."""

from __future__ import annotations

import math

import case as golden
import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.sampling import DYNAMICS
from foleystage.core.sampling.dpmpp_3m_sde import denoised_of_v, dpmpp_3m_sde, exponential_sigmas

DENOISERS = {
    "gauss": lambda x, s: (0.49 * x + 0.5 * s**2) / (0.49 + s**2),
    "twopoint": lambda x, s: torch.tanh(x / s**2),
}


@pytest.fixture(scope="module")
def case():
    return golden.load("k_diffusion_dpmpp_3m_sde")


@pytest.mark.parametrize("levels", ["sat", "comfy"])
@pytest.mark.parametrize("model", DENOISERS)
@pytest.mark.parametrize("eta", [0, 1])
def test_every_point_of_the_path_matches(case, levels, model, eta):
    lowest, highest = case.info["config"]["sigma_ranges"][levels]
    sigmas = exponential_sigmas(10, lowest, highest)
    published = case.tensors[f"sigmas_{levels}"]
    assert torch.allclose(torch.tensor(sigmas), published, rtol=1e-5)
    states = []

    def record(step, x):
        states.append(x)
        return x

    dpmpp_3m_sde(
        DENOISERS[model],
        case.input("noise") * sigmas[0],
        sigmas,
        eta=eta,
        noise=lambda i: case.input(f"step_{i}"),
        hook=record,
    )
    path = case.tensors[f"traj_{levels}_{model}_eta{eta}"]
    assert len(states) == len(path)
    for made, expected in zip(states, path, strict=True):
        assert float((made - expected).norm() / expected.norm()) < case.tolerance


def test_a_v_prediction_is_denoised_as_published(case):
    noise = case.input("noise")[0]
    for row, (sigma, x) in enumerate(((0.3, noise), (50.0, 50 * noise))):
        t = math.atan(sigma) * 2 / math.pi
        v = 0.3 * x / math.sqrt(1 + sigma**2) + t
        expected = case.tensors["v_denoised"][row]
        assert t == pytest.approx(float(case.tensors["v_t"][row]), rel=1e-5)
        made = denoised_of_v(v, x, sigma)
        assert float((made - expected).norm() / expected.norm()) < case.tolerance


def test_new_noise_has_to_be_given_and_a_hook_can_end_the_run():
    sigmas = exponential_sigmas(3, 0.3, 5.0)
    with pytest.raises(FoleyError, match="eta of 0"):
        dpmpp_3m_sde(DENOISERS["gauss"], torch.zeros(1), sigmas)

    def stop(step, x):
        raise Cancelled

    with pytest.raises(Cancelled):
        dpmpp_3m_sde(DENOISERS["gauss"], torch.zeros(1), sigmas, eta=0, hook=stop)


@pytest.mark.parametrize("kind", DYNAMICS.values())
def test_no_steps_are_refused(kind):
    with pytest.raises(FoleyError, match="at least 1 step"):
        kind.times(0)
