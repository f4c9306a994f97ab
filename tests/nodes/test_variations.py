"""Foley Variations: takes like one that Foley Sampler made."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError

SEED, SECONDS = 7, 1.92
MODELS = ("ac_foley_mini", "mdsgen_mini", "specmaskfoley_mini", "stable_audio_mini")


@pytest.fixture
def sampled(call, weights):
    """sampled(model, takes, noise): latents of takes without a picture."""

    def make(name, takes, seed=SEED, seconds=SECONDS, steps=3, **other):
        model = call("LoadModel", name=name)[0]
        positive, negative, latent = call("Conditioning", model=model, seconds=seconds)
        sides = {"model": model, "positive": positive, "negative": negative, "latent": latent}
        made = call("Sampler", **sides, seed=seed, steps=steps, takes=takes, **other)[0]
        return made["samples"]

    return make


@pytest.fixture
def like(call):
    """like(take, variation): the noise of takes like it."""

    def make(take, variation):
        return call("Variations", take_seed=SEED, like=take, variation=variation)[0]

    return make


@pytest.mark.parametrize("name", MODELS)
def test_without_variation_it_is_that_take_whatever_the_samplers_seed(sampled, like, name):
    takes = sampled(name, 3)
    same = sampled(name, 3, seed=99, noise=like(2, 0.0))
    for latent in same:
        torch.testing.assert_close(latent, takes[1], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(same[0], takes[0])


@pytest.mark.parametrize("name", MODELS)
def test_takes_like_one_are_those_of_the_command_line(sampled, like, name):
    from foleystage.core.generators import Conditions
    from foleystage.core.loading import load_model
    from foleystage.core.sampling import Like

    system, steps = load_model(name), 25  # solvers that end at other noise agree with enough
    seconds = system.config.trained_seconds
    core = system.sample(
        Conditions({}, seconds),
        steps=steps,
        rng=torch.Generator().manual_seed(SEED),
        takes=2,
        like=Like(2, 0.3),
    )
    made = sampled(name, 2, seconds=seconds, steps=steps, noise=like(2, 0.3)).transpose(1, 2)
    torch.testing.assert_close(made, core.reshape(made.shape).to(made), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_number_0_stands_for_the_takes_of_the_seed(sampled, like, name):
    assert torch.equal(sampled(name, 2, noise=like(0, 0.3)), sampled(name, 2))


def test_any_noise_decides_instead_of_the_seed(sampled):
    from comfy_extras import nodes_custom_sampler as custom

    first, second = (
        sampled("ac_foley_mini", 1, seed=seed, noise=custom.Noise_RandomNoise(4)) for seed in (1, 2)
    )
    assert torch.equal(first, second)
    other = sampled("ac_foley_mini", 1, noise=custom.Noise_RandomNoise(5))
    assert not torch.allclose(first, other)


def test_it_is_a_noise_for_other_samplers_too(like):
    latent = {"samples": torch.zeros(2, 20, 50)}
    noise = like(3, 0.5)
    assert noise.seed == SEED
    made = noise.generate_noise(latent)
    assert made.shape == (2, 20, 50) and float(made.std()) == pytest.approx(1, abs=0.1)
    assert not torch.equal(made[0], made[1])
    with pytest.raises(FoleyError, match="RandomNoise"):
        noise.generate_noise({"samples": torch.zeros(1, 4, 8, 8)})


def test_what_is_no_noise_is_refused(sampled):
    with pytest.raises(FoleyError, match="noise must be NOISE"):
        sampled("ac_foley_mini", 1, noise=5)
