"""BigVGAN (Lee et al. 2023): log-mel to waveform, at 16 kHz and, version 2, at 44.1 kHz.

Attribute names are the key names of the public files (after the weight norm is folded).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..weights.families import Shapes
from ..weights.fold import fold_weight_norm, strip_prefix
from .activations import AliasFreeSnake
from .hifigan import (
    COARSE_STAGES,
    DILATIONS,
    KERNELS,
    mean_of,
    mel_bands,
    residual_reach,
    two_sections,
)
from .tiling import Section


@dataclass(frozen=True)
class BigVGANConfig:
    """Figures of one generator. `final`: how the last layer is brought to -1..1."""

    n_mels: int
    rates: tuple[int, ...]
    kernels: tuple[int, ...]
    final: str  # "tanh" or "clamp"
    final_bias: bool
    channels: int = 1536

    @property
    def hop(self) -> int:
        """Samples a mel frame."""
        return math.prod(self.rates)


BIGVGAN_16K = BigVGANConfig(80, (4, 4, 2, 2, 2, 2), (8, 8, 4, 4, 4, 4), "tanh", True)
BIGVGAN_V2_44K = BigVGANConfig(128, (8, 4, 2, 2, 2, 2), (16, 8, 4, 4, 4, 4), "clamp", False)


class PeriodicBlock(nn.Module):
    """HiFi-GAN's residual block with an alias-free snake before each convolution."""

    def __init__(self, channels: int, kernel: int, *, operations: Any, **factory: Any) -> None:
        super().__init__()
        half = kernel // 2
        conv = functools.partial(operations.Conv1d, channels, channels, kernel, **factory)
        self.convs1 = nn.ModuleList(conv(dilation=d, padding=d * half) for d in DILATIONS)
        self.convs2 = nn.ModuleList(conv(padding=half) for _ in DILATIONS)
        self.activations = nn.ModuleList(
            AliasFreeSnake(channels, **factory) for _ in range(2 * len(DILATIONS))
        )

    def forward(self, x: Tensor) -> Tensor:
        pairs = zip(self.convs1, self.convs2, self.activations[::2], self.activations[1::2])
        for dilated, plain, first, second in pairs:
            x = plain(second(dilated(first(x)))).add_(x)
        return x


class BigVGAN(nn.Module):
    """Mel `[B, n_mels, N]` to waveform `[B, 1, N * hop]` in -1..1."""

    def __init__(
        self,
        config: BigVGANConfig,
        *,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        c, made = config, {"dtype": dtype, "device": device}
        self.config = config
        self.conv_pre = operations.Conv1d(c.n_mels, c.channels, 7, padding=3, **made)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        width = c.channels
        for rate, kernel in zip(c.rates, c.kernels):
            upsample = operations.ConvTranspose1d(
                width, width // 2, kernel, stride=rate, padding=(kernel - rate) // 2, **made
            )
            self.ups.append(nn.ModuleList([upsample]))
            width //= 2
            for size in KERNELS:
                self.resblocks.append(PeriodicBlock(width, size, operations=operations, **made))
        self.activation_post = AliasFreeSnake(width, **made)
        self.conv_post = operations.Conv1d(width, 1, 7, padding=3, bias=c.final_bias, **made)

    def sections(self) -> tuple[Section, Section]:
        """The network in two parts, for `tiling.through`."""
        inner = residual_reach(max(KERNELS)) + 2 * len(DILATIONS) * AliasFreeSnake.reach
        stages = [(r, k, inner) for r, k in zip(self.config.rates, self.config.kernels)]
        runs = (self._coarse, lambda x: self._bounded(self._fine(x)))
        return two_sections(stages, runs, after=3 + AliasFreeSnake.reach)

    def before_final(self, mel: Tensor) -> Tensor:
        """The last convolution's output, before it is brought to -1..1."""
        return self._fine(self._coarse(mel))

    def forward(self, mel: Tensor) -> Tensor:
        return self._bounded(self.before_final(mel))

    def _coarse(self, mel: Tensor) -> Tensor:
        return self._stages(self.conv_pre(mel), 0, COARSE_STAGES)

    def _fine(self, x: Tensor) -> Tensor:
        x = self._stages(x, COARSE_STAGES, len(self.ups))
        return self.conv_post(self.activation_post(x))

    def _stages(self, x: Tensor, first: int, last: int) -> Tensor:
        for stage in range(first, last):
            x = self.ups[stage][0](x)
            x = mean_of(self.resblocks[stage * len(KERNELS) : (stage + 1) * len(KERNELS)], x)
        return x

    def _bounded(self, wave: Tensor) -> Tensor:
        return wave.tanh_() if self.config.final == "tanh" else wave.clamp(-1, 1)

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors under this class's names, weight norm folded."""
        inner = strip_prefix(tensors, ("vocoder.vocoder.", "vocoder."))
        return fold_weight_norm(inner)


def recognise(shapes: Shapes) -> str | None:
    """The rate of a BigVGAN, "16k" or "44k" by its mel, empty for another; None if it is none."""
    bands = mel_bands(shapes)
    if bands is None or "resblocks.0.activations.0.act.alpha" not in shapes:
        return None
    return {BIGVGAN_16K.n_mels: "16k", BIGVGAN_V2_44K.n_mels: "44k"}.get(bands, "")
