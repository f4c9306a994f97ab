"""The family of a file from its keys, for every golden manifest."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import case as golden
import pytest
import torch
from foleystage.core import recognition
from foleystage.core.recognition import detect, detect_shapes
from foleystage.core.weights.families import Family
from safetensors.torch import save_file

EXPECTED = {
    "mmaudio_net_small_16k_full": ("mmaudio", "small_16k"),
    "mmaudio_net_small_44k_full": ("mmaudio", "small_44k"),
    "mmaudio_net_medium_44k_full": ("mmaudio", "medium_44k"),
    "mmaudio_net_large_44k_full": ("mmaudio", "large_44k"),
    "mmaudio_net_large_44k_v2_full": ("mmaudio", "large_44k_v2"),
    "ac_foley_net_full": ("ac_foley", ""),
    "mdsgen_b2": ("mdsgen", "b"),
    "stable_audio_dit_full": ("stable_audio", "network"),
    "dfn5b_clip": ("clip", "vit-h-14, open_clip"),
    "synchformer_visual": ("synchformer", "visual"),
    "cavp_full": ("cavp", ""),
    "vjepa2_full": ("vjepa2", "l"),
    "mmaudio_vae_16k_full": ("mmaudio_vae", "16k"),
    "mmaudio_vae_44k_full": ("mmaudio_vae", "44k"),
    "bigvgan_16k_full": ("bigvgan", "16k"),
    "bigvgan_v2_44k_full": ("bigvgan", "44k"),
    "audioldm_hifigan": ("hifigan", "audioldm"),
    "hifigan_22k": ("hifigan", "22k"),
    "specvqgan_melgan": ("melgan", ""),
    "specvqgan_codec": ("specvqgan", ""),
    "audioldm_vae": ("audioldm_vae", ""),
    "sd_vae_mel_full": ("image_vae", ""),
    "oobleck_vae_full": ("oobleck", ""),
    "dac_vae_hunyuan_full": ("dac_vae", ""),
}


def shapes_of(name):
    if not (golden.HERE / f"{name}.json").is_file():
        pytest.skip("this golden case is not in the repository")
    return {key: tuple(shape) for key, shape in golden.load(name).shapes().items()}


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("wrapper", ["", "module."])
def test_every_public_file_is_known_by_its_keys(name, wrapper):
    shapes = {wrapper + key: shape for key, shape in shapes_of(name).items()}
    assert detect_shapes(shapes) == Family(*EXPECTED[name])


@pytest.mark.parametrize("base", ["S16", "L44_V2"])
def test_mmaudio_with_an_input_embedding_is_foleygenex(base):
    from foleystage.core import generators
    from foleystage.core.generators.foleygenex import FoleyGenEx, FoleyGenExConfig

    config = FoleyGenExConfig.of(getattr(generators, base))
    with torch.device("meta"):
        network = FoleyGenEx(config)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert detect_shapes(shapes).name == "foleygenex"
    without = {key: shape for key, shape in shapes.items() if not key.startswith("input_embed.")}
    assert detect_shapes(without).name == "mmaudio"


def test_transformers_clip_is_not_taken_for_open_clip():
    shapes = {"vision_model.embeddings.patch_embedding.weight": (1280, 3, 14, 14)}
    shapes["text_model.embeddings.token_embedding.weight"] = (49408, 1024)
    assert detect_shapes(shapes) == Family("clip", "vit-h-14, transformers")


@pytest.mark.parametrize(("channels", "family"), [(1, "audioldm_vae"), (3, "image_vae")])
def test_an_autoencoder_is_known_inside_a_latent_diffusion_checkpoint(channels, family):
    shapes = {"first_stage_model.encoder.conv_in.weight": (128, channels, 3, 3)}
    shapes["model.diffusion_model.input_blocks.0.0.weight"] = (320, 4, 3, 3)
    assert detect_shapes(shapes) == Family(family, "latent diffusion")


def test_stable_audio_in_one_file_is_not_taken_for_its_codec():
    network = shapes_of("stable_audio_dit_full")
    codec, timing = shapes_of("oobleck_vae_full"), shapes_of("sa_number_conditioner")
    assert detect_shapes(codec) == Family("oobleck")
    assert detect_shapes({**codec, **network}) == Family("stable_audio", "with codec")
    assert detect_shapes({**codec, **network, **timing}) == Family("stable_audio", "1.0")


def test_a_file_is_of_one_family_whatever_the_order_of_asking():
    """Of the whole files that a family's own rule may take, only Stable Audio's is two."""
    rules = {
        family: importlib.import_module(f"foleystage.core.{module}").recognise
        for family, module in recognition._RULES.items()
    }
    for name in EXPECTED:
        shapes = shapes_of(name)
        named = [family for family, rule in rules.items() if rule(shapes) is not None]
        assert named in ([], [EXPECTED[name][0]]), name


SIZES = {
    ("vjepa2", "h"): {
        "encoder.embeddings.patch_embeddings.proj.weight": (1280, 3, 2, 16, 16),
        "encoder.layer.0.norm1.weight": (1280,),
    },
    ("vjepa2", "g"): {
        "patch_embed.proj.weight": (1408, 3, 2, 16, 16),
        "blocks.0.norm1.weight": (1408,),
    },
    ("t5", "768"): {"encoder.block.0.layer.0.SelfAttention.q.weight": (768, 768)},
    ("clap", "transformers"): {"audio_model.audio_encoder.batch_norm.weight": (64,)},
    ("clap", "laion"): {"audio_branch.bn0.weight": (64,), "text_branch.pooler.dense.bias": (768,)},
    ("synchformer", "whole"): {
        "vfeat_extractor.cls_token": (1, 1, 768),
        "afeat_extractor.cls_token": (1, 1, 768),
    },
    ("hifigan", ""): {"conv_pre.parametrizations.weight.original1": (512, 100, 7)},
    ("clip", "width 768, open_clip"): {
        "visual.conv1.weight": (768, 3, 32, 32),
        "transformer.resblocks.0.ln_1.weight": (512,),
    },
}


@pytest.mark.parametrize("family", SIZES)
def test_sizes_and_layouts_show_in_a_few_keys(family):
    assert detect_shapes(SIZES[family]) == Family(*family)


def test_codecs_are_imported_when_a_file_is_first_asked_of():
    code = "import sys, conftest, foleystage.core.recognition; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "foleystage.core.recognition" in loaded
    assert "foleystage.core.codecs.public" not in loaded


def test_what_is_unknown_is_none():
    assert detect_shapes({"foo.weight": (3, 3)}) is None
    assert detect_shapes({}) is None


def test_a_file_that_says_what_it_is_is_believed(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"family": "ac_foley_mini"})
    assert str(detect(path)) == "ac_foley_mini"


def test_the_name_of_a_file_says_nothing(tmp_path):
    tensors = {k: torch.zeros(s) for k, s in golden.load("mmaudio_net_v2").shapes().items()}
    torch.save(tensors, tmp_path / "synchformer_state_dict.pth")
    assert detect(tmp_path / "synchformer_state_dict.pth").name == "mmaudio"
