"""Stable Audio as ComfyUI's own MODEL and CLIP, and its latents at the pack's nodes."""

from __future__ import annotations

import logging
from dataclasses import replace

import comfy.model_base
import comfy.model_management as management
import comfy.sd
import comfy.supported_models
import node_helpers
import pytest
import torch
from control_helpers import (
    BACKBONE,
    SECONDS,
    core_take,
    random_control,
    take,
)
from foleystage.core.catalog import CODECS, TEXT_ENCODERS
from foleystage.core.errors import FoleyError
from foleystage.core.generators.bridge import BridgeConfig
from foleystage.core.generators.foley_control import bridged
from foleystage.core.generators.stable_audio import STABLE_AUDIO_OPEN
from foleystage.core.generators.stable_audio_checkpoint import (
    BRIDGE,
    native_tensors,
    record,
    record_bridge,
)
from foleystage.core.weights.files import save
from foleystage.nodes.native import words
from foleystage.nodes.values import EncodedFeatures
from native_helpers import relative

# As wide as published, so that heads are shared as there.
PUBLISHED = replace(STABLE_AUDIO_OPEN, depth=2, ff_mult=1)


@pytest.fixture(scope="module")
def model(backbone):
    return backbone[0]


@pytest.fixture(scope="module")
def reader(backbone):
    return backbone[1]


@pytest.fixture(scope="module")
def published():
    """Of the published kind, small, with a bridge that counts positions as published."""
    figures = {"depth": 2, "video_dim": 32}
    return random_control(bridged(PUBLISHED, BridgeConfig(**figures)), 4).eval()


@pytest.fixture(scope="module")
def native(published):
    """The MODEL that ComfyUI makes of its file by itself."""
    sizes = ("io_channels", "embed_dim", "depth", "num_heads", "cond_token_dim", "global_cond_dim")
    figures = {name: getattr(PUBLISHED, name) for name in sizes}
    supported = comfy.supported_models.StableAudio(
        {"audio_model": "dit1.0", **figures, "ff_kwargs": {"mult": PUBLISHED.ff_mult}}
    )
    supported.set_inference_dtype(torch.float32, None)
    tensors = native_tensors(published)
    made = supported.get_model(tensors, device=torch.device("cpu"))
    made.load_model_weights(dict(tensors), "model.model.")
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(made, cpu, cpu)


def conditioning(words, seconds):
    return node_helpers.conditioning_set_values([[words, {}]], {"seconds_total": seconds})


def test_comfyui_s_own_checkpoint_follows_a_picture(published, native, weights, call):
    config = published.config.bridge
    tensors = {k: v for k, v in native_tensors(published).items() if k.startswith(BRIDGE)}
    about = {"family": "foley_control", **record_bridge(config)}
    path = weights / "random_published_bridge.safetensors"
    save(path, tensors, about, torch.float32)
    bridge = call("LoadBridge", name=path.name)[0]
    rng = torch.Generator().manual_seed(0)
    video = torch.randn(1, round(SECONDS * 8), 32, generator=rng)
    said, unsaid = (torch.randn(1, 128, 768, generator=rng) for _ in range(2))
    noise = torch.randn(2, published.latent_shape(SECONDS)[0], 64, generator=rng)
    features = EncodedFeatures("video", "vjepa2_l", {"vjepa": video}, 0.0, SECONDS, SECONDS)
    made = call("ApplyControl", model=native, bridge=bridge, features=features)[0]
    whole = conditioning(said, SECONDS), conditioning(unsaid, SECONDS)
    seen = {"vjepa": video}
    expected = core_take(published, {**seen, "text": said}, {**seen, "text": unsaid}, noise)
    assert len(noise[0]) / PUBLISHED.latent.rate > 3.0, "which is 4 s when counted whole"
    assert relative(take(made, whole, noise), expected) < 1e-4
    assert relative(take(native, whole, noise), expected) > 0.05
    path.unlink()


def test_an_empty_latent_is_of_the_model_s_own_codec(call, model, native):
    for one, codec, channels, rate in (
        (model, "foley_mini_codec", 32, 31.25),
        (native, "stable_audio_codec", 64, 44100 / 2048),
    ):
        latent = call("EmptyLatent", model=one, seconds=4.0, takes=3)[0]
        sound = latent["foley"]
        assert (sound.codec, sound.latent_rate, sound.seconds) == (codec, rate, 4.0)
        assert latent["type"] == "audio" and not latent["samples"].any()
        frames = latent["samples"].shape[-1]
        assert latent["samples"].shape[:2] == (3, channels)
        assert 0 <= frames - 4.0 * rate < 1


class PlainCodec:
    """A codec that decodes each frame to as many samples of its first number."""

    def __init__(self, name):
        self.part, self.device = CODECS[name], torch.device("cpu")
        self.sample_rate = 44100

    def ready(self, role, seconds=0.0):
        return self

    def decode(self, latent):
        return latent[..., :1].transpose(1, 2).repeat_interleave(2048, -1).repeat(1, 2, 1)


def test_latents_of_comfyui_s_own_nodes_are_decoded(call):
    frames = 86
    latent = {"samples": torch.full((2, 64, frames), 0.1), "type": "audio"}
    codec = PlainCodec("stable_audio_codec")
    audio, start = call("Decode", samples=latent, codec=codec, normalize=False)
    assert start == 0.0 and audio["sample_rate"] == 44100
    assert audio["waveform"].shape == (2, 2, frames * 2048)
    with pytest.raises(FoleyError, match="not one of sound"):
        call("Decode", samples=latent, codec=PlainCodec("foley_mini_codec"))
    for shape in ((1, 4, 8, 8), (1, 32, frames)):
        with pytest.raises(FoleyError, match="not one of sound"):
            call("Decode", samples={"samples": torch.zeros(shape)}, codec=codec)


def test_latents_hold_the_codec_s_numbers(model, control):
    latent = torch.randn(2, 32, 10, generator=torch.Generator().manual_seed(0))
    inner = model.model
    expected = control.normalize(latent.transpose(1, 2)).transpose(1, 2)
    assert torch.allclose(inner.process_latent_in(latent), expected, atol=1e-6)
    assert torch.allclose(inner.process_latent_out(expected), latent, atol=1e-6)


def test_the_clip_says_what_core_s_text_encoder_says(reader, weights, caplog):
    part = TEXT_ENCODERS["mini_text_encoder_control"]
    encoder = part.load(weights / BACKBONE)
    said = reader.encode_from_tokens_scheduled(reader.tokenize("(metal:1.2) hit"))
    assert torch.equal(said[0][0], part.encode(encoder, "metal hit"))
    with caplog.at_level(logging.WARNING):
        nothing = reader.encode_from_tokens_scheduled(reader.tokenize("quantum"))
    assert "'quantum'" in caplog.text
    assert nothing[0][0].shape == said[0][0].shape and not nothing[0][0].any()


def test_the_clip_is_unloaded_and_loaded_like_any(reader):
    before = reader.encode_from_tokens(reader.tokenize("wood"))
    management.unload_all_models()
    assert torch.equal(reader.encode_from_tokens(reader.clone().tokenize("wood")), before)


def test_a_take_is_told_its_own_length(model, control, reader):
    noise = torch.zeros(1, 32, control.latent_shape(4.2)[0])
    said = reader.encode_from_tokens(reader.tokenize("wood"))
    given = {"noise": noise, "device": torch.device("cpu"), "cross_attn": said}
    made = model.model.extra_conds(**given)
    tokens, _ = control.timing(4.2, 1)
    assert relative(made["c_crossattn"].cond[:, -2:], tokens) < 1e-5
    other = model.model.extra_conds(**given, seconds_total=7)
    assert relative(other["c_crossattn"].cond[:, -2:], control.timing(7.0, 1)[0]) < 1e-5


@pytest.mark.parametrize("dtype", ["bfloat16", "fp8_e4m3fn"])
def test_weights_of_fewer_bits_make_nearly_the_same(call, model, reader, dtype):
    said = [reader.encode_from_tokens_scheduled(reader.tokenize(text)) for text in ("wood", "")]
    noise = torch.randn(1, 60, 32, generator=torch.Generator().manual_seed(0))
    rounded = call("LoadBackbone", name=BACKBONE, weight_dtype=dtype)[0]
    inner = rounded.model.diffusion_model
    stored = inner.transformer.layers[0].self_attn.to_qkv.weight.dtype
    assert stored == {"bfloat16": torch.bfloat16}.get(dtype, torch.float8_e4m3fn)
    assert inner.transformer.rotary_pos_emb.inv_freq.dtype == torch.float32
    off = relative(take(rounded, said, noise), take(model, said, noise))
    assert 0 < off < (0.05 if dtype == "bfloat16" else 0.5)


def test_another_model_of_the_same_file_is_made_for_what_cannot_be_dynamic(model):
    factory, given = model.cached_patcher_init
    plain = factory(*given, disable_dynamic=True)
    assert type(plain) is comfy.model_patcher.ModelPatcher and plain.model is not model.model


def test_t5_is_comfyui_s_own(call, monkeypatch, weights):
    asked = {}
    monkeypatch.setattr(comfy.sd, "load_clip", lambda paths, **given: asked.update(given) or paths)
    path = weights / "t5.safetensors"
    assert words.load_words(TEXT_ENCODERS["t5_base"], path) == [str(path)]
    assert asked["clip_type"] == comfy.sd.CLIPType.STABLE_AUDIO


def test_the_small_relative_is_refused(call, weights, published):
    tensors = {k: v for k, v in native_tensors(published).items() if not k.startswith(BRIDGE)}
    tensors = {k: v for k, v in tensors.items() if ".seconds_start." not in k}
    path = weights / "random_small.safetensors"
    figures = record(replace(PUBLISHED, objective="flow", start=False))
    save(path, tensors, {"family": "stable_audio", **figures}, torch.float32)
    with pytest.raises(FoleyError, match="Stable Audio Open Small"):
        call("LoadBackbone", name=path.name, weight_dtype="float32")
    path.unlink()


def test_nodes_of_the_pack_s_own_models_say_what_to_use(call, model):
    for name, given in (("Conditioning", {}), ("Guider", {"positive": [], "negative": []})):
        with pytest.raises(FoleyError, match="KSampler"):
            call(name, model=model, **given)
