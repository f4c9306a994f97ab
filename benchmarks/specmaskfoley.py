"""SpecMaskFoley at full size: three plain passes a step against batched terms.

    python benchmarks/specmaskfoley.py [--steps 12] [--device cpu] [--compile] [--fast]

Random weights, 9.845 s. Plain: for each of 12 steps the network is given its streams anew for each
of the three predictions of multi-CFG. Ours: `sample` with the conditions found once. Both fill in
the same tokens from the same noise. Writes the table of `benchmarks/README.md`; with `--fast`, a
small network, it prints alone.
"""

from __future__ import annotations

import argparse
import functools
from dataclasses import replace

import torch
from measure import machine, timed, with_random_weights, write_table

SCALE, TEMPERATURE = 3.0, 9.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    kinds, how = [torch.float32, torch.bfloat16], (options.runs, options.device)
    with torch.no_grad():
        rows = [row for kind in kinds for row in _rows(kind, options)]
        decoding = timed(lambda: _codec(options.device).decode(_ids(options)), *how)[0]
        rows.append(f"| decoding (VQGAN and HiFi-GAN), float32 | {decoding:.3f} | | |")
    name = torch.cuda.get_device_name() if options.device == "cuda" else machine()
    lines = [
        f"SpecMaskFoley, 298 M parameters, {options.steps} steps, 265 tokens, batch 1; {name}",
        "",
        "| | seconds | times as fast | tokens that differ |",
        "|---|---|---|---|",
        *rows,
    ]
    text = "\n".join(lines)
    table = "specmaskfoley" + ("_gpu" if options.device == "cuda" else "")
    print(text) if options.fast else write_table(table, text)


def _rows(dtype: torch.dtype, options: argparse.Namespace) -> list[str]:
    from foleystage.core.generators.packed import SPECMASKGIT_KINDS, can_pack, pack

    net, conditions = _network(dtype, options), _conditions(dtype, options)
    how = options.runs, options.device
    plain, truth = timed(lambda: _plain(net, conditions, options.steps), *how)
    if options.compile:
        net.compile()
    elif can_pack(dtype, options.device):
        pack(net, SPECMASKGIT_KINDS)
    ours, made = timed(lambda: _ours(net, conditions, options.steps), *how)
    kind, other = str(dtype).removeprefix("torch."), int((made != truth).sum())
    return [
        f"| three plain passes, {kind} | {plain:.3f} | 1 | |",
        f"| ours, {kind} | {ours:.3f} | {plain / ours:.2f} | {other} of {truth.numel()} |",
    ]


def _network(dtype: torch.dtype, options: argparse.Namespace):
    from foleystage.core.generators.specmaskfoley import SPECMASKFOLEY, SpecMaskFoley

    config = SPECMASKFOLEY
    if options.fast:
        config = replace(config, hidden_dim=64, num_heads=2, depth=4, control_depth=2)
        config = replace(config, projection_dim=64)
    net = SpecMaskFoley(config, device=options.device, dtype=dtype).eval().requires_grad_(False)
    return with_random_weights(net)


def _conditions(dtype: torch.dtype, options: argparse.Namespace):
    from foleystage.core.generators import Conditions
    from foleystage.core.generators.specmaskfoley import SPECMASKFOLEY

    rng, seconds = torch.Generator().manual_seed(1), SPECMASKFOLEY.trained_seconds
    lengths = {**SPECMASKFOLEY.lengths(seconds), "clap": 1}
    streams = {
        spec.name: torch.randn(1, lengths[spec.name], spec.width, generator=rng).to(
            options.device, dtype
        )
        for spec in SPECMASKFOLEY.streams
    }
    return Conditions(streams, seconds)


def _plain(net, conditions, steps: int) -> torch.Tensor:
    """Every prediction by itself, from its streams to its logits."""
    from foleystage.core.sampling.dynamics import masked_ids
    from foleystage.core.sampling.maskgit import draw_gumbel, maskgit

    config, seconds = net.config, conditions.seconds
    rng = torch.Generator().manual_seed(0)
    noise = draw_gumbel(rng, 1, steps, config.tokens, config.codes)
    given = conditions.positive
    picture = {k: v for k, v in given.items() if k != config.words}

    def predict(ids: torch.Tensor, share: float) -> torch.Tensor:
        times = torch.zeros(1, device=ids.device)
        nothing, seen, both = (
            net(ids, times, net.settled(net.prepare(streams, seconds, batch=1))).float()
            for streams in ({}, picture, given)
        )
        return nothing + SCALE * share * ((both - nothing) + (seen - nothing))

    ids = masked_ids(config.latent, 1, config.columns).to(next(net.parameters()).device)
    return maskgit(predict, ids, noise, mask_id=config.codes, temperature=TEMPERATURE)


def _ours(net, conditions, steps: int) -> torch.Tensor:
    from foleystage.core.sampling import multi_cfg, sample

    guidance = multi_cfg(SCALE, net.config.words, conditions.positive)
    return sample(net, conditions, guidance, seed=0, steps=steps, temperature=TEMPERATURE)


@functools.cache
def _codec(device: str):
    """The codec without trained weights; its time does not depend on them."""
    from foleystage.core.codecs.public import CODECS

    return CODECS["specmaskgit-22k"](decode_only=True, device=device).eval()


def _ids(options: argparse.Namespace) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(1024, (1, 53, 5), generator=rng).to(options.device)


if __name__ == "__main__":
    main()
