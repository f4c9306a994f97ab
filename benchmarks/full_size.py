"""AC-Foley at full size with random weights, for the benchmarks; `fast` is a small network."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

STEPS_IN_ALL = 25
GUIDANCE = 4.5
PARAMETERS = 1083.81e6 + 986.71e6 + 122.44e6 + 305.48e6 + 122.18e6  # of all five parts
_SMALL = {"hidden_dim": 128, "num_heads": 2, "depth": 3, "fused_depth": 1}
_SMALL |= {"clip_dim": 24, "sync_dim": 64, "text_dim": 64}


def config_of(fast: bool):
    """The published figures, or small ones."""
    from foleystage.core.generators import AC_FOLEY

    return replace(AC_FOLEY, **_SMALL) if fast else AC_FOLEY


def network(fast: bool, dtype: torch.dtype, device: str = "cpu") -> nn.Module:
    """The plain network; weights of one seed, drawn in float32 layer by layer."""
    from foleystage.core.generators import ACFoley

    net = ACFoley(config_of(fast), dtype=dtype, device=device).eval().requires_grad_(False)
    rng = torch.Generator().manual_seed(0)
    for value in net.parameters():
        # So that every block does something: gates and shifts included.
        scale = 0.2 if value.ndim < 2 else value[0].numel() ** -0.5
        value.copy_(torch.randn(value.shape, generator=rng) * scale)
    return net


def conditions(config, seconds: float) -> dict[str, torch.Tensor]:
    """All four streams, random."""
    rng = torch.Generator().manual_seed(1)
    lengths, widths = config.lengths(seconds), {spec.name: spec.width for spec in config.streams}
    return {
        name: torch.randn(1, lengths[name], widths[name], generator=rng)
        for name in ("clip", "sync", "text", "audio")
    }


def noise(config, seconds: float) -> torch.Tensor:
    """[1, N, C]."""
    rng = torch.Generator().manual_seed(2)
    return torch.randn(1, config.lengths(seconds)["latent"], config.latent.dim, generator=rng)


def published_way(
    net: nn.Module, streams: dict[str, torch.Tensor], seconds: float, steps: int
) -> Callable[[], torch.Tensor]:
    """Two forwards a step of the plain network, in its type, as the public tools do."""
    like = next(net.parameters())
    conditional, null = (net.prepare(s, seconds) for s in (streams, {}))
    start = noise(net.config, seconds).to(like)

    def sample() -> torch.Tensor:
        x = start
        for step in range(steps):
            t = torch.tensor([step / STEPS_IN_ALL], device=like.device)
            velocity = GUIDANCE * net(x, t, conditional) + (1 - GUIDANCE) * net(x, t, null)
            x = x + velocity / STEPS_IN_ALL
        return x

    return sample


def our_way(
    net: nn.Module, streams: dict[str, torch.Tensor], seconds: float, steps: int
) -> Callable[[], torch.Tensor]:
    """The sampler with guidance in one batch."""
    from foleystage.core.generators import Conditions
    from foleystage.core.sampling import Guided, cfg, euler

    device = next(iter(streams.values())).device
    given = Conditions(streams, seconds)
    start = noise(net.config, seconds).to(device)
    times = [step / STEPS_IN_ALL for step in range(steps + 1)]

    def sample() -> torch.Tensor:
        return euler(Guided(net, given, cfg(GUIDANCE)), start, times)

    return sample


def write_files(
    folder: Path,
    fast: bool,
    parts: Container[str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """The five files of AC-Foley, or some, with weights of no meaning, one part at a time."""
    from foleystage.core.codecs.bigvgan import BIGVGAN_V2_44K, BigVGAN
    from foleystage.core.codecs.mel_vae import MEL_VAE_44K, MelVAE
    from foleystage.core.encoders.clip import ClipConfig, DFN5BClip
    from foleystage.core.encoders.synchformer import SynchformerVisual
    from foleystage.core.generators import ACFoley
    from safetensors.torch import save_file

    clip = ClipConfig(
        embed_dim=24,
        patch_size=54,
        vision_width=80,
        vision_layers=1,
        text_width=64,
        text_layers=1,
    )
    vae = replace(MEL_VAE_44K, width=16) if fast else MEL_VAE_44K
    vocoder = replace(BIGVGAN_V2_44K, channels=64) if fast else BIGVGAN_V2_44K
    makers = {
        "ac_foley": lambda: ACFoley(config_of(fast), device="meta"),
        "dfn5b_clip": lambda: DFN5BClip(clip if fast else ClipConfig(), device="meta"),
        "synchformer": lambda: SynchformerVisual(*((64, 1) if fast else ()), device="meta"),
        "mmaudio_vae_44k": lambda: MelVAE(vae, device="meta"),
        "bigvgan_44k": lambda: BigVGAN(vocoder, device="meta"),
    }
    rng = torch.Generator().manual_seed(0)
    for name, make in makers.items():
        if parts is not None and name not in parts:
            continue
        prefix = "vfeat_extractor." if name == "synchformer" else ""
        tensors = {
            prefix + k: (torch.randn(v.shape, generator=rng) * 0.01).to(dtype)
            for k, v in make().state_dict().items()
        }
        save_file(tensors, folder / f"{name}.safetensors")
        del tensors


def request_of(seconds: float, steps: int, seed: int = 0):
    """What the benchmarks of a whole take ask for, and of which pictures."""
    from foleystage.core.media import ImageFrames
    from foleystage.core.pipeline import Request

    rng = torch.Generator().manual_seed(seed)
    frames = torch.rand(round(25 * seconds), 72, 128, 3, generator=rng)
    sound = torch.rand(1, 3 * 44100, generator=rng) - 0.5
    request = Request("rain", seconds=seconds, steps=steps, reference=(sound, 44100))
    return ImageFrames(frames, 25.0), request
