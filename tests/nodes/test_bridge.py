"""A bridge in ComfyUI's own Stable Audio MODEL, against core's network and without a trace."""

from __future__ import annotations

from dataclasses import replace

import comfy.model_base
import comfy.model_management as management
import comfy.model_patcher
import comfy.samplers
import comfy.sd
import pytest
import torch
from control_helpers import (
    BACKBONE,
    SCALE,
    SECONDS,
    SIGMAS,
    STEPS,
    applied,
    bridge_file,
    core_take,
    take,
)
from foleystage.core.generators.bridge import Bridge
from foleystage.core.sampling import draw_noise
from foleystage.nodes.native import bridge as native
from native_helpers import relative

PLACE = "transformer.layers.{}.conformer"


@pytest.fixture(scope="module")
def sides(backbone):
    """positive and negative of ComfyUI's own CLIPTextEncode."""
    return tuple(
        backbone[1].encode_from_tokens_scheduled(backbone[1].tokenize(text))
        for text in ("metal hit", "wood")
    )


@pytest.fixture(scope="module")
def noise(control):
    length, width = control.latent_shape(SECONDS)
    return draw_noise(torch.Generator().manual_seed(5), 2, length, width)


def words(sides):
    return tuple(side[0][0] for side in sides)


def test_the_native_model_with_a_bridge_makes_core_s_take(control, bridged, sides, noise, picture):
    positive, negative = words(sides)
    seen = dict(picture.streams)
    expected = core_take(control, {**seen, "text": positive}, {**seen, "text": negative}, noise)
    assert isinstance(bridged.model, comfy.model_base.StableAudio1)
    assert expected.std() > 0.1
    assert relative(take(bridged, sides, noise), expected) < 1e-4


def test_without_a_bridge_it_makes_the_backbone_s_take(control, plain, bridged, sides, noise):
    positive, negative = words(sides)
    expected = core_take(control, {"text": positive}, {"text": negative}, noise)
    made = take(plain, sides, noise)
    assert relative(made, expected) < 1e-4
    assert relative(take(bridged, sides, noise), made) > 0.05


def test_no_negative_prompt_is_core_s_null(control, backbone, bridged, sides, noise, picture):
    clip = backbone[1]
    empty = clip.encode_from_tokens_scheduled(clip.tokenize(""))
    seen = dict(picture.streams)
    expected = core_take(control, {**seen, "text": words(sides)[0]}, seen, noise)
    assert relative(take(bridged, (sides[0], empty), noise), expected) < 1e-4


@pytest.mark.parametrize("null", ["off", "zeros"])
def test_guidance_can_lead_towards_the_picture(control, call, plain, sides, noise, picture, null):
    bridge = call("LoadBridge", name=bridge_file(null))[0]
    guided = applied(call, plain, bridge, picture, guide_picture=True)
    positive, negative = words(sides)
    streams = {**picture.streams, "text": positive}
    changed = replace(control.config, bridge=bridge.config)
    control.config, before = changed, control.config
    try:
        expected = core_take(control, streams, {"text": negative}, noise)
    finally:
        control.config = before
    made = take(guided, sides, noise)
    assert relative(made, expected) < 1e-4
    assert relative(take(applied(call, plain, bridge, picture), sides, noise), made) > 0.01


def test_strength_is_what_the_blocks_are_multiplied_with(
    control, call, plain, bridge, picture, sides, noise
):
    half = take(applied(call, plain, bridge, picture, strength=0.5), sides, noise)
    for block in control.bridge.blocks:
        block.to_out.weight.mul_(0.5)
    seen, (positive, negative) = dict(picture.streams), words(sides)
    try:
        expected = core_take(control, {**seen, "text": positive}, {**seen, "text": negative}, noise)
    finally:
        for block in control.bridge.blocks:
            block.to_out.weight.mul_(2.0)
    assert relative(half, expected) < 1e-4


def test_strength_0_is_the_frozen_model_bit_for_bit(
    call, plain, bridge, picture, sides, noise, monkeypatch
):
    expected = take(plain, sides, noise)
    monkeypatch.setattr(Bridge, "keys_and_values", None)
    off = applied(call, plain, bridge, picture, strength=0.0)
    assert torch.equal(take(off, sides, noise), expected)


def test_it_works_inside_its_range_alone(call, plain, bridge, bridged, picture, sides, noise):
    sampling = plain.get_model_object("model_sampling")
    whole, none = take(bridged, sides, noise), take(plain, sides, noise)
    third = (SIGMAS[2] * SIGMAS[3]).sqrt()
    share = next(p / 1000 for p in range(1000) if sampling.percent_to_sigma(p / 1000) < third)
    parts = [
        applied(call, plain, bridge, picture, start_percent=start, end_percent=end)
        for start, end in ((0.0, share), (share, 1.0), (0.999, 1.0))
    ]
    early, late, never = (take(part, sides, noise) for part in parts)
    assert torch.equal(never, none)
    for one in (early, late):
        assert relative(one, whole) > 1e-3 and relative(one, none) > 1e-3
    # Up to the third step the first is the whole, the second is none of it.
    first = SIGMAS[:4]
    assert torch.equal(
        take(parts[0], sides, noise, sigmas=first), take(bridged, sides, noise, sigmas=first)
    )
    assert torch.equal(
        take(parts[1], sides, noise, sigmas=first), take(plain, sides, noise, sigmas=first)
    )


def test_nothing_stays_behind(plain, bridged, bridge, sides, noise):
    inner = plain.model
    keys = list(inner.state_dict())
    before = take(plain, sides, noise)
    take(bridged, sides, noise)
    run = bridged.object_patches[f"diffusion_model.{PLACE.format(0)}"].run
    assert not run._kept, "keys and values are let go"
    assert list(inner.state_dict()) == keys
    assert torch.equal(take(plain, sides, noise), before)
    layers = inner.diffusion_model.transformer.layers
    assert all(layer.conformer is None for layer in layers)
    assert list(inner.state_dict()) == keys


def test_weights_of_the_bridge_are_no_part_of_the_model(bridged, sides, noise):
    take(bridged, sides, noise)
    slot = bridged.model.diffusion_model.transformer.layers[0].conformer
    assert isinstance(slot, native.BridgeSlot) and not list(slot.parameters())


def test_comfyui_loads_and_unloads_the_bridge(bridged, bridge, sides, noise, monkeypatch):
    def loaded():
        return [m for m in management.current_loaded_models if bridge.patcher.is_clone(m.model)]

    management.unload_all_models()
    seen = []
    keys = Bridge.keys_and_values
    monkeypatch.setattr(
        Bridge, "keys_and_values", lambda self, *a: seen.append(len(loaded())) or keys(self, *a)
    )
    before = take(bridged, sides, noise)
    assert seen == [1]
    management.unload_all_models()
    assert not loaded()
    assert torch.equal(take(bridged, sides, noise), before)


def test_keys_and_values_are_made_once_a_run(bridged, sides, noise, monkeypatch):
    calls = []
    keys = Bridge.keys_and_values
    monkeypatch.setattr(
        Bridge, "keys_and_values", lambda self, *a: calls.append(1) or keys(self, *a)
    )
    for runs in (1, 2):
        take(bridged, sides, noise)
        assert len(calls) == runs


def test_a_lora_counts_before_and_behind(call, plain, bridge, bridged, picture, sides, noise):
    before = take(bridged, sides, noise)
    behind = with_lora(bridged)
    first = applied(call, with_lora(plain), bridge, picture)
    made = take(behind, sides, noise)
    assert relative(made, before) > 0.01
    assert torch.equal(take(first, sides, noise), made)
    assert relative(take(with_lora(plain), sides, noise), made) > 0.01
    assert torch.equal(take(bridged, sides, noise), before)


def with_lora(model):
    key = "diffusion_model.transformer.layers.0.self_attn.to_qkv"
    weight = model.model.diffusion_model.transformer.layers[0].self_attn.to_qkv.weight
    rng = torch.Generator().manual_seed(0)
    lora = {
        f"{key}.lora_A.weight": torch.randn(4, weight.shape[1], generator=rng),
        f"{key}.lora_B.weight": torch.randn(weight.shape[0], 4, generator=rng),
    }
    return comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0)[0]


def test_replaced_blocks_of_other_packs_have_it_inside(bridged, sides, noise):
    calls = []

    def replaced(args, extra):
        calls.append(args["img"].shape)
        return extra["original_block"](args)

    patched = bridged.clone()
    patched.set_model_patch_replace(replaced, "dit", "double_block", 1)
    assert torch.equal(take(patched, sides, noise), take(bridged, sides, noise))
    assert len(calls) == STEPS


@pytest.mark.parametrize("guided", [False, True])
def test_sides_in_one_batch_or_one_by_one_are_the_same(
    call, plain, bridge, picture, sides, noise, guided, monkeypatch
):
    model = applied(call, plain, bridge, picture, guide_picture=guided)
    sizes = []
    attended = native.BridgeRun.added
    monkeypatch.setattr(
        native.BridgeRun,
        "added",
        lambda self, i, x: sizes.append(len(x)) or attended(self, i, x),
    )
    together = take(model, sides, noise)
    assert set(sizes) == {4}
    sizes.clear()
    monkeypatch.setattr(comfy.samplers, "can_concat_cond", lambda a, b: a is b)
    apart = take(model, sides, noise)
    assert set(sizes) == {2}
    assert relative(apart, together) < 1e-5


def test_a_take_is_the_same_alone(bridged, sides, noise):
    both = take(bridged, sides, noise)
    assert relative(take(bridged, sides, noise[1:]), both[1:]) < 1e-5
    assert relative(both[:1], both[1:]) > 0.1


def test_it_runs_in_ksampler_and_in_the_custom_sampler(call, bridged, plain, sides):
    from comfy_extras import nodes_custom_sampler as custom

    import nodes as comfy_nodes

    latent = call("EmptyLatent", model=plain, seconds=SECONDS, takes=2)[0]
    given = (2, SCALE, "dpmpp_3m_sde", "exponential")
    made = comfy_nodes.KSampler().sample(bridged, 7, *given, *sides, latent)[0]
    assert made["foley"].seconds == SECONDS and made["samples"].shape == latent["samples"].shape
    assert torch.isfinite(made["samples"]).all() and made["samples"].std() > 0.1
    guider = custom.CFGGuider().get_guider(bridged, *sides, SCALE)[0]
    sigmas = custom.BasicScheduler().get_sigmas(bridged, "exponential", 2, 1.0)[0]
    sampler = custom.KSamplerSelect().get_sampler("dpmpp_3m_sde")[0]
    drawn = custom.RandomNoise().get_noise(7)[0]
    again = custom.SamplerCustomAdvanced().sample(drawn, guider, sampler, sigmas, latent)[0]
    assert torch.equal(again["samples"], made["samples"])
    assert again["foley"] == made["foley"]


@pytest.mark.parametrize("part", ["model", "bridge"])
def test_loaded_in_part_it_makes_the_same_take(
    call, control, plain, bridge, picture, sides, noise, part, monkeypatch
):
    expected = take(applied(call, plain, bridge, picture), sides, noise)
    management.unload_all_models()
    fresh = call("LoadBackbone", name=BACKBONE, weight_dtype="float32")[0]
    other = call("LoadBridge", name=bridge_file())[0]
    moved = {"model": fresh.model, "bridge": other.patcher.model}[part]
    load = management.LoadedModel.model_load

    def partly(self, lowvram_model_memory=0, force_patch_weights=False):
        if self.model.model is moved:
            lowvram_model_memory = self.model.model_size() // 3
        return load(self, lowvram_model_memory, force_patch_weights)

    monkeypatch.setattr(management.LoadedModel, "model_load", partly)
    made = take(applied(call, fresh, other, picture), sides, noise)
    assert moved.model_lowvram
    management.unload_all_models()
    assert relative(made, expected) < 1e-5


def test_weights_of_16_bits_are_cast_to_what_is_computed_in(
    call, plain, bridge, picture, sides, noise
):
    half = applied(call, plain, bridge, picture)
    expected = take(half, sides, noise)
    module = bridge.patcher.model
    stored = {key: value.clone() for key, value in module.state_dict().items()}
    try:
        module.to(torch.bfloat16)
        made = take(half, sides, noise)
    finally:
        module.to(torch.float32).load_state_dict(stored)
    assert 0 < relative(made, expected) < 0.05


@pytest.mark.skipif(
    not hasattr(comfy.model_patcher.ModelPatcher, "deepclone_multigpu"),
    reason="this ComfyUI samples on one GPU",
)
def test_a_clone_for_a_second_device_makes_the_same_take(bridged, sides, noise):
    other = bridged.deepclone_multigpu(new_load_device=torch.device("cpu"))
    assert other.model is not bridged.model
    expected = take(bridged, sides, noise)
    assert torch.equal(take(other, sides, noise), expected)


@pytest.mark.slow
def test_a_compiled_model_makes_the_same_take(bridged, sides, noise):
    from comfy_api.torch_helpers import set_torch_compile_wrapper

    compiled = bridged.clone()
    set_torch_compile_wrapper(model=compiled, backend="eager")
    assert relative(take(compiled, sides, noise), take(bridged, sides, noise)) < 1e-5
