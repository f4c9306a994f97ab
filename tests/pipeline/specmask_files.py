"""Files of SpecMaskFoley and SpecMaskGIT and of all their parts, at a reduced size."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from family import CLIP, filled, seeded
from foleystage.core.catalog import TEXT_ENCODERS
from foleystage.core.codecs.hifigan import HIFIGAN_22K, HiFiGAN
from foleystage.core.codecs.kl_vae import KLVAE, KLVAEConfig
from foleystage.core.encoders.clap import Clap
from foleystage.core.encoders.clip import DFN5BClip
from foleystage.core.encoders.synchformer import SynchformerVisual
from foleystage.core.generators.specmaskfoley import SPECMASKFOLEY, SpecMaskFoley
from foleystage.core.generators.specmaskfoley_checkpoint import record
from foleystage.core.generators.specmaskgit import CODEC_VARIANT, SPECMASKGIT, SpecMaskGIT
from foleystage.core.weights.files import save
from small_clap import CLAP, write_tokenizer

SYNC_DIM = 64
SMALL = {"hidden_dim": 32, "num_heads": 2, "depth": 3, "words_dim": 8}
PICTURE = {
    "control_depth": 2,
    "projection_dim": 16,
    "clip_dim": CLIP.embed_dim,
    "sync_dim": SYNC_DIM,
}
VQGAN = KLVAEConfig(1, 16, (32,) * 5, blocks=1, attention_levels=(4,), codes=1024)


def with_small_clap(patch: pytest.MonkeyPatch) -> None:
    """The catalogue's CLAP is of the size of the file that `write_encoders` writes."""
    small = replace(TEXT_ENCODERS["clap_text"], load=partial(Clap.load, config=CLAP))
    patch.setitem(TEXT_ENCODERS, "clap_text", small)


def write_systems(folder: Path) -> None:
    """The generators and the autoencoder of their codec; `public` is one of another mel."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name, kind, config in (
            ("specmaskgit", SpecMaskGIT, replace(SPECMASKGIT, **SMALL)),
            ("specmaskfoley", SpecMaskFoley, replace(SPECMASKFOLEY, **SMALL, **PICTURE)),
        ):
            net = kind(config, rng=seeded())
            for value in net.parameters():
                value.data += torch.randn(value.shape) / 5
            save(folder / f"{name}.safetensors", net.state_dict(), record(config), torch.float32)
    rng, vae = seeded(1), KLVAE(VQGAN, device="meta").state_dict()
    drawn = {k: torch.randn(v.shape, generator=rng) * 0.1 for k, v in vae.items()}
    about = {"family": "specvqgan", "variant": CODEC_VARIANT}
    save(folder / "specmaskgit_vqgan.safetensors", drawn, about)
    save(folder / "public.safetensors", drawn, {})


def write_encoders(folder: Path) -> None:
    """CLAP, CLIP, Synchformer and HiFi-GAN, under names by which they are found."""
    transformers = pytest.importorskip("transformers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        clap = transformers.ClapModel(transformers.ClapConfig(**CLAP))
    write_tokenizer(folder / "clap")
    state = {k: v.contiguous() for k, v in clap.state_dict().items()}
    save(folder / "clap" / "model.safetensors", state, {}, torch.float32)
    save(folder / "hifigan_22k.safetensors", filled(HiFiGAN(HIFIGAN_22K, device="meta")), {})
    save(folder / "dfn5b_clip.safetensors", filled(DFN5BClip(CLIP, device="meta")), {})
    sync = filled(SynchformerVisual(SYNC_DIM, 1, device="meta"), "vfeat_extractor.")
    torch.save(sync, folder / "synchformer_state_dict.pth")
