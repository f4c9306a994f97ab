"""MDSGen-B at full size, AudioLDM grid, 25 steps with guidance on the CPU, against plain code.

    python benchmarks/mdsgen.py [--steps 25] [--threads 2]

The plain network is the published one run the published way: in every block the bias is gathered
from its table, the softmax is written out, and guidance is two forwards. Both have the same random
weights and noise and are timed in one run; errors are of the whole sampled latent. Ours is packed,
as the model `mdsgen_b` is on a CPU. Writes the table of `benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace

import torch
import torch.nn.functional as F
from measure import machine, write_table
from torch import Tensor

PAPER = {"t": "0.058", "s": "0.114", "b": "0.243"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.device == "cuda":
        write_table("mdsgen-cuda", _cuda_table(options.steps))
    else:
        write_table("mdsgen", _cpu_table(options.steps))


def random_network(size: str, device: str = "cpu"):
    """A network with weights like trained ones: nothing is zero, the output is of unit size."""
    from foleystage.core.generators import MDSGen, mdsgen_config

    config = replace(mdsgen_config(size), side_block=False)
    rng = torch.Generator().manual_seed(0)
    network = MDSGen(config, rng=rng).eval().requires_grad_(False)
    for name, value in network.named_parameters():
        if "adaLN" in name or "final_layer" in name or name.endswith("bias_table"):
            value.copy_(torch.randn(value.shape, generator=rng) * 0.02)
    return network.to(device)


class Published:
    """The network as the paper's code computes it, on the weights of ours."""

    def __init__(self, network) -> None:
        self.state = network.state_dict()
        self.config = network.config
        self.network = network
        height, width = network.config.grid
        rows = torch.arange(height).repeat_interleave(width)
        columns = torch.arange(width).repeat(height)
        down = rows[:, None] - rows[None] + height - 1
        across = columns[:, None] - columns[None] + width - 1
        self.index = down * (2 * width - 1) + across  # (N, N)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def __call__(self, x: Tensor, t: float, video: Tensor, kept: float) -> Tensor:
        s = self.state
        picture = self.network.picture_of(x)
        tokens = F.conv2d(picture, s["x_embedder.proj.weight"], s["x_embedder.proj.bias"], 2)
        tokens = tokens.flatten(2).transpose(1, 2) + s["pos_embed"]
        k = torch.arange(102, dtype=torch.float32)
        angles = torch.full((len(x), 1), t) * torch.exp(-math.log(10000.0) * k / 102)
        time = torch.cat((angles.cos(), angles.sin()), dim=-1)
        time = self.linear("t_embedder.mlp.2", F.silu(self.linear("t_embedder.mlp.0", time)))
        condition = time + kept * self.reduce(video)
        for i in range(self.config.depth):
            if i == self.config.depth - self.config.decode_layer:
                tokens = tokens + s["decoder_pos_embed"]
            tokens = self.block(f"blocks.{i}", tokens, condition)
        shift, scale = self.linear("final_layer.adaLN_modulation.1", F.silu(condition)).chunk(
            2, dim=1
        )
        tokens = self.linear("final_layer.linear", self.modulated(tokens, shift, scale))
        channels = self.config.out_channels
        tokens = tokens.view(len(x), *self.config.grid, 2, 2, channels)
        whole = torch.einsum("nhwpqc->nchpwq", tokens).reshape(
            len(x), channels, *self.config.picture
        )
        return self.network.frames_of(whole[:, : self.config.channels])

    def reduce(self, video: Tensor) -> Tensor:
        s, dim = self.state, (self.config.hidden_dim,)
        y = F.gelu(self.linear("mlp_feat.0", video))
        y = F.layer_norm(y, dim, s["mlp_feat.2.weight"], s["mlp_feat.2.bias"], 1e-12)
        y = F.gelu(F.conv1d(y, s["conv1d_feat.0.weight"], s["conv1d_feat.0.bias"]))
        y = F.layer_norm(y, dim, s["conv1d_feat.2.weight"], s["conv1d_feat.2.bias"], 1e-12)
        return y[:, 0]

    @staticmethod
    def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        x = F.layer_norm(x, x.shape[-1:], eps=1e-6)
        return x * (1 + scale[:, None]) + shift[:, None]

    def block(self, name: str, x: Tensor, condition: Tensor) -> Tensor:
        chunks = self.linear(f"{name}.adaLN_modulation.1", F.silu(condition)).chunk(6, dim=1)
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = chunks
        inner = self.attention(f"{name}.attn", self.modulated(x, shift, scale))
        x = x + gate[:, None] * inner
        inner = self.linear(f"{name}.mlp.fc1", self.modulated(x, mlp_shift, mlp_scale))
        inner = self.linear(f"{name}.mlp.fc2", F.gelu(inner, approximate="tanh"))
        return x + mlp_gate[:, None] * inner

    def attention(self, name: str, x: Tensor) -> Tensor:
        batch, count, dim = x.shape
        heads = self.config.num_heads
        qkv = self.linear(f"{name}.qkv", x).reshape(batch, count, 3, heads, dim // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        logits = (q * (dim // heads) ** -0.5) @ k.transpose(-2, -1)
        table = self.state[f"{name}.rel_pos_bias.relative_position_bias_table"]
        bias = table[self.index.view(-1)].view(count, count, heads)
        logits = logits + bias.permute(2, 0, 1).contiguous()[None]
        x = (logits.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, count, dim)
        return self.linear(f"{name}.proj", x)


def _inputs(network, device: str = "cpu"):
    rng = torch.Generator().manual_seed(1)
    noise = torch.randn(1, network.config.frames, network.config.latent.dim, generator=rng)
    video = F.normalize(torch.randn(1, 32, 512, generator=rng), dim=-1)
    return noise.to(device), video.to(device)


def _ours(network, noise: Tensor, video: Tensor, steps: int) -> Tensor:
    from foleystage.core.generators import Conditions
    from foleystage.core.sampling import power_cosine, sample

    given = Conditions({"cavp": video}, 8.16)
    return sample(network, given, power_cosine(5.0), steps=steps, noise=noise)


@torch.inference_mode()
def _plain(published: Published, noise: Tensor, video: Tensor, steps: int) -> Tensor:
    from foleystage.core.sampling import DYNAMICS, dpm_solver_2m, power_cosine

    scale = power_cosine(5.0)[0]

    def predict(x: Tensor, t: float) -> Tensor:
        conditional, null = (published(x, t, video, kept) for kept in (1.0, 0.0))
        return null + scale.at(1 - t / 1000) * (conditional - null)

    latent = dpm_solver_2m(predict, noise, DYNAMICS["epsilon"].times(steps))
    return latent / published.config.latent_scale


def _timed(make, *arguments) -> tuple[Tensor, float]:
    started = time.perf_counter()
    made = make(*arguments)
    return made.float(), time.perf_counter() - started


def _cpu_table(steps: int) -> str:
    from foleystage.core.generators.packed import MDSGEN_KINDS, can_pack, pack

    network = random_network("b")
    noise, video = _inputs(network)
    published = Published(network)
    _plain(published, noise, video, 1)
    wanted, base = _timed(_plain, published, noise, video, steps)
    rows = [f"| published way, float32 | {base:.1f} s | 1.00 | - |"]
    for dtype in (torch.float32, torch.bfloat16):
        moved = random_network("b").to(dtype)
        if can_pack(dtype, "cpu"):
            pack(moved, MDSGEN_KINDS)
        _ours(moved, noise, video, 1)
        made, spent = _timed(_ours, moved, noise, video, steps)
        error = float((made - wanted).norm() / wanted.norm())
        name = str(dtype).removeprefix("torch.")
        rows.append(f"| FoleyStage, {name} | {spent:.1f} s | {base / spent:.2f} | {error:.1e} |")
    head = (
        f"MDSGen-B, 816 tokens, {steps} steps, power-cosine guidance 5; {machine()}\n\n"
        "| | 8.16 s of latent | times as fast | difference |\n|---|---|---|---|"
    )
    return "\n".join([head, *rows])


def _cuda_table(steps: int) -> str:
    rows = []
    for size in ("t", "s", "b"):
        network = random_network(size, "cuda").bfloat16()
        noise, video = _inputs(network, "cuda")
        times = []
        for _ in range(6):
            torch.cuda.synchronize()
            started = time.perf_counter()
            _ours(network, noise, video, steps)
            torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        best = sorted(times[1:])[2]
        peak = torch.cuda.max_memory_allocated() / 1e6
        rows.append(f"| {size.upper()} | {best:.3f} s | {PAPER[size]} s | {peak:.0f} MB |")
    head = (
        f"{torch.cuda.get_device_name()}, bfloat16, {steps} steps, median of 5\n\n"
        "| size | time | paper, A100 | memory |\n|---|---|---|---|"
    )
    return "\n".join([head, *rows])


if __name__ == "__main__":
    main()
