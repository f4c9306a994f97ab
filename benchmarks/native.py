"""A take through ComfyUI's sampler against the same take through core's, on a CPU.

    python benchmarks/native.py [--steps 2] [--runs 5] [--only mini|full]

`ac_foley_mini` as bundled, 25 steps; AC-Foley at full size with random weights, `--steps` of 25, in
float32 and bfloat16. Both sides start from the same conditions and noise and are measured in turns,
from the guider's `sample` and from core's to the latent; ComfyUI's includes what it does to a model
before it samples. A ComfyUI is found as for the tests (COMFYUI_PATH). Writes a table of
`benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from full_size import conditions, network
from measure import machine, write_table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "comfy"))
SECONDS = 8.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=("mini", "full"))
    options = parser.parse_args()
    _use_comfyui()
    rows = []
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        if options.only != "full":
            rows.append(("ac_foley_mini, float32, 25 steps", *_mini(options.runs)))
        if options.only != "mini":
            path = _write(Path(folder) / "ac_foley.safetensors")
            for precision in ("float32", "bfloat16"):
                what = f"AC-Foley, full size, {precision}, {options.steps} steps"
                rows.append((what, *_full(path, precision, options)))
    lines = [
        f"{SECONDS:g} s, the model's own guidance, {machine()}; median of {options.runs}, "
        "in turns.",
        "",
        "| | core | ComfyUI | ratio | relative difference |",
        "|---|---|---|---|---|",
    ]
    for what, core, native, difference in rows:
        lines.append(
            f"| {what} | {core:.2f} s | {native:.2f} s | {native / core:.2f} | {difference:.1e} |"
        )
    print("\n".join(lines))
    if not options.only:
        write_table("native", "\n".join(lines))


def _use_comfyui() -> None:
    from find_comfyui import fitting

    try:
        sys.path.insert(1, str(fitting().folder))
    except LookupError as error:
        raise SystemExit(str(error)) from None
    from comfy.cli_args import args

    args.cpu = True


def _write(path: Path) -> Path:
    from safetensors.torch import save_file

    save_file(network(False, torch.bfloat16).state_dict(), path)
    return path


def _mini(runs: int) -> tuple[float, float, float]:
    from foleystage.core.loading import load_model
    from foleystage.core.weights.minis import mini_path

    system = load_model("ac_foley_mini")
    streams = conditions(system.config, SECONDS)
    return _compare(system, streams, mini_path("ac_foley_mini"), "float32", 25, runs)


def _full(path: Path, precision: str, options: argparse.Namespace) -> tuple[float, float, float]:
    """Of a system of which only the generator's file is there."""
    from foleystage.core.catalog import SYSTEMS
    from foleystage.core.loading import Loading, load_network
    from foleystage.core.precision import compute_dtype
    from foleystage.core.stores import Resident
    from foleystage.core.system import System

    row = SYSTEMS["ac_foley"].of_file(path)
    made = {"dtype": compute_dtype(precision, "cpu"), "device": "cpu"}
    load = partial(load_network, row.generator, path, Loading(precision=precision), **made)
    system = System("ac_foley", row, Resident({"generator": load}, "cpu"))
    streams = conditions(system.config, SECONDS)
    return _compare(system, streams, path, precision, options.steps, options.runs)


def _compare(system, streams, path, precision, steps, runs) -> tuple[float, float, float]:
    """Seconds of core and of ComfyUI, and how far their latents are apart."""
    core = _core(system, streams, steps)
    native = _native(system.row, path, streams, precision, steps)
    times: dict[str, list[float]] = {"core": [], "native": []}
    for _ in range(runs + 1):
        made = {}
        for name, sample in (("core", core), ("native", native)):
            start = time.perf_counter()
            made[name] = sample()
            times[name].append(time.perf_counter() - start)
    difference = (made["native"] - made["core"]).norm() / made["core"].norm()
    medians = [statistics.median(times[name][1:]) for name in ("core", "native")]
    return (*medians, float(difference))


def _core(system, streams, steps):
    from foleystage.core.generators import Conditions

    return lambda: system.sample(Conditions(streams, SECONDS), steps=steps, seed=0)


def _native(row, path, streams, precision, steps):
    from foleystage.core.sampling import always_conditioned
    from foleystage.nodes.native.guider import guider_of
    from foleystage.nodes.native.latents import empty_latent
    from foleystage.nodes.native.model import load_model
    from foleystage.nodes.sample import OWN, PUBLISHED, sampled, sampler_of, sigmas_of
    from foleystage.nodes.values import KEY, ConditioningEntry

    model = load_model(row, (path,), precision)
    positive = ConditioningEntry(streams, streams, SECONDS, row.name)
    always = always_conditioned(model.model.diffusion_model)
    kept = {name: value for name, value in streams.items() if name in always}
    sides = [
        [[torch.zeros(1, 1, 1), {KEY: side}]] for side in (positive, positive.with_streams(kept))
    ]
    latent = empty_latent(model.model, SECONDS, SECONDS, start=0.0, takes=1)
    guider = guider_of(model, *sides, -1.0)
    sampler, sigmas = sampler_of(model, OWN), sigmas_of(model, PUBLISHED, steps, 1.0)

    def run() -> torch.Tensor:
        return sampled(guider, latent, sampler, sigmas, 0).transpose(1, 2)

    return run


if __name__ == "__main__":
    main()
