"""HiFi-GAN (Kong et al. 2020): log-mel to waveform. One class for AudioLDM's and the 22 kHz one.

Attribute names are those of the transformers files; `public_state` renames the original ones.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..weights.families import Shapes
from ..weights.fold import WEIGHT_NORM_NAMES, fold_weight_norm, strip_prefix
from .tiling import Network, Section, upsampling_reach

SLOPE = 0.1
LAST_SLOPE = 0.01
KERNELS = (3, 7, 11)
DILATIONS = (1, 3, 5)
# Upsamplers of the first section, and the frames given at a time to it and to the second.
COARSE_STAGES = 2
COARSE_TILE = 768
FINE_TILE = 4096


@dataclass(frozen=True)
class HiFiGANConfig:
    """Figures of one generator. `normalize`: apply the stored mean and scale of the mel."""

    n_mels: int
    channels: int
    rates: tuple[int, ...]
    kernels: tuple[int, ...]
    normalize: bool = False

    @property
    def hop(self) -> int:
        """Samples a mel frame."""
        return math.prod(self.rates)


HIFIGAN_AUDIOLDM = HiFiGANConfig(64, 1024, (5, 4, 2, 2, 2), (16, 16, 8, 4, 4))
HIFIGAN_22K = HiFiGANConfig(80, 512, (8, 8, 2, 2), (16, 16, 4, 4))


class ResidualBlock(nn.Module):
    """Three pairs of convolutions, the first of each dilated, each pair added to its input."""

    def __init__(self, channels: int, kernel: int, *, operations: Any, **factory: Any) -> None:
        super().__init__()
        half = kernel // 2
        conv = functools.partial(operations.Conv1d, channels, channels, kernel, **factory)
        self.convs1 = nn.ModuleList(conv(dilation=d, padding=d * half) for d in DILATIONS)
        self.convs2 = nn.ModuleList(conv(padding=half) for _ in DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2):
            h = dilated(F.leaky_relu(x, SLOPE))
            x = plain(F.leaky_relu_(h, SLOPE)).add_(x)
        return x


def residual_reach(kernel: int) -> int:
    """Frames to each side that a residual block of this kernel looks at."""
    return kernel // 2 * (sum(DILATIONS) + len(DILATIONS))


class HiFiGAN(nn.Module):
    """Mel `[B, n_mels, N]` to waveform `[B, 1, N * hop + tail]`.

    An odd rate with an even kernel leaves a tail: AudioLDM's has 32 samples.
    """

    def __init__(
        self,
        config: HiFiGANConfig,
        *,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        c, made = config, {"dtype": dtype, "device": device}
        self.config = config
        self.register_buffer("mean", torch.zeros(c.n_mels, **made))
        self.register_buffer("scale", torch.ones(c.n_mels, **made))
        self.conv_pre = operations.Conv1d(c.n_mels, c.channels, 7, padding=3, **made)
        self.upsampler = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        width = c.channels
        for rate, kernel in zip(c.rates, c.kernels):
            half = width // 2
            self.upsampler.append(
                operations.ConvTranspose1d(
                    width, half, kernel, stride=rate, padding=(kernel - rate) // 2, **made
                )
            )
            width = half
            for size in KERNELS:
                self.resblocks.append(ResidualBlock(width, size, operations=operations, **made))
        self.conv_post = operations.Conv1d(width, 1, 7, padding=3, **made)

    def sections(self) -> tuple[Section, Section]:
        """The network in two parts, for `tiling.through`."""
        inner = residual_reach(max(KERNELS))
        stages = [(r, k, inner) for r, k in zip(self.config.rates, self.config.kernels)]
        return two_sections(stages, (self._coarse, self._fine), after=3)

    def forward(self, mel: Tensor) -> Tensor:
        return self._fine(self._coarse(mel))

    def _coarse(self, mel: Tensor) -> Tensor:
        if self.config.normalize:
            mel = (mel - self.mean.to(mel)[:, None]) / self.scale.to(mel)[:, None]
        return self._stages(self.conv_pre(mel), 0, COARSE_STAGES)

    def _fine(self, x: Tensor) -> Tensor:
        x = self._stages(x, COARSE_STAGES, len(self.upsampler))
        return torch.tanh(self.conv_post(F.leaky_relu(x, LAST_SLOPE)))

    def _stages(self, x: Tensor, first: int, last: int) -> Tensor:
        for stage in range(first, last):
            x = self.upsampler[stage](F.leaky_relu(x, SLOPE))
            x = mean_of(self.resblocks[stage * len(KERNELS) : (stage + 1) * len(KERNELS)], x)
        return x

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors under this class's names, weight norm folded."""
        state = fold_weight_norm(strip_prefix(tensors, ("vocoder.",)))
        state = {"upsampler." + k[4:] if k.startswith("ups.") else k: v for k, v in state.items()}
        if "mean" not in state and "conv_pre.weight" in state:
            weight = state["conv_pre.weight"]
            state["mean"] = weight.new_zeros(weight.shape[1])
            state["scale"] = weight.new_ones(weight.shape[1])
        return state


def two_sections(
    stages: Sequence[tuple[int, int, int]], runs: tuple[Network, Network], *, after: int
) -> tuple[Section, Section]:
    """Sections of a vocoder cut after `COARSE_STAGES` of its (rate, kernel, reach) stages.

    `after`: samples to each side that its last layers look at; its first looks at 3 mel frames.
    """
    coarse, fine = stages[:COARSE_STAGES], stages[COARSE_STAGES:]
    return (
        Section(
            runs[0],
            math.prod(rate for rate, _, _ in coarse),
            upsampling_reach(coarse, before=3, after=0),
            COARSE_TILE,
        ),
        Section(
            runs[1],
            math.prod(rate for rate, _, _ in fine),
            upsampling_reach(fine, before=0, after=after),
            FINE_TILE,
        ),
    )


def mean_of(blocks: nn.ModuleList, x: Tensor) -> Tensor:
    """The mean of what the blocks make of x."""
    total = blocks[0](x)
    for block in blocks[1:]:
        total = total + block(x)
    return total / len(blocks)


def recognise(shapes: Shapes) -> str | None:
    """Which HiFi-GAN a file is, by its mel: "audioldm", "22k" or "" (another); None if none."""
    bands = mel_bands(shapes)
    # A generator with weights in its activations is a BigVGAN.
    if bands is None or any(".activations." in key for key in shapes):
        return None
    return {HIFIGAN_AUDIOLDM.n_mels: "audioldm", HIFIGAN_22K.n_mels: "22k"}.get(bands, "")


def mel_bands(shapes: Shapes) -> int | None:
    """Bands of the mel that a generator of this build takes, weight-normed or not; None if none."""
    stem = "conv_pre"
    directions = (f"{stem}{name}" for _, name in WEIGHT_NORM_NAMES)
    first = next((shapes[k] for k in (f"{stem}.weight", *directions) if k in shapes), ())
    return first[1] if len(first) == 3 else None
