"""Weights files with random numbers: the nodes do not care what a model has learned."""

from __future__ import annotations

from pathlib import Path

import torch
from foleystage.core.encoders.foley_mini import MiniVideoEncoder
from foleystage.core.encoders.mini_text import MiniTextEncoder
from foleystage.core.generators import ACFoley, ac_foley_mini
from foleystage.core.weights.files import save

GENERATOR, ENCODER = "random_mini.safetensors", "random_encoder.safetensors"
WORDS = ("drum", "gravel", "hit", "metal", "wood")


def write_random_minis(folder: Path) -> None:
    """A generator with its words, and a video encoder, as the recipes write them."""
    rng = torch.Generator().manual_seed(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        _write(folder, rng)


def _write(folder: Path, rng: torch.Generator) -> None:
    generator = ACFoley(ac_foley_mini())
    generator.initialise(rng)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter += 0.03 * torch.randn(parameter.shape, generator=rng)
        generator.latent_mean += 0.3
        generator.latent_std *= 1.5
    text = MiniTextEncoder(WORDS)
    tensors = {f"generator.{k}": v for k, v in generator.state_dict().items()}
    tensors |= {f"text.{k}": v for k, v in text.state_dict().items()}
    save(folder / GENERATOR, tensors, {"family": "flow", "words": " ".join(WORDS)}, torch.float32)
    encoder = MiniVideoEncoder()
    with torch.no_grad():
        encoder.events.bias[:] = 0.5
    save(folder / ENCODER, encoder.state_dict(), {"family": "video_encoder"}, torch.float32)
