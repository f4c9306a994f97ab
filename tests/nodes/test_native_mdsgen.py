"""MDSGen as ComfyUI's EPS MODEL gives core's own takes, with the published sampler and others."""

from __future__ import annotations

import comfy.model_base
import comfy.samplers
import pytest
import torch
from foleystage.core.catalog import SYSTEMS
from foleystage.core.errors import FoleyError
from foleystage.core.generators import Conditions
from foleystage.core.loading import load_network
from foleystage.core.sampling import Windows, cfg, power_cosine, sample, schedule
from foleystage.core.weights.minis import mini_path
from foleystage.nodes.native.own_noise import SeedNoise
from foleystage.nodes.sample import PUBLISHED, noise_of, sampled, sigmas_of
from foleystage.nodes.values import KEY
from native_helpers import relative

STEPS = 10


@pytest.fixture(scope="module")
def model(weights, call):
    return call("LoadModel", name="mdsgen_mini", weight_dtype="float32")[0]


@pytest.fixture(scope="module", params=[2.0, 8.0])
def conds(request, model, call, features):
    """Conditioning of a clip shorter, and of one longer, than a window."""
    bins = round(request.param * 50)
    rng = torch.Generator().manual_seed(0)
    sync = torch.rand(1, bins, 3, generator=rng) * 4 - 1
    video = type(features)(
        "video", "mini_video_encoder", {"sync": sync}, 0.0, request.param, request.param
    )
    return call("Conditioning", model=model, video=video)


def core_take(conds, guidance):
    return core_sample(conds, guidance, STEPS)


def core_sample(conds, guidance, steps):
    entry, path = conds[0][0][1][KEY], mini_path("mdsgen_mini")
    network = load_network(SYSTEMS["mdsgen_mini"].of_file(path).generator, path)
    conditions = Conditions(entry.streams, entry.seconds)
    return sample(network, conditions, guidance, steps=steps, seed=3, windows=Windows())


def native_take(guider, model, conds, sampler="dpmpp_2m"):
    sigmas = sigmas_of(model, PUBLISHED, STEPS, 1.0)
    noise = noise_of(model, conds[2], STEPS, SeedNoise(3))
    solver = comfy.samplers.sampler_object(sampler)
    return sampled(guider, conds[2], solver, sigmas, 3, noise).transpose(1, 2)


def test_it_is_an_eps_model_with_the_published_noise(model):
    sampling = model.model.model_sampling
    assert model.model.model_type == comfy.model_base.ModelType.EPS
    for step in (0, 500, 999):
        alpha, sigma = schedule.alpha_sigma((step + 1) / 1000)
        assert float(sampling.sigmas[step]) == pytest.approx(sigma / alpha, rel=1e-4)


def test_the_network_is_asked_at_times_between_steps(model):
    kind, sampling = model.model.kind, model.model.model_sampling
    times = torch.tensor([0.0, 39.96, 479.52, 998.5, 999.0])
    assert torch.allclose(kind.time(sampling, sampling.sigma(times)), times, atol=2e-2)


def test_power_cosine_equals_core(model, conds, call):
    guider = call(
        "PowerCosineGuider", model=model, positive=conds[0], negative=conds[1], cfg=4.0, power=0.5
    )[0]
    made, expected = (native_take(guider, model, conds), core_take(conds, power_cosine(4.0, 0.5)))
    assert made.shape == expected.shape
    assert relative(made, expected) < 1e-3


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde"])
def test_other_samplers_make_finite_sound(model, conds, call, sampler):
    guider = call("Guider", model=model, positive=conds[0], negative=conds[1], cfg=3.0)[0]
    made = native_take(guider, model, conds, sampler)
    assert torch.isfinite(made).all() and float(made.std()) > 0.05


def test_first_order_equals_core(model, conds, call):
    guider = call("Guider", model=model, positive=conds[0], negative=conds[1], cfg=3.0)[0]
    sigmas = sigmas_of(model, PUBLISHED, 1, 1.0)
    solver = comfy.samplers.sampler_object("dpmpp_2m")
    noise = noise_of(model, conds[2], 1, SeedNoise(3))
    made = sampled(guider, conds[2], solver, sigmas, 3, noise).transpose(1, 2)
    assert relative(made, core_sample(conds, cfg(3.0), 1)) < 1e-3


def test_words_are_refused(model, call, text):
    with pytest.raises(FoleyError, match="takes no text"):
        call("Conditioning", model=model, text=text[0])


def test_the_other_codec_is_refused(model, conds, call):
    codec = call("LoadCodec", name="foley_mini_codec")[0]
    with pytest.raises(FoleyError, match="mel_picture_codec"):
        call("Decode", samples=conds[2], codec=codec)


def test_one_pass_of_more_than_its_length_is_refused(model, call):
    with pytest.raises(FoleyError, match="one pass this model makes 5.12 s alone"):
        call("Conditioning", model=model, seconds=8.0, long_takes="one pass")
