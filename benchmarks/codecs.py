"""Time and memory of decoding with every public codec at full size, random weights, on the CPU.

    python benchmarks/codecs.py [CODEC...]

Each decode runs in a process of its own. Beside it the straightforward way: the whole length in one
piece, every formula written out as it stands. Processor time is given, which other work on the
machine does not change; memory is what decoding adds to the loaded weights at its peak. Writes the
table of `benchmarks/README.md` (between the marks of this benchmark).
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from unittest import mock

import torch
from foleystage.core.codecs import activations, kl_vae, mel_vae, neural, tiling
from foleystage.core.codecs.public import CODECS
from measure import in_own_process, machine, resident, restart_peak, write_table

SECONDS = 8.0
# One codec also on a longer sound: its memory should stay.
LONG = {"mmaudio-16k": 32.0}
WAYS = ("pieces", "one piece")
ENDLESS = 1 << 40


def main(names: list[str]) -> None:
    lines = [
        "| codec, sound | weights | time | one piece | memory | one piece |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name in names or CODECS:
        lines.append(_row(name, SECONDS, WAYS))
        print(lines[-1], flush=True)
        if name in LONG:
            lines.append(_row(name, LONG[name], WAYS[:1]))
            print(lines[-1], flush=True)
    if not names:
        write_table("codecs", "\n".join([machine(), "", *lines]))


def _row(name: str, seconds: float, ways: tuple[str, ...]) -> str:
    runs = [in_own_process(__file__, name, way, seconds) for way in ways]
    cells = [f"{name}, {seconds:g} s", f"{runs[0]['weights']:.2f} GB"]
    for key, unit, digits in (("time", "s", 1), ("memory", "GB", 2)):
        values = [f"{run[key]:.{digits}f} {unit}" for run in runs]
        cells += values + ["-"] * (2 - len(values))
    return "| " + " | ".join(cells) + " |"


def run_once(name: str, way: str, seconds: float) -> None:
    """Decodes once in this process; prints figures as JSON."""
    torch.manual_seed(0)
    codec = CODECS[name](decode_only=True).eval().requires_grad_(False)
    shape = (1, round(seconds * codec.latent_rate), codec.latent_dim)
    if codec.token_codes is None:
        latent = torch.randn(shape)
    else:
        latent = torch.randint(codec.token_codes, shape)
    weights = sum(p.numel() * p.element_size() for p in codec.state_dict().values())
    before = restart_peak()
    began = time.process_time()
    if way == "pieces":
        codec.decode(latent)
    else:
        _decode_straightforwardly(codec, latent)
    spent = time.process_time() - began
    added = resident("VmHWM") - before
    print(json.dumps({"time": spent, "memory": added / 1e9, "weights": weights / 1e9}))


def _decode_straightforwardly(codec: neural.NeuralCodec, latent: torch.Tensor) -> None:
    whole, decode = tiling.through, kl_vae.KLVAE.decode

    def in_one_piece(sections, x, *, progress=None):
        return whole([dataclasses.replace(s, tile=ENDLESS) for s in sections], x)

    def formula(x, frequency, gain):
        return x + gain * torch.sin(frequency * x) ** 2

    def filters(x, frequency, gain, up, down):
        return activations.alias_free_snake(x, frequency, gain, up[None, None], down[None, None])

    modules = [m for n, m in sys.modules.items() if n.startswith("foleystage.core.codecs.")]
    with (
        mock.patch.object(activations, "add_snake", formula),
        mock.patch.object(activations, "_alias_free_in_pieces", filters),
        mock.patch.object(kl_vae.KLVAE, "decode", lambda vae, x, **_: decode(vae, x)),
    ):
        for module in modules:
            if getattr(module, "through", None) is whole:
                module.through = in_one_piece
        mel_vae.AroundAttention.forward.__kwdefaults__["tile"] = ENDLESS
        codec.decode(latent)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_once(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        main(sys.argv[1:])
