"""HiFi-GAN (Kong et al. 2020): log-mel to waveform. One class for AudioLDM's and the 22 kHz one.

Attribute names are those of the transformers files; `public_state` renames the original ones.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import Layers
from ..weights.families import Shapes, sized
from ..weights.fold import WEIGHT_NORM_NAMES, fold_weight_norm, strip_prefix
from .tiling import Section, two_sections

SLOPE = 0.1
LAST_SLOPE = 0.01
KERNELS = (3, 7, 11)
DILATIONS = (1, 3, 5)
# Frames to each side that the convolutions of the largest residual block reach.
BLOCK_REACH = max(KERNELS) // 2 * (sum(DILATIONS) + len(DILATIONS))
# Upsamplers of the first section, and the frames given at a time to it and to the second.
COARSE_STAGES = 2
TILES = (768, 4096)


@dataclass(frozen=True)
class HiFiGANConfig:
    """Config of one generator; `channels`: width before the first upsampler, each halves it."""

    n_mels: int
    channels: int
    rates: tuple[int, ...]
    kernels: tuple[int, ...]


HIFIGAN_AUDIOLDM = HiFiGANConfig(64, 1024, (5, 4, 2, 2, 2), (16, 16, 8, 4, 4))
HIFIGAN_22K = HiFiGANConfig(80, 512, (8, 8, 2, 2), (16, 16, 4, 4))


class ResidualBlock(nn.Module):
    """Three pairs of convolutions, the first of each dilated, each pair added to its input."""

    def __init__(self, channels: int, kernel: int, layers: Layers) -> None:
        super().__init__()
        half = kernel // 2
        conv = functools.partial(layers.Conv1d, channels, channels, kernel)
        self.convs1 = nn.ModuleList(conv(dilation=d, padding=d * half) for d in DILATIONS)
        self.convs2 = nn.ModuleList(conv(padding=half) for _ in DILATIONS)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2):
            h = dilated(F.leaky_relu(x, SLOPE))
            x = plain(F.leaky_relu_(h, SLOPE)).add_(x)
        return x


class Vocoder(nn.Module):
    """What HiFi-GAN and BigVGAN share: stages of an upsampler and the mean of residual blocks.

    Mel `[B, n_mels, N]` to waveform `[B, 1, N * product of rates + tail]` in -1..1. An odd rate
    with an even kernel leaves a tail: AudioLDM's has 32 samples.
    """

    block: type[ResidualBlock]
    # Frames to each side that an output of an activation depends on.
    activation_reach = 0

    def __init__(self, config: Any, layers: Layers, *, final_bias: bool = True) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels >> stage for stage in range(len(config.rates) + 1)]
        self.conv_pre = layers.Conv1d(config.n_mels, widths[0], 7, padding=3)
        self.resblocks = nn.ModuleList(
            self.block(width, kernel, layers) for width in widths[1:] for kernel in KERNELS
        )
        self.conv_post = layers.Conv1d(widths[-1], 1, 7, padding=3, bias=final_bias)

    def sections(self) -> tuple[Section, Section]:
        """The network in two parts, for `tiling.through`."""
        inner = BLOCK_REACH + 2 * len(DILATIONS) * self.activation_reach
        stages = [(r, k, inner) for r, k in zip(self.config.rates, self.config.kernels)]
        runs = (self._coarse, lambda x: self.bounded(self._fine(x)))
        after = 3 + self.activation_reach
        return two_sections(runs, stages, COARSE_STAGES, TILES, before=3, after=after)

    def forward(self, mel: Tensor) -> Tensor:
        return self.bounded(self.before_final(mel))

    def before_final(self, mel: Tensor) -> Tensor:
        """The last convolution's output, before it is brought to -1..1."""
        return self._fine(self._coarse(mel))

    def upsample(self, x: Tensor, stage: int) -> Tensor:
        """x at the rate of a stage."""
        raise NotImplementedError

    def activate(self, x: Tensor) -> Tensor:
        """What the last convolution gets."""
        raise NotImplementedError

    def bounded(self, wave: Tensor) -> Tensor:
        """What the last convolution gives, brought to -1..1."""
        return wave.tanh_()

    def _coarse(self, mel: Tensor) -> Tensor:
        return self._stages(self.conv_pre(mel), 0, COARSE_STAGES)

    def _fine(self, x: Tensor) -> Tensor:
        x = self._stages(x, COARSE_STAGES, len(self.config.rates))
        return self.conv_post(self.activate(x))

    def _stages(self, x: Tensor, first: int, last: int) -> Tensor:
        for stage in range(first, last):
            x = self.upsample(x, stage)
            blocks = self.resblocks[stage * len(KERNELS) : (stage + 1) * len(KERNELS)]
            total = blocks[0](x)
            for block in blocks[1:]:
                total = total + block(x)
            x = total / len(KERNELS)
        return x


def upsamplers(config: Any, layers: Layers) -> Iterator[nn.Module]:
    """A transposed convolution a stage."""
    for stage, (rate, kernel) in enumerate(zip(config.rates, config.kernels)):
        width, padding = config.channels >> stage, (kernel - rate) // 2
        yield layers.ConvTranspose1d(width, width // 2, kernel, stride=rate, padding=padding)


class HiFiGAN(Vocoder):
    """Leaky ReLUs and tanh; `made`: as `Layers`."""

    block = ResidualBlock

    def __init__(self, config: HiFiGANConfig, **made: Any) -> None:
        layers = Layers(**made)
        super().__init__(config, layers)
        self.upsampler = nn.ModuleList(upsamplers(config, layers))

    def upsample(self, x: Tensor, stage: int) -> Tensor:
        return self.upsampler[stage](F.leaky_relu(x, SLOPE))

    def activate(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, LAST_SLOPE)

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors under this class's names, weight norm folded.

        A stored mean and scale of the mel are left out: none of these generators applies them.
        """
        state = fold_weight_norm(strip_prefix(tensors, ("vocoder.",)))
        return {
            "upsampler." + k[4:] if k.startswith("ups.") else k: v
            for k, v in state.items()
            if k not in ("mean", "scale")
        }


def recognise(shapes: Shapes) -> str | None:
    """Which HiFi-GAN a file is, by its mel: "audioldm", "22k" or "" (another); None if none."""
    bands = mel_bands(shapes)
    # A generator with weights in its activations is a BigVGAN.
    if bands is None or any(".activations." in key for key in shapes):
        return None
    return {HIFIGAN_AUDIOLDM.n_mels: "audioldm", HIFIGAN_22K.n_mels: "22k"}.get(bands, "")


def mel_bands(shapes: Shapes) -> int | None:
    """Bands of the mel that a generator of this build takes, weight-normed or not; None if none."""
    names = (".weight", *(direction for _, direction in WEIGHT_NORM_NAMES))
    first = next((key for name in names if (key := f"conv_pre{name}") in shapes), "")
    found = sized(shapes, {first: 3})
    return None if found is None else found[first][1]
