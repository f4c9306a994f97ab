"""What the codecs without a mel share: a network from waveform to latent and back, in tiles.

Oobleck and the DAC autoencoder are of one build: convolutions, residual units, changes of rate.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Generator, Tensor, nn

from ..layers import Layers
from .layers import upsampler
from .neural import NeuralCodec
from .tiling import Progress, Section, downsampling_reach, through, tiled, two_sections

DILATIONS = (1, 3, 9)
KERNEL = 7
# Frames to each side that an output of the residual units of one block depends on.
UNITS_REACH = KERNEL // 2 * sum(DILATIONS)
# Changes of rate in a decoder's first section, and the frames given at a time to it and the second.
COARSE_STAGES = 2
TILES = (256, 1024)


class Block(nn.Module):
    """Layers one after another under the attribute `name`; with `residual`, added to the input."""

    def __init__(self, name: str, layers: Sequence[nn.Module], *, residual: bool = False) -> None:
        super().__init__()
        self.name, self.residual = name, residual
        setattr(self, name, nn.Sequential(*layers))

    @property
    def inner(self) -> nn.Sequential:
        return getattr(self, self.name)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).add_(x) if self.residual else self.inner(x)


class Blocks:
    """Makes the blocks of an autoencoder. `name`: of a block's layers in the public file.

    `channels`: of the input, before every change of rate, after the last, and of the output.
    """

    def __init__(self, name: str, snake: Callable[..., nn.Module], layers: Layers) -> None:
        self.name, self.layers = name, layers
        self.snake = functools.partial(snake, **layers.factory)

    def encoder(self, name: str, channels: Sequence[int], rates: Sequence[int]) -> Block:
        """One frame for every product of `rates`."""
        inputs, *widths, outputs = channels
        blocks = [self.layers.Conv1d(inputs, widths[0], KERNEL, padding=KERNEL // 2)]
        for before, after, rate in zip(widths, widths[1:], rates):
            sizes = {"stride": rate, "padding": math.ceil(rate / 2)}
            change = self.layers.Conv1d(before, after, 2 * rate, **sizes)
            units = self._residual_units(before)
            blocks.append(Block(self.name, [*units, self.snake(before), change]))
        last = self.layers.Conv1d(widths[-1], outputs, 3, padding=1)
        return Block(name, [*blocks, self.snake(widths[-1]), last])

    def decoder(
        self, name: str, channels: Sequence[int], rates: Sequence[int], *, bias: bool = True
    ) -> Block:
        """As many frames as the product of `rates` for one; `bias`: of the last convolution."""
        inputs, *widths, outputs = channels
        blocks = [self.layers.Conv1d(inputs, widths[0], KERNEL, padding=KERNEL // 2)]
        for before, after, rate in zip(widths, widths[1:], rates):
            change = upsampler(before, after, rate, self.layers)
            units = self._residual_units(after)
            blocks.append(Block(self.name, [self.snake(before), change, *units]))
        last = self.layers.Conv1d(widths[-1], outputs, KERNEL, padding=KERNEL // 2, bias=bias)
        return Block(name, [*blocks, self.snake(widths[-1]), last])

    def _residual_units(self, channels: int) -> list[Block]:
        """Three units: snake, dilated 7-tap convolution, snake, pointwise convolution, added."""
        conv = functools.partial(self.layers.Conv1d, channels, channels)
        units = []
        for dilation in DILATIONS:
            dilated = conv(KERNEL, dilation=dilation, padding=KERNEL // 2 * dilation)
            unit = [self.snake(channels), dilated, self.snake(channels), conv(1)]
            units.append(Block(self.name, unit, residual=True))
        return units


class WaveformVAE(nn.Module):
    """Audio `[B, C, N * hop]` to moments `[B, 2 * latent_dim, N]`, latent to audio.

    The config has `rates` and `latent_dim`; `hop`: samples a latent frame.
    """

    encoder: Block
    decoder: Block

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.hop = math.prod(config.rates)

    def sections(self) -> tuple[Section, Section]:
        """The decoder in two parts, for `tiling.through`."""
        stages = [(rate, 2 * rate, UNITS_REACH) for rate in reversed(self.config.rates)]
        runs, reach = (self._coarse, self._fine), KERNEL // 2
        return two_sections(runs, stages, COARSE_STAGES, TILES, before=reach, after=reach)

    @property
    def encoder_context(self) -> int:
        """Latents' worth of samples to each side that a latent depends on."""
        stages = [(rate, 2 * rate, UNITS_REACH) for rate in self.config.rates]
        return downsampling_reach(stages, before=KERNEL // 2, after=1)

    def moments(self, audio: Tensor) -> Tensor:
        """Mean and what `deviation` takes, stacked: what the encoder gives."""
        return self.encoder(audio)

    @staticmethod
    def deviation(raw: Tensor) -> Tensor:
        """Standard deviation of the posterior from the second half of the moments."""
        raise NotImplementedError

    def decode(self, latent: Tensor) -> Tensor:
        """Latent `[B, latent_dim, N]` to audio `[B, C, N * hop]`."""
        return self._fine(self._coarse(latent))

    def _coarse(self, latent: Tensor) -> Tensor:
        return self.decoder.inner[: COARSE_STAGES + 1](latent)

    def _fine(self, x: Tensor) -> Tensor:
        return self.decoder.inner[COARSE_STAGES + 1 :](x)


class WaveformCodec(NeuralCodec):
    """A codec of such a network. `made`: as `Layers`."""

    network: type[Any]
    # Latent frames encoded at a time.
    encoded_tile: int

    def __init__(self, config: Any = None, *, decode_only: bool = False, **made: Any) -> None:
        super().__init__()
        self.decode_only = decode_only
        self.vae = self.network(config, decode_only=decode_only, **made)
        self.latent_dim = self.vae.config.latent_dim
        self.samples_per_latent = self.vae.hop

    def _posterior(self, waveform: Tensor, progress: Progress | None) -> tuple[Tensor, Tensor]:
        moments = tiled(
            self.vae.moments,
            waveform.to(self.compute_dtype),
            tile=self.encoded_tile,
            context=self.vae.encoder_context,
            frame=self.samples_per_latent,
            progress=progress,
        )
        mean, raw = moments.float().transpose(1, 2).chunk(2, dim=2)
        return mean, self.vae.deviation(raw)

    def _decode(
        self, latent: Tensor, generator: Generator | None, progress: Progress | None
    ) -> Tensor:
        latent = latent.transpose(1, 2).to(self.compute_dtype)
        return through(self.vae.sections(), latent, progress=progress)
