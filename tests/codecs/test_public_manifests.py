"""Every key and shape of the public files is what the networks take, nothing more or less."""

from __future__ import annotations

import pytest
import torch
from case import load
from foleystage.core.codecs.public import CODECS

MANIFESTS = [
    ("mmaudio-16k", "vae", "mmaudio_vae_16k_full"),
    ("mmaudio-44k", "vae", "mmaudio_vae_44k_full"),
    ("mmaudio-16k", "vocoder", "bigvgan_16k_full"),
    ("mmaudio-44k", "vocoder", "bigvgan_v2_44k_full"),
    ("audioldm", "vae", "audioldm_vae"),
    ("audioldm", "vocoder", "audioldm_hifigan"),
    ("image-vae", "vae", "sd_vae_mel_full"),
    ("specvqgan-22k", "vae", "specvqgan_codec"),
    ("specvqgan-22k", "vocoder", "specvqgan_melgan"),
    ("specmaskgit-22k", "vocoder", "hifigan_22k"),
    ("stable-audio", "vae", "oobleck_vae_full"),
    ("dac-vae", "vae", "dac_vae_hunyuan_full"),
]


def on_meta(shapes):
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


@pytest.mark.parametrize(("codec", "part", "manifest"), MANIFESTS)
def test_network_takes_exactly_the_public_keys_and_shapes(codec, part, manifest):
    with torch.device("meta"):
        network = getattr(CODECS[codec](), part)
    state = network.public_state(on_meta(load(manifest).shapes()))
    assert {k: v.shape for k, v in state.items()} == {
        k: v.shape for k, v in network.state_dict().items()
    }


@pytest.mark.parametrize(("codec", "part", "manifest"), MANIFESTS)
def test_weight_norm_under_its_other_name_gives_the_same_keys(codec, part, manifest):
    names = (
        (".weight_g", ".parametrizations.weight.original0"),
        (".weight_v", ".parametrizations.weight.original1"),
    )
    shapes = load(manifest).shapes()
    old_names = any(key.endswith(names[0][0]) for key in shapes)
    renamed = {}
    for key, shape in shapes.items():
        for old, new in names:
            key = key.replace(old, new) if old_names else key.replace(new, old)
        renamed[key] = shape
    with torch.device("meta"):
        network = getattr(CODECS[codec](), part)
    state = network.public_state(on_meta(renamed))
    assert state.keys() == network.state_dict().keys()
