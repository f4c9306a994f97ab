"""Stable Audio and a bridge with random numbers, as their recipes write them, and their takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import comfy.samplers
import torch
from foleystage.core.encoders.mini_text import MiniTextEncoder
from foleystage.core.generators import Conditions
from foleystage.core.generators.foley_control import FoleyControl, FoleyControlConfig
from foleystage.core.generators.foley_control import foley_control_mini as mini
from foleystage.core.generators.stable_audio_checkpoint import (
    BRIDGE,
    native_tensors,
    record,
    record_bridge,
)
from foleystage.core.sampling import cfg, sample
from foleystage.core.sampling.dynamics import DYNAMICS, Noise
from foleystage.core.weights.files import save

BACKBONE, WORDS = "random_backbone.safetensors", ("drum", "hit", "metal", "wood")
STEPS, SECONDS, SCALE = 6, 3.0, 3.0
SIGMAS = torch.tensor(DYNAMICS["v"].times(STEPS))


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
        if config.normalized:
            network.latent_mean += 0.3
            network.latent_std *= 1.5
    return network


def take(model, sides, noise, *, scale=SCALE, sigmas=SIGMAS):
    """Latents [B, T, C] by ComfyUI's own guider and sampler, without fresh noise."""
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*sides)
    guider.set_cfg(scale)
    x = noise.transpose(1, 2).contiguous()
    made = guider.sample(
        x,
        torch.zeros_like(x),
        comfy.samplers.ksampler("dpmpp_3m_sde", {"eta": 0.0}),
        sigmas,
        disable_pbar=True,
        seed=0,
    )
    return made.transpose(1, 2)


def core_take(network, streams, negative, noise, scale=SCALE):
    """The same by core's own sampler."""
    conditions = Conditions(streams, SECONDS, negative)
    return sample(network, conditions, cfg(scale), steps=STEPS, noise=Noise(noise))


def applied(call, model, bridge, picture, **more):
    """The MODEL with a bridge."""
    return call("ApplyControl", model=model, bridge=bridge, features=picture, **more)[0]
