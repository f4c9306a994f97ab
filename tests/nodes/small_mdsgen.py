"""Published MDSGen's files with a small net, and stand-ins for its encoder and its codec."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
from foleystage.core.encoders.cavp import CavpVideo
from safetensors.torch import save_file

TINY = {"depth": 2, "decode_layer": 1, "hidden_dim": 192, "num_heads": 3}


@contextlib.contextmanager
def small_sizes():
    """MDSGen-T is shallow while this lasts."""
    patch = pytest.MonkeyPatch()
    sizes = import_module("foleystage.core.generators.mdsgen_config")._SIZES
    patch.setitem(sizes, "t", TINY)
    yield
    patch.undo()


def write_mdsgen(folder: Path) -> None:
    """MDSGen-T under the name by which the published file is found, one on the image codec, a mini
    of one's own, and empty files of the other parts. Within `small_sizes`."""
    from foleystage.core.generators import MDSGen, mdsgen_config
    from foleystage.core.generators.mdsgen_mini import MDSGenMini, mdsgen_mini

    with torch.inference_mode(False):
        rng = torch.Generator().manual_seed(0)
        for codec, name in (("audioldm", "mdsgen_b"), ("image-vae", "pictures")):
            net = MDSGen(mdsgen_config("t", codec), rng=rng)
            for value in net.parameters():
                value.data += torch.randn(value.shape, generator=rng) * 0.02
            save_file(net.state_dict(), folder / f"{name}.safetensors")
        mini = MDSGenMini(mdsgen_mini(depth=3, hidden_dim=32, num_heads=2, side_block=False))
        figures = {"depth": 3, "hidden_dim": 32, "num_heads": 2}
        about = {"family": "mdsgen", "figures": json.dumps(figures)}
        save_file(mini.state_dict(), folder / "own_mini.safetensors", about)
    others = {
        "cavp": {"family": "cavp"},
        "audioldm_vae": {"family": "audioldm_vae"},
        "audioldm_hifigan": {"family": "hifigan", "variant": "audioldm"},
    }
    for name, about in others.items():
        save_file({"anchor": torch.zeros(1)}, folder / f"{name}.safetensors", about)


class Levels(torch.nn.Module):
    """A latent's mean as the sound, below full scale."""

    sample_rate, channels, latent_dim, samples_per_latent = 16000, 1, 128, 640

    def decode(self, latent):
        return latent.mean(2).tanh().repeat_interleave(640, dim=1)[:, None] / 2


class Brightness(CavpVideo):
    """Of a frame its mean brightness, as 512 numbers."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.anchor = torch.nn.Parameter(torch.ones(()))

    def window_bytes(self, frames):
        return frames

    def encode_batch(self, frames):
        shade = (frames.float() / 255).mean((2, 3, 4))[..., None]
        return torch.cos(shade * torch.arange(512.0) / 8) * self.anchor


def stand_in(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """`Brightness` and `Levels` in the catalogue, for the files of `write_mdsgen`."""
    from foleystage.core.catalog import CODECS, VIDEO_ENCODERS
    from foleystage.core.parts import StreamEncoder

    patch.setenv("FOLEYSTAGE_MODELS", str(folder))
    encoder = StreamEncoder(Brightness, lambda path, **made: Brightness())
    cavp = replace(VIDEO_ENCODERS["cavp"], encoders={"cavp": encoder})
    patch.setitem(VIDEO_ENCODERS, "cavp", cavp)
    codec = replace(CODECS["audioldm_codec"], load=lambda files, **made: Levels())
    patch.setitem(CODECS, "audioldm_codec", codec)
