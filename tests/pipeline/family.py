"""The five files of a model of the MMAudio family, at a reduced size, with procedural weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from foleystage.core.codecs.bigvgan import BIGVGAN_16K, BIGVGAN_V2_44K, BigVGAN
from foleystage.core.codecs.mel_vae import MEL_VAE_16K, MEL_VAE_44K, MelVAE
from foleystage.core.encoders.clip import ClipConfig, DFN5BClip
from foleystage.core.encoders.synchformer import SynchformerVisual
from foleystage.core.generators import (
    AC_FOLEY,
    L44,
    L44_V2,
    M44,
    S16,
    S44,
    ACFoley,
    MMAudio,
    MMAudioConfig,
)
from foleystage.core.generators.foleygenex import FOLEYGENEX, FoleyGenEx, FoleyGenExConfig
from foleystage.core.generators.foleygenex_checkpoint import record
from foleystage.core.weights.families import Family
from procedural import fill
from safetensors.torch import save_file

CLIP = ClipConfig(
    embed_dim=24,
    patch_size=54,
    vision_width=80,
    vision_layers=1,
    text_width=64,
    text_layers=1,
)
SMALL = {
    "hidden_dim": 64,
    "num_heads": 1,
    "depth": 3,
    "fused_depth": 1,
    "clip_dim": 24,
    "sync_dim": 64,
    "text_dim": 64,
}
CONFIGS = {
    "ac_foley": replace(AC_FOLEY, **SMALL),
    "mmaudio_small_16k": replace(S16, **SMALL),
    "mmaudio_large_44k": replace(L44, **SMALL),
    "mmaudio_large_44k_v2": replace(L44_V2, **SMALL),
}
# Published, and in most tests not on the machine.
OTHERS = {
    "mmaudio_small_44k": replace(S44, **SMALL),
    "mmaudio_medium_44k": replace(M44, **SMALL),
    "foleygenex": replace(FOLEYGENEX, **SMALL),
}


def filled(module: torch.nn.Module, prefix: str = "") -> dict[str, torch.Tensor]:
    """The module's keys under a prefix with procedural numbers; deviations stay positive."""
    tensors = {prefix + k: fill(prefix + k, v.shape) for k, v in module.state_dict().items()}
    return {k: v.abs() + 0.5 if k.endswith("_std") else v for k, v in tensors.items()}


def write_generator(name: str, folder: Path, config: MMAudioConfig | None = None) -> Path:
    """As published: a pickled file that also holds the tables that are not learned; of FoleyGenEx,
    which nobody publishes, as our training writes it."""
    config = config or CONFIGS[name]
    kind = ACFoley if config.reference_samples else MMAudio
    kind = FoleyGenEx if isinstance(config, FoleyGenExConfig) else kind
    tensors = filled(kind(config, device="meta"))
    if isinstance(config, FoleyGenExConfig):
        path = folder / f"{name}.safetensors"
        save_file(tensors, path, record(config))
        return path
    path = folder / f"{name}.pth"
    torch.save({**tensors, "t_embed.freqs": torch.zeros(4)}, path)
    return path


def write_part(folder: Path, name: str, family: Family) -> Path:
    """A file that says what it is, and holds nothing."""
    path = folder / f"{name}.safetensors"
    about = {"family": family.name, "variant": family.variant}
    save_file({"anchor": torch.zeros(1)}, path, about)
    return path


def calm(vocoder: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A random vocoder's weights, made less chaotic: else rounding alone changes its sound."""
    calmed = {}
    for key, value in vocoder.items():
        if key.endswith("alpha"):
            value = value - 2.5
        elif key == "conv_post.weight":
            value = value * 0.01
        elif value.ndim == 3 and "act" not in key and not key.startswith("conv_pre"):
            value = value * 0.8
        calmed[key] = value
    return calmed


def write_family(folder: Path) -> Path:
    """Every file of every model of CONFIGS, under names by which they are found."""
    for name in CONFIGS:
        write_generator(name, folder)
    save_file(filled(DFN5BClip(CLIP, device="meta")), folder / "dfn5b_clip.safetensors")
    sync = filled(SynchformerVisual(64, 1, device="meta"), "vfeat_extractor.")
    sync["afeat_extractor.norm.weight"] = torch.ones(3)
    torch.save(sync, folder / "synchformer_state_dict.pth")
    for rate, vae, vocoder in (
        ("16k", MEL_VAE_16K, BIGVGAN_16K),
        ("44k", MEL_VAE_44K, BIGVGAN_V2_44K),
    ):
        vae, vocoder = replace(vae, width=16), replace(vocoder, channels=64)
        save_file(filled(MelVAE(vae, device="meta")), folder / f"mmaudio_vae_{rate}.safetensors")
        wave = calm(filled(BigVGAN(vocoder, device="meta")))
        save_file(wave, folder / f"bigvgan_{rate}.safetensors")
    return folder


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tone(seconds: float, rate: int = 44100, channels: int = 1) -> tuple[torch.Tensor, int]:
    time = torch.arange(round(seconds * rate)) / rate
    return (0.3 * torch.sin(2 * torch.pi * 700 * time) * torch.exp(-3 * time)).expand(
        channels, -1
    ), rate
