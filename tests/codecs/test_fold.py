"""Public state dicts: weight norm folded, prefixes off, original names as diffusers'."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.codecs.hifigan import HiFiGAN, HiFiGANConfig
from foleystage.core.codecs.kl_vae import KLVAE, KLVAEConfig
from foleystage.core.codecs.mel_vae import unit_filters
from foleystage.core.codecs.oobleck import Oobleck, OobleckConfig
from foleystage.core.errors import FoleyError
from foleystage.core.weights.fold import fold_weight_norm, strip_prefix
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

LAYERS = [
    lambda: nn.Conv1d(3, 5, 7),
    lambda: nn.ConvTranspose1d(3, 5, 4, stride=2),
    lambda: nn.Conv2d(2, 4, 3),
    lambda: nn.Linear(4, 6),
    lambda: nn.Conv1d(3, 1, 7),
]


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("old_names", [False, True])
def test_folded_weight_is_what_torch_calculates(make, old_names):
    torch.manual_seed(0)
    layer = weight_norm(make())
    with torch.no_grad():
        layer.parametrizations.weight.original0.mul_(1.7)
    state = {f"net.{k}": v for k, v in layer.state_dict().items()}
    if old_names:
        state = {
            k.replace("parametrizations.weight.original0", "weight_g").replace(
                "parametrizations.weight.original1", "weight_v"
            ): v
            for k, v in state.items()
        }
    folded = fold_weight_norm(state)
    assert folded.keys() == {"net.weight", "net.bias"}
    torch.testing.assert_close(folded["net.weight"], layer.weight)


def test_folding_leaves_other_tensors_and_its_argument_alone():
    state = {
        "a.weight": torch.ones(2),
        "b.weight_g": torch.ones(2, 1),
        "b.weight_v": torch.ones(2, 3),
    }
    folded = fold_weight_norm(state)
    assert folded["a.weight"] is state["a.weight"]
    assert set(state) == {"a.weight", "b.weight_g", "b.weight_v"}
    assert fold_weight_norm(folded).keys() == folded.keys()


def test_half_a_weight_norm_is_an_error():
    with pytest.raises(FoleyError, match="weight_v"):
        fold_weight_norm({"a.weight_g": torch.ones(2, 1)})


def test_the_first_prefix_that_occurs_is_taken_off_and_the_rest_dropped():
    state = {"vae.a": torch.ones(1), "unet.a": torch.zeros(1)}
    assert strip_prefix(state, ("first.", "vae.")).keys() == {"a"}
    assert strip_prefix(state, ("first.",)).keys() == state.keys()


def test_unit_filters_have_unit_norm_but_for_the_guard():
    weight = unit_filters(torch.randn(6, 4, 3) * 50)
    torch.testing.assert_close(weight.norm(dim=(1, 2)), torch.ones(6), rtol=1e-4, atol=0)


def test_original_names_of_an_autoencoder_fill_it():
    config = KLVAEConfig(1, 4, (4, 4, 8), groups=2, attention_levels=(2,))
    vae = KLVAE(config)
    state = vae.state_dict()
    renames = (
        ("down_blocks.", "down."),
        ("mid_block.resnets.0", "mid.block_1"),
        ("mid_block.resnets.1", "mid.block_2"),
        ("mid_block.attentions.0", "mid.attn_1"),
        (".resnets.", ".block."),
        (".attentions.", ".attn."),
        ("downsamplers.0", "downsample"),
        ("upsamplers.0", "upsample"),
        ("conv_shortcut", "nin_shortcut"),
        ("conv_norm_out", "norm_out"),
        ("group_norm", "norm"),
        ("to_out.0", "proj_out"),
        ("to_", ""),
    )
    original = {}
    for key, value in state.items():
        name = key
        for level in range(3):
            name = name.replace(f"up_blocks.{level}.", f"UP.{2 - level}.")
        for new, old in renames:
            name = name.replace(new, old)
        if ".attn" in name and value.ndim == 2:
            value = value[:, :, None, None]
        original["first_stage_model." + name.replace("UP.", "up.")] = value
    original["model.diffusion_model.x"] = torch.zeros(1)
    got = KLVAE.public_state(original)
    assert got.keys() == state.keys()
    assert all(torch.equal(got[k], state[k]) for k in state)


def test_older_diffusers_attention_names_are_known():
    names = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    for old, new in names.items():
        key = "encoder.mid_block.attentions.0.{}.weight"
        got = KLVAE.public_state({key.format(old): torch.zeros(4, 4)})
        assert list(got) == [key.format(new)]


def test_original_hifigan_names_fill_the_generator():
    network = HiFiGAN(HiFiGANConfig(8, 8, (2, 2), (4, 4)))
    state = network.state_dict()
    original = {k.replace("upsampler.", "ups."): v for k, v in state.items()}
    assert HiFiGAN.public_state(original).keys() == state.keys()


@pytest.mark.parametrize("prefix", ["", "pretransform.model.", "autoencoder."])
def test_oobleck_is_found_in_a_whole_checkpoint(prefix):
    state = Oobleck(OobleckConfig(channels=2, latent_dim=2)).state_dict()
    file = {prefix + k: v for k, v in state.items()}
    if prefix:
        file["model.model.layer.weight"] = torch.zeros(1)
    assert Oobleck.public_state(file).keys() == state.keys()
