"""Denoising AC-Foley at full size on a CPU, against the published way; memory of a whole take.

    python benchmarks/denoise.py [--steps 2] [--seconds 8] [--fast] [--no-memory]

Random weights. The published way is two separate forwards a step of the plain network in float32.
Each run is a process of its own; the take measures its peak memory itself. Writes the table
of `benchmarks/README.md` (between the marks of this benchmark). `--fast` is a small network, to see
that everything runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from measure import machine, resident, restart_peak, write_table

STEPS_IN_ALL = 25
RUNS = 3
FULL_PARAMETERS = {"generator": 1083.81e6, "clip": 986.71e6, "sync": 122.44e6}
FULL_PARAMETERS |= {"vae": 305.48e6, "vocoder": 122.18e6}


def main() -> None:
    options = _options()
    if options.child:
        print(json.dumps(CHILDREN[options.child](options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        options.folder = Path(folder)
        results = {name: _run(name, options) for name in ("published", "float32", "bfloat16")}
        memory = None if options.no_memory else _run("take", options)
        lines = _table(results, memory, options)
    text = "\n".join(lines)
    print(text) if options.fast else write_table("denoise", text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--child", default="")
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


def _run(name: str, options: argparse.Namespace) -> dict:
    command = [
        sys.executable,
        str(Path(__file__)),
        "--child",
        name,
        "--folder",
        str(options.folder),
    ]
    command += ["--steps", str(options.steps), "--seconds", str(options.seconds)]
    command += ["--fast"] if options.fast else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _config(options: argparse.Namespace):
    from foleystage.core.generators import AC_FOLEY

    small = {"hidden_dim": 128, "num_heads": 2, "depth": 3, "fused_depth": 1}
    return replace(AC_FOLEY, **small) if options.fast else AC_FOLEY


def _network(options: argparse.Namespace, dtype: torch.dtype):
    """Random weights of the same seed, layer by layer in `dtype`."""
    from foleystage.core.generators import ACFoley

    net = ACFoley(_config(options), dtype=dtype).eval().requires_grad_(False)
    rng = torch.Generator().manual_seed(0)
    for value in net.parameters():
        # So that every block does something: gates and shifts included.
        scale = 0.2 if value.ndim < 2 else value[0].numel() ** -0.5
        value.copy_(torch.randn(value.shape, generator=rng) * scale)
    return net


def _conditions(config, seconds: float) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    lengths = config.lengths(seconds)
    widths = {"clip": config.clip_dim, "sync": config.sync_dim, "text": config.text_dim}
    widths["audio"] = config.latent_dim
    return {
        name: torch.randn(1, getattr(lengths, name), width, generator=rng)
        for name, width in widths.items()
    }


@torch.no_grad()
def _published(options: argparse.Namespace) -> dict:
    """Two forwards a step of the plain network, as the public tools do."""
    net = _network(options, torch.float32)
    streams = _conditions(net.config, options.seconds)
    told, untold = (net.prepare(s, options.seconds) for s in (streams, {}))

    def sample() -> torch.Tensor:
        x = _noise(net.config, options.seconds)
        for step in range(options.steps):
            t = torch.tensor([step / STEPS_IN_ALL])
            velocity = 4.5 * net(x, t, told) - 3.5 * net(x, t, untold)
            x = x + velocity / STEPS_IN_ALL
        return x

    return _timed(sample, "published", options)


def _ours(options: argparse.Namespace, dtype: torch.dtype, name: str) -> dict:
    from foleystage.core.generators.packed import can_pack, pack
    from foleystage.core.sampling import cfg, euler
    from foleystage.core.sampling.guidance import Guided

    with torch.no_grad():
        net = _network(options, dtype)
        if can_pack(dtype, "cpu"):
            net = pack(net)
        streams = {k: v.to(dtype) for k, v in _conditions(net.config, options.seconds).items()}
        lengths = net.lengths(streams, options.seconds)

        def sample() -> torch.Tensor:
            predict = Guided(net, streams, cfg(4.5), lengths=lengths)
            times = [step / STEPS_IN_ALL for step in range(options.steps + 1)]
            return euler(predict, _noise(net.config, options.seconds), times)

        return _timed(sample, name, options)


def _noise(config, seconds: float) -> torch.Tensor:
    rng = torch.Generator().manual_seed(2)
    return torch.randn(1, config.lengths(seconds).latent, config.latent_dim, generator=rng)


def _timed(sample, name: str, options: argparse.Namespace) -> dict:
    x = sample()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        x = sample()
        times.append(time.perf_counter() - start)
    torch.save(x, options.folder / f"{name}.pt")
    report = {"seconds": min(times)}
    reference = options.folder / "published.pt"
    if name != "published":
        exact = torch.load(reference, weights_only=True)
        report["max"] = float((x - exact).abs().max() / exact.abs().max())
        report["l2"] = float((x - exact).norm() / exact.norm())
    return report


def _take(options: argparse.Namespace) -> dict:
    """Peak memory of takes from files on disk."""
    from foleystage.core.media import ImageFrames
    from foleystage.core.model_base import Loading
    from foleystage.core.models import load_model
    from foleystage.core.pipeline import Request, generate

    _write_files(options)
    os.environ["FOLEYSTAGE_MODELS"] = str(options.folder)
    frames = torch.rand(25, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    request = Request(
        "rain", seconds=options.seconds, steps=1, reference=(frames.flatten()[None], 44100)
    )
    source = ImageFrames(frames, 25 / options.seconds)
    peaks = {}
    for precision in ("bfloat16", "float32"):
        restart_peak()
        generate(source, load_model("ac_foley", loading=Loading(precision=precision)), request)
        peaks[precision] = resident("VmHWM")
    return peaks


def _write_files(options: argparse.Namespace) -> None:
    """The five files of AC-Foley, with weights of no meaning, one part at a time."""
    from foleystage.core.codecs.bigvgan import BIGVGAN_V2_44K, BigVGAN
    from foleystage.core.codecs.mel_vae import MEL_VAE_44K, MelVAE
    from foleystage.core.encoders.clip import DFN5BClip
    from foleystage.core.encoders.synchformer import SynchformerVisual
    from foleystage.core.generators import ACFoley
    from safetensors.torch import save_file

    makers = {
        "ac_foley": lambda: ACFoley(_config(options), device="meta"),
        "dfn5b_clip": lambda: DFN5BClip(device="meta"),
        "synchformer": lambda: SynchformerVisual(device="meta"),
        "mmaudio_vae_44k": lambda: MelVAE(MEL_VAE_44K, device="meta"),
        "bigvgan_44k": lambda: BigVGAN(BIGVGAN_V2_44K, device="meta"),
    }
    rng = torch.Generator().manual_seed(0)
    for name, make in makers.items():
        prefix = "vfeat_extractor." if name == "synchformer" else ""
        tensors = {
            prefix + k: torch.randn(v.shape, generator=rng) * 0.01
            for k, v in make().state_dict().items()
        }
        save_file(tensors, options.folder / f"{name}.safetensors")
        del tensors


CHILDREN = {
    "published": _published,
    "float32": lambda options: _ours(options, torch.float32, "float32"),
    "bfloat16": lambda options: _ours(options, torch.bfloat16, "bfloat16"),
    "take": _take,
}


def _table(results: dict, memory: dict | None, options: argparse.Namespace) -> list[str]:
    base = results["published"]["seconds"]
    lines = [
        f"AC-Foley, {options.seconds:g} s, guidance on, {options.steps} of {STEPS_IN_ALL} steps, "
        f"{machine()}; best of {RUNS}.",
        "",
        "| | seconds | times as fast | largest relative difference | relative error |",
        "|---|---|---|---|---|",
        f"| published way, float32 | {base:.2f} | 1 | | |",
    ]
    for name in ("float32", "bfloat16"):
        r = results[name]
        lines.append(
            f"| ours, {name} | {r['seconds']:.2f} | {base / r['seconds']:.2f} | {r['max']:.1e} | "
            f"{r['l2']:.1e} |"
        )
    if memory is not None:
        whole = 4 * sum(FULL_PARAMETERS.values())
        lines += [
            "",
            "| a whole take | peak memory, GB | of all parts in float32 |",
            "|---|---|---|",
        ]
        for name, peak in memory.items():
            lines.append(f"| {name} | {peak / 1e9:.2f} | {peak / whole:.0%} |")
    return lines


if __name__ == "__main__":
    main()
