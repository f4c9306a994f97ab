"""The family of a file from its keys, for every golden manifest."""

from __future__ import annotations

import case as golden
import pytest
import torch
from foleystage.core.weights.detect import Family, detect, detect_shapes
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
    "diff_foley_classifier": ("diff_foley_classifier", ""),
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


def test_transformers_clip_is_told_from_open_clip():
    shapes = {"vision_model.embeddings.patch_embedding.weight": (1280, 3, 14, 14)}
    shapes["text_model.embeddings.token_embedding.weight"] = (49408, 1024)
    assert detect_shapes(shapes) == Family("clip", "vit-h-14, transformers")


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
