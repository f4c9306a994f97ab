"""Unloading and loading in part, with ComfyUI's own memory management."""

from __future__ import annotations

import comfy.model_management as management
import comfy.ops
import pytest
import torch
from foleystage.core.catalog import SYSTEMS
from native_helpers import with_random_lora

EULER = {"sampler_name": "euler", "scheduler": "published", "steps": 2}
# Smaller weights are moved whole, whatever layer holds them.
SMALL = 2**20
WHOLE = management.LoadedModel.model_load


def take(call, model, conds):
    sides = {"model": model, "positive": conds[0], "negative": conds[1], "latent": conds[2]}
    return call("Sampler", **sides, seed=4, **EULER)[0]["samples"]


def take_whole(call, model, conds):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(management.LoadedModel, "model_load", WHOLE)
        return take(call, model, conds)


def loaded(patcher):
    return any(entry.model is patcher for entry in management.current_loaded_models)


@pytest.fixture
def little_room(monkeypatch):
    """ComfyUI finds room for a third of every network that it loads."""
    load = management.LoadedModel.model_load
    moved = []

    def partly(self, lowvram_model_memory=0, force_patch_weights=False):
        moved.append(self.model)
        return load(self, self.model.model_size() // 3, force_patch_weights)

    management.unload_all_models()
    monkeypatch.setattr(management.LoadedModel, "model_load", partly)
    yield moved
    management.unload_all_models()


def left_outside(model):
    """Layers whose weights are brought to the device when they are used."""
    return [m for m in model.model.modules() if getattr(m, "comfy_cast_weights", False)]


def test_unloaded_models_make_the_same_take_again(call, model, conds):
    before = take(call, model, conds)
    assert any(entry.model.is_clone(model) for entry in management.current_loaded_models)
    management.unload_all_models()
    assert not management.current_loaded_models
    assert torch.equal(take(call, model, conds), before)


def test_an_unloaded_codec_decodes_the_same_again(call, weights):
    codec = call("LoadCodec")[0]
    latent = torch.randn(1, 16, 32, generator=torch.Generator().manual_seed(0))
    before = codec.ready("codec").decode(latent)
    assert loaded(codec.patcher)
    management.unload_all_models()
    assert not loaded(codec.patcher)
    assert torch.equal(codec.ready("codec").decode(latent), before)


def test_a_model_loaded_in_part_makes_the_same_take(call, conds, weights, little_room, model):
    fresh = call("LoadModel", name="random_mini.safetensors", weight_dtype="float32")[0]
    part = take(call, fresh, conds)
    assert little_room and fresh.model.model_lowvram and len(left_outside(fresh)) > 10
    little_room.clear()
    management.unload_all_models()
    assert not left_outside(fresh)
    assert torch.allclose(part, take_whole(call, model, conds), atol=1e-5)


def test_a_lora_on_a_model_loaded_in_part_counts_in_full(call, conds, weights, little_room, model):
    patched = with_random_lora(model)
    part = take(call, patched, conds)
    management.unload_all_models()
    whole = take_whole(call, patched, conds)
    assert torch.allclose(part, whole, atol=1e-4)
    management.unload_all_models()
    assert not torch.allclose(whole, take_whole(call, model, conds), atol=1e-2)


@pytest.mark.parametrize("name", SYSTEMS)
def test_large_weights_lie_in_layers_that_can_stay_outside(name):
    network = SYSTEMS[name].generator.build(operations=comfy.ops.manual_cast, device="meta")
    held = {
        f"{path}.{key}": value.numel()
        for path, module in network.named_modules()
        if not hasattr(module, "comfy_cast_weights")
        for key, value in module.named_parameters(recurse=False)
    }
    assert {key: count for key, count in held.items() if count > SMALL} == {}
