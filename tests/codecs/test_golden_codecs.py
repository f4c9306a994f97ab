"""The networks of the public codecs give the numbers that the papers' own code gives."""

from __future__ import annotations

import pytest
import torch
from case import load
from foleystage.core.codecs import (
    bigvgan,
    dac_vae,
    hifigan,
    kl_vae,
    mel,
    mel_vae,
    melgan,
    oobleck,
)
from procedural import randn


def filled(network, state):
    network.load_state_dict(state)
    return network.eval()


@pytest.mark.parametrize("name", ["16k", "44k"])
def test_mmaudio_mel(name):
    case = load(f"mmaudio_mel_{name}")
    config = mel.MMAUDIO_MEL_16K if name == "16k" else mel.MMAUDIO_MEL_44K
    wave = case.input("wave")
    assert case.error("mel_basis", config.filters()) < 1e-6
    assert case.error("mel", mel.mel_spectrogram(wave, config)) < case.tolerance
    loud = mel.mel_spectrogram(case.input("wave_loud"), config)
    assert case.error("mel_loud", loud) < case.tolerance
    silence = mel.mel_spectrogram(torch.zeros_like(wave[:1]), config)
    assert case.error("mel_silence", silence[..., :4]) < case.tolerance


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("audioldm_mel", mel.AUDIOLDM_MEL),
        ("hifigan_mel_22k", mel.HIFIGAN_MEL_22K),
    ],
)
def test_hifigan_mels(name, config):
    case = load(name)
    got = mel.mel_spectrogram(case.input("wave")[None], config)
    assert case.error("mel", got) < case.tolerance


def test_specvqgan_mel():
    case = load("specvqgan_mel")
    got = mel.mel_spectrogram(case.input("wave")[None], mel.SPECVQGAN_MEL)
    assert got.shape[-1] == 862
    assert case.error("mel", got[..., :860]) < case.tolerance
    filters = mel.SPECVQGAN_MEL.filters()
    assert case.error("mel_basis_row_sums", filters.sum(1)) < 1e-6
    assert case.error("mel_basis_rows_0_40_79", filters[[0, 40, 79]]) < 1e-6


def test_diff_foley_mel():
    case = load("diff_foley_mel")
    got = mel.mel_spectrogram(case.input("wave")[None, :-1], mel.DIFF_FOLEY_MEL)
    assert case.error("mel", got) < case.tolerance


@torch.no_grad()
@pytest.mark.parametrize("name", ["16k", "44k"])
def test_mmaudio_vae(name):
    case = load(f"mmaudio_vae_{name}")
    sizes = case.config["constructor"]
    config = mel_vae.MelVAEConfig(sizes["data_dim"], sizes["embed_dim"], sizes["hidden_dim"])
    state = mel_vae.MelVAE.public_state(case.state_dict())
    published = {k: case.tensors[f"published.{k}"] for k in ("data_mean", "data_std")}
    for suffix, constants in (("", {}), ("_published_constants", published)):
        shaped = {k: v.reshape(state[k].shape) for k, v in constants.items()}
        vae = filled(mel_vae.MelVAE(config), {**state, **shaped})
        mean, std = vae.encode(case.input("mel"))
        assert case.error("encode_mean" + suffix, mean) < case.tolerance
        assert case.error("encode_std" + suffix, std) < case.tolerance
        assert case.error("decode" + suffix, vae.decode(case.input("z"))) < case.tolerance


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "config"),
    [("bigvgan_16k", bigvgan.BIGVGAN_16K), ("bigvgan_v2_44k", bigvgan.BIGVGAN_V2_44K)],
)
def test_bigvgan(name, config):
    from dataclasses import replace

    case = load(name)
    sizes = case.config["constructor"]
    config = replace(config, channels=sizes["upsample_initial_channel"])
    assert list(config.rates) == sizes["upsample_rates"]
    state = bigvgan.BigVGAN.public_state(case.state_dict())
    network = filled(bigvgan.BigVGAN(config), state)
    assert case.error("before_final", network.before_final(case.input("mel"))) < case.tolerance
    assert case.error("wave", network(case.input("mel"))) < case.tolerance


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "config"),
    [
        pytest.param("audioldm_hifigan", hifigan.HIFIGAN_AUDIOLDM, marks=pytest.mark.slow),
        ("hifigan_22k", hifigan.HIFIGAN_22K),
    ],
)
def test_hifigan(name, config):
    case = load(name)
    network = filled(hifigan.HiFiGAN(config), hifigan.HiFiGAN.public_state(case.state_dict()))
    wave = network((randn(f"{name}.mel", case.info["inputs"]["mel"]["shape"]) * 2 - 4).T[None])
    assert case.error("wave", wave) < case.tolerance


@torch.no_grad()
def test_melgan():
    case = load("specvqgan_melgan")
    state = melgan.MelGAN.public_state(case.state_dict())
    network = filled(melgan.MelGAN(), state)
    assert sum(v.numel() for v in case.state_dict().values()) == case.info["parameters"]
    x = randn("specvqgan_melgan.mel", case.info["inputs"]["mel"]["shape"]).sigmoid()
    assert case.error("wave", network(x)) < case.tolerance


@torch.no_grad()
@pytest.mark.slow
def test_audioldm_vae():
    case = load("audioldm_vae")
    vae = filled(kl_vae.KLVAE(kl_vae.AUDIOLDM_VAE), kl_vae.KLVAE.public_state(case.state_dict()))
    moments = vae.moments(randn("audioldm_vae.mel", (1, 1, 64, 32)))
    assert case.error("moments", moments) < case.tolerance
    mean, logvar = kl_vae.mean_and_logvar(moments)
    assert case.error("mean", mean) < case.tolerance
    assert case.error("logvar", logvar) < case.tolerance
    decoded = vae.decode(randn("audioldm_vae.latent", (1, 8, 16, 4)))
    assert case.error("decoded", decoded) < case.tolerance


@torch.no_grad()
def test_image_vae():
    case = load("sd_vae_mel")
    c = case.config
    config = kl_vae.KLVAEConfig(
        3, 4, tuple(c["block_out_channels"]), c["layers_per_block"], c["norm_num_groups"]
    )
    vae = filled(kl_vae.KLVAE(config), kl_vae.KLVAE.public_state(case.state_dict()))
    picture = randn("sd_vae_mel.mel", (1, 128, 64)).sigmoid()[:, None].expand(-1, 3, -1, -1)
    mean, logvar = kl_vae.mean_and_logvar(vae.moments(picture))
    assert case.error("mean", mean) < case.tolerance
    assert case.error("logvar", logvar) < case.tolerance
    decoded = vae.decode(randn("sd_vae_mel.latent", (1, 4, 16, 8)))
    assert case.error("decoded", decoded) < case.tolerance
    assert case.error("decoded_mel", decoded[:, 1]) < case.tolerance


@torch.no_grad()
@pytest.mark.slow
def test_specvqgan_codec():
    case = load("specvqgan_codec")
    vae = filled(kl_vae.KLVAE(kl_vae.SPECVQGAN_VAE), kl_vae.KLVAE.public_state(case.state_dict()))
    vectors = vae.moments(case.input("mel"))
    assert case.error("pre_quant", vectors) < case.tolerance
    indices = vae.quantize.nearest(vectors)
    assert (indices == case.tensors["indices"].reshape(indices.shape)).sum() >= 264
    wanted = case.tensors["indices"].long().reshape(1, 5, 53)
    assert case.error("decoded", vae.decode(vae.quantize.vectors(wanted))) < case.tolerance
    fixed = case.input("fixed_indices").long()
    assert case.error("decoded_fixed", vae.decode(vae.quantize.vectors(fixed))) < case.tolerance


@torch.no_grad()
def test_oobleck():
    case = load("oobleck_vae")
    config = oobleck.OobleckConfig(channels=8, latent_dim=8)
    network = filled(oobleck.Oobleck(config), oobleck.Oobleck.public_state(case.state_dict()))
    # The case's input and output of the same name: `input` would give the output.
    moments = network.moments(randn("oobleck_vae.audio", (1, 2, 20480)) * 0.3)
    assert case.error("encoder_out", moments) < case.tolerance
    mean, scale = moments.chunk(2, dim=1)
    assert case.error("mean", mean) < case.tolerance
    assert case.error("stdev", network.deviation(scale)) < case.tolerance
    assert case.error("audio", network.decode(case.input("z"))) < case.tolerance


@torch.no_grad()
def test_dac_vae():
    case = load("dac_vae_hunyuan")
    config = dac_vae.DACVAEConfig(4, 64, (2, 3, 4), 16)
    network = filled(dac_vae.DACVAE(config), dac_vae.DACVAE.public_state(case.state_dict()))
    audio = randn("dac_vae_hunyuan.audio", (1, 1, 473)) * 0.03
    audio = torch.nn.functional.pad(audio, (0, 7))
    moments = network.moments(audio)
    assert case.error("moments", moments) < case.tolerance
    mean, logvar = moments.chunk(2, dim=1)
    assert case.error("mean", mean) < case.tolerance
    assert case.error("logvar", logvar.clamp(*dac_vae.LOGVAR_RANGE)) < case.tolerance
    latent = case.input("z")
    before_tanh = network.decoder(network.post_quant_conv(latent))
    assert case.error("pre_tanh", before_tanh) < case.tolerance
    assert case.error("audio", network.decode(latent)) < case.tolerance
