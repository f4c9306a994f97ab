"""A backbone of Stable Audio and a bridge into it, small and with an effect."""

from __future__ import annotations

from dataclasses import replace

import torch
from foleystage.core.generators.bridge import BridgeConfig
from foleystage.core.generators.foley_control import FoleyControl, bridged
from foleystage.core.generators.stable_audio import STABLE_AUDIO_OPEN, StableAudio
from foleystage.core.generators.stable_audio_checkpoint import BRIDGE

SMALL = replace(
    STABLE_AUDIO_OPEN,
    io_channels=8,
    embed_dim=128,
    depth=3,
    num_heads=2,
    cond_token_dim=64,
    global_cond_dim=128,
    text_tokens=5,
)
BRIDGES = BridgeConfig(video_dim=16, embed_dim=128, depth=3, num_heads=2)
SECONDS = 2.0
RATE = SMALL.latent.rate
T = torch.tensor(0.4)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed))


def lively(network, seed=0):
    """Weights that all have an effect."""
    network.initialise(seeded(seed))
    rng = seeded(seed + 1)
    for name, value in network.named_parameters():
        if value.ndim > 1 or name.endswith("bias"):
            deviation = value[0].numel() ** -0.5 / 2
            value.data += torch.randn(value.shape, generator=rng) * deviation
    return network.eval().requires_grad_(False)


def control(config=SMALL, seed=0, *, untrained=False, **figures):
    """A network with a backbone of its seed, and a bridge."""
    bridge = replace(BRIDGES, **figures)
    net = lively(FoleyControl(bridged(config, bridge)), seed)
    if untrained:
        net.bridge.initialise(seeded(5))
    return net


def backbone_of(net):
    alone = StableAudio(SMALL).eval().requires_grad_(False)
    own = {k: v for k, v in net.state_dict().items() if not k.startswith(BRIDGE)}
    alone.load_state_dict(own)
    return alone


def streams(batch=1, seconds=SECONDS, places=1, seed=1):
    return {
        "vjepa": draw(batch, round(seconds * 8) * places, 16, seed=seed),
        "text": draw(batch, 5, 64, seed=seed + 1),
    }


def noise(batch=1, seconds=SECONDS):
    return draw(batch, SMALL.lengths(seconds)["latent"], 8, seed=9)
