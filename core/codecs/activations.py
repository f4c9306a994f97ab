"""Periodic activations of the vocoders and waveform autoencoders.

Snake (Ziyin et al. 2020): x + sin^2(a x) / b, one a and b a channel. BigVGAN (Lee et al. 2023,
section 3.2) applies it at twice the rate between two low-pass filters, so that its harmonics do not
alias.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..threads import share_out

EPS = 1e-9
TAPS = 12
# Elements of one piece of the CPU path: few enough for a second-level cache, enough that what
# Python does between two operations is little.
PIECE = 1 << 17


def add_snake(x: Tensor, frequency: Tensor, gain: Tensor) -> Tensor:
    """x + gain * sin^2(frequency x)."""
    return (x * frequency).sin_().square_().mul_(gain).add_(x)


class Snake(nn.Module):
    """One learned frequency a channel, `alpha` `[1, C, 1]`, which also divides (DAC)."""

    def __init__(self, channels: int, **factory: Any) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, T]` to `[B, C, T]`."""
        alpha = self.alpha.to(x)
        return add_snake(x, alpha, 1 / (alpha + EPS))


class SnakeBeta(nn.Module):
    """Learned frequency `alpha` and divisor `beta` a channel, `[C]`, stored as logarithms."""

    def __init__(self, channels: int, **factory: Any) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels, **factory))
        self.beta = nn.Parameter(torch.zeros(channels, **factory))

    def frequency_and_gain(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Each `[C, 1]`, in the type of `like`."""
        alpha, beta = (p.to(like)[:, None] for p in (self.alpha, self.beta))
        return alpha.exp(), 1 / (beta.exp() + EPS)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, T]` to `[B, C, T]`."""
        return add_snake(x, *self.frequency_and_gain(x))


class Filter(nn.Module):
    """Holds the public files' low-pass `filter` `[1, 1, 12]`."""

    def __init__(self, **factory: Any) -> None:
        super().__init__()
        self.register_buffer("filter", low_pass().to(**factory))


class AliasFreeSnake(nn.Module):
    """Snake at twice the rate: up by 2, SnakeBeta, low-pass and down by 2."""

    # Frames to each side that an output depends on.
    reach = 6

    def __init__(self, channels: int, **factory: Any) -> None:
        super().__init__()
        self.act = SnakeBeta(channels, **factory)
        self.upsample = Filter(**factory)
        self.downsample = nn.ModuleDict({"lowpass": Filter(**factory)})

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, T]` to `[B, C, T]`."""
        frequency, gain = self.act.frequency_and_gain(x)
        up, down = self.upsample.filter.to(x), self.downsample["lowpass"].filter.to(x)
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            return _alias_free_in_pieces(x, frequency, gain, up.flatten(), down.flatten())
        return alias_free_snake(x, frequency, gain, up, down)


def low_pass() -> Tensor:
    """Kaiser-windowed sinc `[1, 1, 12]`: cutoff 0.25, transition 0.3 of the doubled rate."""
    cutoff, transition = 0.25, 0.3
    attenuation = 2.285 * (TAPS / 2 - 1) * math.pi * 4 * transition + 7.95  # 51 dB
    beta = 0.1102 * (attenuation - 8.7)
    time = torch.arange(TAPS, dtype=torch.float64) - (TAPS - 1) / 2
    window = torch.kaiser_window(TAPS, periodic=False, beta=beta, dtype=torch.float64)
    taps = window * torch.sinc(2 * cutoff * time)
    return (taps / taps.sum()).float()[None, None]


def alias_free_snake(
    x: Tensor, frequency: Tensor, gain: Tensor, up: Tensor, down: Tensor
) -> Tensor:
    """The formula as filters: x `[B, C, T]`, frequency and gain `[C, 1]`, filters `[1, 1, 12]`."""
    channels = x.shape[1]
    doubled = F.pad(x, (5, 5), mode="replicate")
    doubled = F.conv_transpose1d(doubled, 2 * up.expand(channels, 1, -1), stride=2, groups=channels)
    doubled = add_snake(doubled[..., 15:-15], frequency, gain)  # [B, C, 2 T]
    doubled = F.pad(doubled, (5, 6), mode="replicate")
    return F.conv1d(doubled, down.expand(channels, 1, -1), stride=2, groups=channels)


def _alias_free_in_pieces(
    x: Tensor, frequency: Tensor, gain: Tensor, up: Tensor, down: Tensor
) -> Tensor:
    """The same by shifted sums over the two phases, a few channels at a time: faster on a CPU.

    A piece is one thread's: its 36 operations are too short for threads to wait for each other.
    """
    step = max(1, PIECE // (x.shape[0] * x.shape[2]))
    out = torch.empty_like(x)

    def make(part: slice) -> None:
        _alias_free_piece(x[:, part], frequency[part], gain[part], up, down, out[:, part])

    share_out(make, [slice(first, first + step) for first in range(0, x.shape[1], step)])
    return out


def _alias_free_piece(
    x: Tensor, frequency: Tensor, gain: Tensor, up: Tensor, down: Tensor, out: Tensor
) -> None:
    length = x.shape[2]
    padded = F.pad(x, (3, 3), mode="replicate")
    doubled = x.new_empty(2, *padded.shape)  # even and odd samples, three more at each end
    inner = doubled[..., 3:-3]
    for phase in (0, 1):
        # Even sample 2j: taps 11, 9, ... 1 on frames j-3 .. j+2; odd: 10, 8, ... 0 on j-2 .. j+3.
        taps = (2 * up[1 - phase :: 2]).flip(0).tolist()
        torch.mul(padded[..., phase : phase + length], taps[0], out=inner[phase])
        for shift, tap in enumerate(taps[1:], start=phase + 1):
            inner[phase].add_(padded[..., shift : shift + length], alpha=tap)
    inner.add_((inner * frequency).sin_().square_().mul_(gain))
    doubled[..., :3] = inner[0, ..., :1]
    doubled[..., -3:] = inner[1, ..., -1:]
    # Output j: taps 1, 3, ... on even samples j-2 .. j+3, taps 0, 2, ... on odd samples j-3 .. j+2.
    out.zero_()
    for shift in range(TAPS // 2):
        even, odd = doubled[0, ..., shift + 1 :], doubled[1, ..., shift:]
        out.add_(even[..., :length], alpha=float(down[2 * shift + 1]))
        out.add_(odd[..., :length], alpha=float(down[2 * shift]))
