"""The native MODEL against core's own sampler, and what ComfyUI does with a MODEL."""

from __future__ import annotations

import copy
from dataclasses import replace

import comfy.model_patcher
import comfy.samplers
import comfy.sd
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import ACFoley, Conditions, ac_foley_mini
from foleystage.core.sampling import (
    Windows,
    cfg,
    draw_noise,
    interval,
    per_stream,
    rescaled,
    sample,
)
from foleystage.core.weights.fill import fill_from
from foleystage.nodes.native.guider import IntervalGuider, TermGuider, terms_of
from foleystage.nodes.native.model import DTYPES
from foleystage.nodes.native.terms import prepare
from foleystage.nodes.sample import sigmas_of
from foleystage.nodes.values import KEY
from native_helpers import relative, with_random_lora

STEPS = 6
FINE = 64


@pytest.fixture(scope="module")
def network(weights):
    return fill_from(
        ACFoley(ac_foley_mini()), weights / "random_mini.safetensors", prefix="generator."
    )


@pytest.fixture(scope="module")
def noise(conds):
    samples = conds[2]["samples"]
    return draw_noise(torch.Generator().manual_seed(5), 2, samples.shape[2], samples.shape[1])


def core_take(network, conds, guidance, noise, seconds, share=1.0):
    positive, negative = (conds[side][0][1][KEY].streams for side in (0, 1))
    conditions = Conditions(positive, seconds, negative)
    return sample(network, conditions, rescaled(guidance, share), steps=STEPS, noise=noise)


def native_take(guider, noise, sampler="euler", steps=STEPS, sigmas=None):
    x = noise.transpose(1, 2).contiguous()
    return guider.sample(
        x,
        torch.zeros_like(x),
        comfy.samplers.sampler_object(sampler),
        torch.linspace(1, 0, steps + 1) if sigmas is None else sigmas,
        disable_pbar=True,
        seed=0,
    ).transpose(1, 2)


def cfg_guider(model, conds, scale=4.5, start=0.0, stop=2.0):
    return IntervalGuider(model, *conds[:2], scale, start, stop)


def test_native_euler_equals_core_with_a_negative_prompt(model, network, conds, noise):
    entry = conds[0][0][1][KEY]
    expected = core_take(network, conds, cfg(4.5), noise, entry.seconds)
    made = native_take(cfg_guider(model, conds), noise)
    assert expected.std() > 0.1
    assert relative(made, expected) < 1e-3


def test_guidance_is_rescaled_as_core_does_it(model, network, conds, noise, call):
    entry = conds[0][0][1][KEY]
    plain, half, whole = (
        core_take(network, conds, cfg(60.0), noise, entry.seconds, share)
        for share in (0.0, 0.5, 1.0)
    )
    assert relative(plain, whole) > 0.05
    assert model.model.row.sampling.rescale == 1.0, "what its MODEL does by itself"
    halfway = call("RescaleGuidance", model=model, share=0.5)[0]
    for patched, expected in ((model, whole), (halfway, half)):
        assert relative(native_take(cfg_guider(patched, conds, 60.0), noise), expected) < 1e-3
    off = call("RescaleGuidance", model=halfway, share=0.0)[0]
    assert relative(native_take(cfg_guider(off, conds, 60.0), noise), plain) < 1e-3


def test_guidance_inside_an_interval_equals_core(model, network, conds, noise):
    entry = conds[0][0][1][KEY]
    guidance = interval(cfg(4.5), 0.3, 0.7)
    expected = core_take(network, conds, guidance, noise, entry.seconds)
    assert relative(native_take(cfg_guider(model, conds, 4.5, 0.3, 0.7), noise), expected) < 1e-3


def test_one_scale_a_stream_equals_core(model, network, conds, noise):
    guidance = per_stream({"sync": 6.0, "clip": 2.0, "text": 2.0})
    expected = core_take(network, conds, guidance, noise, conds[0][0][1][KEY].seconds)
    guider = TermGuider(model, terms_of(guidance, conds[0]))
    assert relative(native_take(guider, noise), expected) < 1e-3


def test_plain_cfg_as_terms_equals_the_interval_guider(model, conds, noise):
    guider = TermGuider(model, terms_of(cfg(3.0), conds[0]))
    empty = [[t, {**o, KEY: o[KEY].with_streams({})}] for t, o in conds[1]]
    plain = cfg_guider(model, (conds[0], empty), 3.0)
    assert relative(native_take(guider, noise), native_take(plain, noise)) < 1e-5


@pytest.mark.parametrize(
    ("seconds", "long", "windows"),
    [(20.0, "automatic", 0), (20.0, "windows", 3), (24.0, "automatic", 4), (24.0, "one pass", 0)],
)
def test_a_take_longer_than_trained_equals_core(model, network, call, seconds, long, windows):
    positive, _, latent = call("Conditioning", model=model, seconds=seconds, long_takes=long)
    rng = torch.Generator().manual_seed(0)
    streams = {"sync": torch.randn(1, round(seconds * 50), 3, generator=rng)}
    entry = replace(positive[0][1][KEY], streams=streams, every=streams)
    full, empty = ([[positive[0][0], {KEY: side}]] for side in (entry, replace(entry, streams={})))
    x = draw_noise(torch.Generator().manual_seed(1), 1, latent["samples"].shape[2], 32)
    cut = Windows() if windows else None
    assert not windows or len(Windows().cut(network.config, seconds)) == windows
    conditions = Conditions(streams, seconds)
    expected = sample(network, conditions, rescaled(cfg(4.5)), steps=2, noise=x, windows=cut)
    made = native_take(cfg_guider(model, (full, empty)), x, steps=2)
    assert relative(made, expected) < 1e-3


def test_conditions_are_prepared_once_a_run(model, conds, noise, monkeypatch):
    calls = []
    generator = model.model.diffusion_model
    prepare = type(generator).prepare
    monkeypatch.setattr(
        type(generator), "prepare", lambda self, *a, **k: calls.append(1) or prepare(self, *a, **k)
    )
    native_take(cfg_guider(model, conds), noise)
    assert len(calls) == 2


def test_positive_and_negative_run_in_one_batch(model, conds, noise, monkeypatch):
    sizes = []
    generator = type(model.model.diffusion_model)
    forward = generator.forward
    monkeypatch.setattr(
        generator, "forward", lambda self, x, *a: sizes.append(len(x)) or forward(self, x, *a)
    )
    native_take(cfg_guider(model, conds), noise)
    assert sizes == [4] * STEPS


@pytest.mark.parametrize("sampler", comfy.samplers.SAMPLER_NAMES)
def test_every_sampler_of_comfyui_works(model, conds, noise, sampler):
    made = native_take(cfg_guider(model, conds), noise[:1], sampler, steps=4)
    assert torch.isfinite(made).all() and made.std() > 0.1


@pytest.mark.parametrize("scheduler", comfy.samplers.SCHEDULER_NAMES)
def test_every_scheduler_of_comfyui_ends_where_the_published_one_does(
    model, conds, noise, scheduler
):
    guider = cfg_guider(model, conds, 1.0)
    limit = native_take(guider, noise[:1], steps=FINE)
    coarse, fine = (sigmas_of(model, scheduler, steps, 1.0) for steps in (8, FINE))
    assert len(coarse) >= 6 and coarse[-1] == 0 and (coarse.diff() < 0).all()
    errors = [relative(native_take(guider, noise[:1], sigmas=s), limit) for s in (coarse, fine)]
    assert errors[1] < 0.06 and errors[1] < errors[0] / 2


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "fp8_e4m3fn"])
def test_weights_of_fewer_bits_are_the_stored_ones_rounded(call, conds, network, noise, dtype):
    rounding = call("LoadModel", name="random_mini.safetensors", weight_dtype=dtype)[0]
    stored, compute = DTYPES[dtype], rounding.model.compute_dtype
    rounded = copy.deepcopy(network)
    for name, value in rounded.named_parameters():
        # What is no layer's weight keeps the type that is computed in.
        value.data = value.to(stored if "." in name else compute).float()
    expected = core_take(rounded, conds, cfg(4.5), noise, conds[0][0][1][KEY].seconds)
    made = native_take(cfg_guider(rounding, conds), noise)
    # In 16 bits the sums are rounded too.
    assert relative(made, expected) < (1e-3 if compute == torch.float32 else 0.02)


@pytest.mark.parametrize("shift", ["ModelSamplingSD3", "ModelSamplingAuraFlow"])
def test_shift_nodes_of_comfyui_do_not_change_the_network_s_time(model, conds, noise, shift):
    from comfy_extras import nodes_model_advanced

    patch = getattr(nodes_model_advanced, shift)()
    shifted = (patch.patch if shift == "ModelSamplingSD3" else patch.patch_aura)(model, 3.0)[0]
    plain = native_take(cfg_guider(model, conds), noise)
    assert relative(native_take(cfg_guider(shifted, conds), noise), plain) < 1e-4


def test_a_lora_changes_the_take_and_leaves_the_model_as_it_was(model, conds, noise):
    before = native_take(cfg_guider(model, conds), noise)
    patched = with_random_lora(model)
    assert relative(native_take(cfg_guider(patched, conds), noise), before) > 0.01
    assert torch.equal(native_take(cfg_guider(model, conds), noise), before)


def test_a_mask_over_time_keeps_the_rest(model, conds, noise):
    kept = torch.randn(noise.transpose(1, 2).shape, generator=torch.Generator().manual_seed(2))
    mask = torch.zeros(1, 1, kept.shape[-1])
    mask[..., 20:40] = 1.0
    made = cfg_guider(model, conds).sample(
        noise.transpose(1, 2),
        kept,
        comfy.samplers.sampler_object("euler"),
        torch.linspace(1, 0, STEPS + 1),
        denoise_mask=mask,
        disable_pbar=True,
        seed=0,
    )
    assert torch.allclose(made[..., :20], kept[..., :20], atol=1e-4)
    assert torch.allclose(made[..., 40:], kept[..., 40:], atol=1e-4)
    assert not torch.allclose(made[..., 20:40], kept[..., 20:40], atol=0.1)


def test_a_picture_mask_counts_by_its_width(model, conds, noise):
    wide = torch.zeros(1, 1, 8, noise.shape[1])
    wide[..., 20:40] = 1.0
    options = {"disable_pbar": True, "seed": 0}
    latent = torch.ones_like(noise.transpose(1, 2))
    sigmas = torch.linspace(1, 0, 3)
    euler = comfy.samplers.sampler_object("euler")
    made = [
        cfg_guider(model, conds).sample(
            noise.transpose(1, 2), latent, euler, sigmas, denoise_mask=mask, **options
        )
        for mask in (wide, wide[:, :, 0])
    ]
    assert torch.equal(*made)


def test_weights_that_do_not_sum_to_one_are_refused(model, conds, noise):
    guider = TermGuider(model, [(conds[0], lambda t: 2.0)])
    with pytest.raises(FoleyError, match="sum to 2"):
        native_take(guider, noise)


def test_a_conditioning_of_pictures_is_refused(model, noise):
    foreign = [[torch.zeros(1, 77, 768), {}]]
    with pytest.raises(FoleyError, match="Foley Conditioning"):
        native_take(cfg_guider(model, (foreign, foreign)), noise)


def test_a_latent_of_another_length_is_refused(model, conds, noise):
    with pytest.raises(FoleyError, match="latent has"):
        native_take(cfg_guider(model, conds), noise[:, :10])


def test_another_model_of_the_same_file_is_made_for_what_cannot_be_dynamic(model, conds, noise):
    factory, given = model.cached_patcher_init
    plain = factory(*given, disable_dynamic=True)
    assert type(plain) is comfy.model_patcher.ModelPatcher
    assert plain.model is not model.model
    again = native_take(cfg_guider(plain, conds), noise)
    assert torch.equal(again, native_take(cfg_guider(model, conds), noise))


@pytest.mark.skipif(
    not hasattr(comfy.model_patcher.ModelPatcher, "deepclone_multigpu"),
    reason="this ComfyUI samples on one GPU",
)
def test_a_clone_for_a_second_device_makes_the_same_take(model, conds, noise):
    other = model.deepclone_multigpu(new_load_device=torch.device("cpu"))
    assert other.model is not model.model
    expected = native_take(cfg_guider(model, conds), noise)
    assert torch.equal(native_take(cfg_guider(other, conds), noise), expected)


def test_conditions_follow_the_latent_to_its_device(model, conds):
    entry = conds[0][0][1][KEY]
    term = prepare(model.model.diffusion_model, entry.streams, entry)
    joined = term.together((), MetaSettled(), 2, torch.device("meta"), torch.bfloat16)
    for prepared in joined:
        tensors = [*prepared.batched.values(), *prepared.shared.values()]
        assert {value.device.type for value in tensors} == {"meta"}
        assert {value.dtype for value in prepared.batched.values()} == {torch.bfloat16}
        assert prepared.batch == 2


class MetaSettled:
    """A generator that finds out nothing about its conditions."""

    def settled(self, prepared):
        return prepared


def test_a_lora_of_another_model_changes_nothing(model, conds, noise, caplog):
    lora = {
        "diffusion_model.input_blocks.1.1.proj_in.lora_A.weight": torch.ones(4, 320),
        "diffusion_model.input_blocks.1.1.proj_in.lora_B.weight": torch.ones(320, 4),
    }
    patched, _ = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0)
    assert "not loaded" in caplog.text
    expected = native_take(cfg_guider(model, conds), noise)
    assert torch.equal(native_take(cfg_guider(patched, conds), noise), expected)


@pytest.mark.parametrize("wrong", ["name", "shape"])
def test_a_file_with_one_wrong_weight_is_refused_by_its_name(weights, call, wrong):
    from foleystage.core.weights.load import read_weights
    from safetensors.torch import save_file

    key = "generator.final_layer.conv.bias"
    tensors = read_weights(weights / "random_mini.safetensors")
    value = tensors.pop(key)
    tensors |= {key + "x": value} if wrong == "name" else {key: value[:-1].clone()}
    path = weights / f"wrong_{wrong}.safetensors"
    save_file(tensors, path, {"family": "flow", "words": "hit"})
    named = "lacks weights" if wrong == "name" else "has weights of another shape"
    with pytest.raises(FoleyError, match=rf"wrong_{wrong}.safetensors {named} \(final_layer"):
        call("LoadModel", name=path.name, weight_dtype="float32")
    path.unlink()


@pytest.mark.slow
def test_a_compiled_model_makes_the_same_take(model, conds, noise):
    from comfy_api.torch_helpers import set_torch_compile_wrapper

    cloned = model.clone()
    set_torch_compile_wrapper(model=cloned, backend="eager")
    network = model.model.diffusion_model
    made = native_take(cfg_guider(cloned, conds), noise)
    assert model.model.diffusion_model is network
    assert relative(made, native_take(cfg_guider(model, conds), noise)) < 1e-5
