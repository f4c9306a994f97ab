"""BigVGAN (Lee et al. 2023): log-mel to waveform, at 16 kHz and, version 2, at 44.1 kHz.

Attribute names are the key names of the public files (after the weight norm is folded).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..layers import Layers
from ..weights.families import Shapes
from ..weights.fold import fold_weight_norm, strip_prefix
from .activations import AliasFreeSnake
from .hifigan import DILATIONS, ResidualBlock, Vocoder, mel_bands, upsamplers


@dataclass(frozen=True)
class BigVGANConfig:
    """Config of one generator. `final`: how the last layer is brought to -1..1."""

    n_mels: int
    rates: tuple[int, ...]
    kernels: tuple[int, ...]
    final: str  # "tanh" or "clamp"
    final_bias: bool
    channels: int = 1536


BIGVGAN_16K = BigVGANConfig(80, (4, 4, 2, 2, 2, 2), (8, 8, 4, 4, 4, 4), "tanh", True)
BIGVGAN_V2_44K = BigVGANConfig(128, (8, 4, 2, 2, 2, 2), (16, 8, 4, 4, 4, 4), "clamp", False)


class PeriodicBlock(ResidualBlock):
    """HiFi-GAN's residual block with an alias-free snake before each convolution."""

    def __init__(self, channels: int, kernel: int, layers: Layers) -> None:
        super().__init__(channels, kernel, layers)
        self.activations = nn.ModuleList(
            AliasFreeSnake(channels, **layers.factory) for _ in range(2 * len(DILATIONS))
        )

    def forward(self, x: Tensor) -> Tensor:
        pairs = zip(self.convs1, self.convs2, self.activations[::2], self.activations[1::2])
        for dilated, plain, first, second in pairs:
            x = plain(second(dilated(first(x)))).add_(x)
        return x


class BigVGAN(Vocoder):
    """Alias-free snakes; `made`: as `Layers`."""

    block = PeriodicBlock
    activation_reach = AliasFreeSnake.reach

    def __init__(self, config: BigVGANConfig, **made: Any) -> None:
        layers = Layers(**made)
        super().__init__(config, layers, final_bias=config.final_bias)
        self.ups = nn.ModuleList(nn.ModuleList([layer]) for layer in upsamplers(config, layers))
        self.activation_post = AliasFreeSnake(
            config.channels >> len(config.rates), **layers.factory
        )

    def upsample(self, x: Tensor, stage: int) -> Tensor:
        return self.ups[stage][0](x)

    def activate(self, x: Tensor) -> Tensor:
        return self.activation_post(x)

    def bounded(self, wave: Tensor) -> Tensor:
        return wave.clamp(-1, 1) if self.config.final == "clamp" else super().bounded(wave)

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors under this class's names, weight norm folded."""
        return fold_weight_norm(strip_prefix(tensors, ("vocoder.vocoder.", "vocoder.")))


def recognise(shapes: Shapes) -> str | None:
    """The rate of a BigVGAN, "16k" or "44k" by its mel, empty for another; None if it is none."""
    bands = mel_bands(shapes)
    if bands is None or "resblocks.0.activations.0.act.alpha" not in shapes:
        return None
    return {BIGVGAN_16K.n_mels: "16k", BIGVGAN_V2_44K.n_mels: "44k"}.get(bands, "")
