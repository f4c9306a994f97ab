"""Stable Audio and a bridge with random numbers, as their recipes write them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from foleystage.core.encoders.mini_text import MiniTextEncoder
from foleystage.core.generators.foley_control import FoleyControl, FoleyControlConfig
from foleystage.core.generators.foley_control import foley_control_mini as mini
from foleystage.core.generators.stable_audio_checkpoint import (
    BRIDGE,
    native_tensors,
    record,
    record_bridge,
)
from foleystage.core.weights.files import save

BACKBONE, WORDS = "random_backbone.safetensors", ("drum", "hit", "metal", "wood")


def write_random_control(folder: Path, seed: int = 3) -> FoleyControl:
    """Writes a backbone with its words, and a bridge for each kind of null picture; the whole."""
    network = random_control(mini(), seed)
    config: FoleyControlConfig = network.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text = MiniTextEncoder(WORDS, config.cond_token_dim)
    tensors = native_tensors(network)
    own = {key: value for key, value in tensors.items() if not key.startswith(BRIDGE)}
    own |= {f"text.{key}": value for key, value in text.state_dict().items()}
    about = {"family": "stable_audio", "words": " ".join(WORDS), **record(config)}
    save(folder / BACKBONE, own, about, torch.float32)
    bridge = {key: value for key, value in tensors.items() if key.startswith(BRIDGE)}
    for null in ("off", "zeros"):
        about = {
            "family": "foley_control",
            **record_bridge(replace(config.bridge, null_video=null)),
        }
        save(folder / bridge_file(null), bridge, about, torch.float32)
    return network.eval().requires_grad_(False)


def bridge_file(null: str = "off") -> str:
    """Of `write_random_control`."""
    return f"random_bridge_{null}.safetensors"


def random_control(config: FoleyControlConfig, seed: int) -> FoleyControl:
    """The network, none of whose layers is without effect."""
    rng = torch.Generator().manual_seed(seed)
    network = FoleyControl(config)
    network.initialise(rng)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            wide = 0.1 if name.startswith(BRIDGE) else 0.03
            parameter += wide * torch.randn(parameter.shape, generator=rng)
        network.latent_mean += 0.3
        network.latent_std *= 1.5
    return network
