"""Foley Control at full size: what the bridge costs, and what its keys and values cost.

    python benchmarks/foley_control.py [--device cpu] [--compile] [--steps 100] [--fast]

Random weights, 12 s, guidance 7. On a CPU one guided step: the frozen backbone alone, with the
bridge whose keys and values are found once a take, and with a bridge that finds them at every step
anew; of pooled tokens (8 a second) and of the grid (64 times as many). On a GPU a whole take in
bfloat16 with the bridge on and off, and its peak of memory. Writes the table of
`benchmarks/README.md`; with `--fast`, a small network, it prints alone.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import torch
from measure import machine, timed, with_random_weights, write_table

SECONDS, SCALE = 12.0, 7.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    on_gpu = options.device == "cuda"
    with torch.no_grad():
        rows = _takes(options) if on_gpu else _steps(options)
    name = torch.cuda.get_device_name() if on_gpu else machine()
    what = f"{options.steps} steps, bfloat16" if on_gpu else "one guided step, float32"
    lines = [f"Foley Control, 12 s of stereo at 44.1 kHz, {what}; {name}", "", *rows]
    text = "\n".join(lines)
    table = "foley_control" + ("_gpu" if on_gpu else "")
    print(text) if options.fast else write_table(table, text)


def _config(options: argparse.Namespace, places: int):
    from foleystage.core.generators.bridge import BridgeConfig
    from foleystage.core.generators.foley_control import bridged
    from foleystage.core.generators.stable_audio import STABLE_AUDIO_OPEN

    backbone, bridge = STABLE_AUDIO_OPEN, BridgeConfig(places=places)
    if options.fast:
        backbone = replace(backbone, embed_dim=128, depth=2, num_heads=2)
        backbone = replace(backbone, project_cond_tokens=True)
        bridge = replace(bridge, embed_dim=128, depth=2, num_heads=2)
    return bridged(backbone, bridge)


def _network(options: argparse.Namespace, dtype: torch.dtype, places: int = 1):
    from foleystage.core.generators.foley_control import FoleyControl

    net = FoleyControl(_config(options, places), device=options.device, dtype=dtype)
    return with_random_weights(net.eval().requires_grad_(False))


def _conditions(net, *, picture: bool):
    """Words on one side, the picture on both."""
    from foleystage.core.generators import Conditions

    rng, like = torch.Generator().manual_seed(1), next(net.parameters())
    c = net.config.bridge
    tokens = int(SECONDS * c.video_rate) * c.places
    streams = {"text": torch.randn(1, 128, 768, generator=rng)}
    if picture:
        streams[c.stream] = torch.randn(1, tokens, c.video_dim, generator=rng)
    return Conditions({k: v.to(like) for k, v in streams.items()}, SECONDS)


def _steps(options: argparse.Namespace) -> list[str]:
    rows = ["| | seconds a step | bridge's share | times as slow as with found once |"]
    rows.append("|---|---|---|---|")
    for places, title in ((1, "96 pooled tokens"), (64, "6,144 tokens of a grid")):
        net = _network(options, torch.float32, places)
        alone = _step(net, False, options)
        once, anew = (_step(net, True, options, anew=anew) for anew in (False, True))
        found = timed(partial(_found, net), options.runs, options.device)[0]
        own = once - alone
        if places == 1:
            rows.append(f"| backbone alone | {alone:.2f} | | |")
        rows.append(f"| bridge, {title}, found once a take | {once:.2f} | {own / once:.0%} | 1 |")
        rows.append(
            f"| bridge, {title}, found anew | {anew:.2f} | {1 - alone / anew:.0%} | "
            f"{anew / once:.2f}; the bridge itself {(anew - alone) / own:.2f} |"
        )
        rows.append(f"| keys and values of {title}, of one side | {found:.2f} | | |")
        del net
    return rows


def _found(net) -> None:
    video = _conditions(net, picture=True).positive[net.config.bridge.stream]
    net.bridge.keys_and_values(video, net.config.latent.rate)


def _step(net, picture: bool, options: argparse.Namespace, *, anew: bool = False) -> float:
    """Seconds of one guided step. anew: the picture's keys and values are found in it."""
    from foleystage.core.sampling import Guided, always_conditioned, cfg

    conditions = _conditions(net, picture=picture)
    guided = Guided(net, conditions, cfg(SCALE, kept=always_conditioned(net)))
    x = torch.randn(1, guided.length, net.config.io_channels)
    video = conditions.positive.get(net.config.bridge.stream)

    def step() -> None:
        if anew:
            both = video.repeat(2, 1, 1)  # as a batch of both sides would find them
            net.bridge.keys_and_values(both, net.config.latent.rate)
        guided(x, 0.5)

    return timed(step, options.runs, options.device)[0]


def _takes(options: argparse.Namespace) -> list[str]:
    from foleystage.core.sampling import always_conditioned, cfg

    net = _network(options, torch.bfloat16)
    if options.compile:
        net.compile()
    guidance = cfg(SCALE, kept=always_conditioned(net))
    rows = ["| | seconds | times the backbone alone | peak memory |", "|---|---|---|---|"]
    first = 0.0
    for title, picture in (("backbone alone", False), ("with the bridge", True)):
        make = partial(_take, net, _conditions(net, picture=picture), guidance, options.steps)
        torch.cuda.reset_peak_memory_stats()
        took, _ = timed(make, options.runs, "cuda")
        first = first or took
        peak = torch.cuda.max_memory_allocated() / 1e9
        rows.append(f"| {title} | {took:.2f} | {took / first:.2f} | {peak:.1f} GB |")
    return rows


def _take(net, conditions, guidance, steps: int) -> torch.Tensor:
    from foleystage.core.sampling import sample

    return sample(net, conditions, guidance, steps=steps, seed=0)


if __name__ == "__main__":
    main()
