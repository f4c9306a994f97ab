"""The public codecs with few channels and random weights: the same code, fast enough for tests."""

from __future__ import annotations

import torch
from foleystage.core.codecs import audioldm, image_vae, mmaudio, specvqgan
from foleystage.core.codecs.bigvgan import BigVGANConfig
from foleystage.core.codecs.dac_vae import DACVAECodec, DACVAEConfig
from foleystage.core.codecs.hifigan import HiFiGANConfig
from foleystage.core.codecs.kl_vae import KLVAEConfig
from foleystage.core.codecs.mel import (
    AUDIOLDM_MEL,
    DIFF_FOLEY_MEL,
    HIFIGAN_MEL_22K,
    MMAUDIO_MEL_16K,
    MMAUDIO_MEL_44K,
    SPECVQGAN_MEL,
)
from foleystage.core.codecs.mel_vae import MelVAEConfig
from foleystage.core.codecs.melgan import MelGANConfig
from foleystage.core.codecs.oobleck import OobleckConfig
from foleystage.core.codecs.picture import PictureCodecConfig
from foleystage.core.codecs.stable_audio import StableAudioCodec

WIDTH = 64


def mmaudio_16k(**options):
    vocoder = BigVGANConfig(80, (4, 4, 2, 2, 2, 2), (8, 8, 4, 4, 4, 4), "tanh", True, WIDTH)
    vae = MelVAEConfig(80, 20, 16)
    config = mmaudio.MMAudioCodecConfig("mmaudio-16k", MMAUDIO_MEL_16K, vae, vocoder)
    return mmaudio.MMAudioCodec(config, **options)


def mmaudio_44k(**options):
    vocoder = BigVGANConfig(128, (8, 4, 2, 2, 2, 2), (16, 8, 4, 4, 4, 4), "clamp", False, WIDTH)
    vae = MelVAEConfig(128, 40, 16)
    config = mmaudio.MMAudioCodecConfig("mmaudio-44k", MMAUDIO_MEL_44K, vae, vocoder)
    return mmaudio.MMAudioCodec(config, **options)


def audioldm_codec(*, window=1500, **options):
    vae = KLVAEConfig(1, 8, (8, 8, 16), groups=4)
    vocoder = HiFiGANConfig(64, 64, (5, 4, 2, 2, 2), (16, 16, 8, 4, 4))
    config = PictureCodecConfig(AUDIOLDM_MEL, vae, vocoder, window)
    return audioldm.AudioLDMCodec(config, **options)


def image_vae_codec(*, vocoder=None, window=470, **options):
    vae = KLVAEConfig(3, 4, (8, 8, 8, 8), groups=4)
    config = PictureCodecConfig(DIFF_FOLEY_MEL, vae, vocoder, window)
    return image_vae.ImageVAECodec(config, **options)


def _token_codec(mel, vocoder, window, options):
    vae = KLVAEConfig(1, 8, (8, 8, 8, 8, 8), groups=4, attention_levels=(4,), codes=64)
    config = PictureCodecConfig(mel, vae, vocoder, window)
    return specvqgan.SpecVQGANCodec(config, **options)


def specvqgan_codec(*, window=320, **options):
    return _token_codec(SPECVQGAN_MEL, MelGANConfig(channels=4), window, options)


def specmaskgit_codec(**options):
    vocoder = HiFiGANConfig(80, 64, (8, 8, 2, 2), (16, 16, 4, 4))
    return _token_codec(HIFIGAN_MEL_22K, vocoder, 320, options)


def stable_audio(**options):
    return StableAudioCodec(OobleckConfig(channels=4, latent_dim=8), **options)


def dac_vae(**options):
    return DACVAECodec(DACVAEConfig(4, 64, latent_dim=16), **options)


MAKERS = {
    "mmaudio-16k": mmaudio_16k,
    "mmaudio-44k": mmaudio_44k,
    "audioldm": audioldm_codec,
    "image-vae": image_vae_codec,
    "specvqgan-22k": specvqgan_codec,
    "specmaskgit-22k": specmaskgit_codec,
    "stable-audio": stable_audio,
    "dac-vae": dac_vae,
}


def small_codec(name, **options):
    """A codec with its random weights drawn the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MAKERS[name](**options).eval().requires_grad_(False)


def random_latent(codec, frames, batch=1):
    generator = torch.Generator().manual_seed(frames)
    shape = (batch, frames, codec.latent_dim)
    if codec.token_codes is None:
        return torch.randn(shape, generator=generator)
    return torch.randint(codec.token_codes, shape, generator=generator)
