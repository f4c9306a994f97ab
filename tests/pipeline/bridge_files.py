"""More files like those of `control_files`: backbones and bridges of other figures, one by one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from control_files import BACKBONE, BRIDGES, OOBLECK, with_small_t5, write_control
from family import seeded
from foleystage.core.codecs.oobleck import Oobleck
from foleystage.core.codecs.stable_audio import StableAudioCodec
from foleystage.core.encoders.mini_text import MiniTextEncoder
from foleystage.core.generators.bridge import Bridge
from foleystage.core.generators.stable_audio import StableAudio, stable_audio_mini
from foleystage.core.generators.stable_audio_checkpoint import (
    BRIDGE,
    native_tensors,
    record,
    record_bridge,
)
from foleystage.core.weights.files import read_metadata, save
from foleystage.core.weights.load import read_weights


def lively(network, seed=0):
    """The network with weights that all have an effect, small enough to be calm."""
    network.initialise(seeded(seed))
    rng = seeded(seed + 1)
    for value in network.parameters():
        if value.ndim > 1:
            value.data += torch.randn(value.shape, generator=rng) * value[0].numel() ** -0.5 / 2
    return network.eval().requires_grad_(False)


def codec_of(path: Path) -> StableAudioCodec:
    """The codec in a file of `write_backbone`."""
    channels = read_weights(path)["pretransform.model.decoder.layers.0.weight"].shape[1]
    codec = StableAudioCodec(replace(OOBLECK, latent_dim=channels), device="meta")
    return codec.fill({"vae": read_weights(path)}, dtype=torch.float32)


def write_backbone(path: Path, config=BACKBONE) -> Path:
    """Network and codec in one file, as the public one."""
    network = lively(StableAudio(config))
    shapes = Oobleck(replace(OOBLECK, latent_dim=config.io_channels), device="meta").state_dict()
    codec, rng = {}, seeded(1)
    for key, value in shapes.items():
        deviation = 0.1 if value.ndim == 1 else (value.numel() / value.shape[0]) ** -0.5
        drawn = torch.randn(value.shape, generator=rng) * deviation
        codec[f"pretransform.model.{key}"] = drawn
    save(path, {**native_tensors(network), **codec}, record(config), torch.float32)
    return path


def write_mini_backbone(path: Path) -> Path:
    """A network like the bundled small one, with its words."""
    config = stable_audio_mini(depth=2)
    text = MiniTextEncoder(["metal", "hit", "dog"], config.cond_token_dim)
    table = torch.randn(text.table.weight.shape, generator=seeded(3))
    tensors = {**native_tensors(lively(StableAudio(config))), "text.table.weight": table}
    about = {"words": " ".join(text.words), "family": "stable_audio"}
    save(path, tensors, {**record(config), **about}, torch.float32)
    return path


def write_bridge(path: Path, *, seed=0, **figures) -> Path:
    """A bridge alone, with an effect."""
    config = replace(BRIDGES, **figures)
    bridge = lively(Bridge(config), seed)
    tensors = {f"{BRIDGE}{name}": value for name, value in bridge.state_dict().items()}
    save(path, tensors, {**record_bridge(config), "family": "foley_control"}, torch.float32)
    return path


def write_models(folder: Path) -> Path:
    """All files of both systems; in float32, in which a CPU is fast."""
    write_control(folder)
    for path in folder.rglob("*.safetensors"):
        tensors = read_weights(path, dtype=torch.float32)
        save(path, {k: v.clone() for k, v in tensors.items()}, read_metadata(path), None)
    write_backbone(folder / "stable_audio_open.safetensors")
    return folder


@contextmanager
def found_in(folder: Path, nowhere: Path):
    """The files of a folder are found, and no others; T5 is of their size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOLEYSTAGE_MODELS", str(folder))
        patch.setenv("XDG_CACHE_HOME", str(nowhere))
        with_small_t5(patch)
        yield patch
