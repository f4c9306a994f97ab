"""Shapes by name of a file of every family, as they are."""

from __future__ import annotations

import functools

import case as golden
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.load import read_shapes
from foleystage.core.weights.minis import mini_path

MINIS = (
    "ac_foley_mini",
    "foleygenex_mini",
    "mdsgen_mini",
    "specmaskfoley_mini",
    "stable_audio_mini",
    "foley_control_mini",
)
PUBLIC = (
    "mmaudio_net_small_16k_full",
    "ac_foley_net_full",
    "mdsgen_b2",
    "dfn5b_clip",
    "vjepa2_full",
    "mmaudio_vae_16k_full",
    "bigvgan_16k_full",
    "hifigan_22k",
    "specvqgan_melgan",
    "specvqgan_codec",
    "audioldm_vae",
    "sd_vae_mel_full",
    "oobleck_vae_full",
)
FAMILIES = (*MINIS, *(name for name in PUBLIC if (golden.HERE / f"{name}.json").is_file()))


@functools.cache
def known(name):
    if name in MINIS:
        path = mini_path(name)
        return read_shapes(path), read_metadata(path)
    return {key: tuple(shape) for key, shape in golden.load(name).shapes().items()}, {}


def keys_that_matter(shapes):
    """Those that are read: beside the first of a block, few are."""
    return sorted(key for key in shapes if not any(f".{n}." in key for n in range(4, 40)))
