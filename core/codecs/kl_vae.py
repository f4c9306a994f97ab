"""The 2-D convolutional autoencoder family of latent diffusion, used on mels as pictures.

AudioLDM's, Stable Diffusion's image VAE and SpecVQGAN's are one network of different figures.
Attribute names are diffusers'; `public_state` renames the original (CompVis) and older ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..weights.families import Shapes
from ..weights.fold import strip_prefix
from .kl_vae_keys import diffusers_names
from .tiling import Progress
from .whole_norms import Norm, plain, run_in_tiles

EPS = 1e-6
LOGVAR_RANGE = (-30.0, 20.0)
# The key of SpecVQGAN's codebook, which no other file has.
CODEBOOK = "quantize.embedding.weight"
# Where a latent diffusion model's checkpoint keeps its autoencoder.
IN_DIFFUSION = "first_stage_model."


@dataclass(frozen=True)
class KLVAEConfig:
    """Figures of one autoencoder.

    `channels`: width of each level, finest first. `attention_levels`: levels that attend after
    every block (the middle always does). `moments`: whether the encoder gives mean and
    log-variance, or one vector.
    """

    picture_channels: int
    latent_channels: int
    channels: tuple[int, ...]
    blocks: int = 2
    groups: int = 32
    attention_levels: tuple[int, ...] = ()
    moments: bool = True

    @property
    def factor(self) -> int:
        """Picture rows and columns a latent row and column."""
        return 2 ** (len(self.channels) - 1)


AUDIOLDM_VAE = KLVAEConfig(1, 8, (128, 256, 512))
IMAGE_VAE = KLVAEConfig(3, 4, (128, 256, 512, 512))
SPECVQGAN_VAE = KLVAEConfig(1, 256, (128, 128, 256, 256, 512), attention_levels=(4,), moments=False)


class Layers:
    """Makes layers with common figures: what every block of one network shares."""

    def __init__(self, groups: int, operations: Any, **factory: Any) -> None:
        self.groups, self.operations, self.factory = groups, operations, factory

    def norm(self, channels: int) -> nn.Module:
        return self.operations.GroupNorm(self.groups, channels, eps=EPS, **self.factory)

    def conv(self, inputs: int, outputs: int, kernel: int = 3, **options: Any) -> nn.Module:
        options = {"padding": kernel // 2, **self.factory, **options}
        return self.operations.Conv2d(inputs, outputs, kernel, **options)

    def linear(self, channels: int) -> nn.Module:
        return self.operations.Linear(channels, channels, **self.factory)


class ResnetBlock(nn.Module):
    """Norm, SiLU, convolution, twice, added to the input."""

    def __init__(self, inputs: int, outputs: int, layers: Layers) -> None:
        super().__init__()
        self.norm1 = layers.norm(inputs)
        self.conv1 = layers.conv(inputs, outputs)
        self.norm2 = layers.norm(outputs)
        self.conv2 = layers.conv(outputs, outputs)
        self.conv_shortcut = layers.conv(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, norm: Norm = plain) -> Tensor:
        h = self.conv1(F.silu(norm(self.norm1, x), inplace=True))
        h = self.conv2(F.silu(norm(self.norm2, h), inplace=True))
        return h.add_(x if self.conv_shortcut is None else self.conv_shortcut(x))


class AttentionBlock(nn.Module):
    """One head over all positions, added to the input."""

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.group_norm = layers.norm(channels)
        self.to_q, self.to_k, self.to_v = (layers.linear(channels) for _ in range(3))
        self.to_out = nn.ModuleList([layers.linear(channels)])

    def forward(self, x: Tensor) -> Tensor:
        rows = self.group_norm(x).flatten(2).transpose(1, 2)[:, None]  # (B, 1, H W, C)
        found = F.scaled_dot_product_attention(self.to_q(rows), self.to_k(rows), self.to_v(rows))
        return x + self.to_out[0](found[:, 0]).transpose(1, 2).reshape(x.shape)


class Downsampler(nn.Module):
    """Stride 2 on a picture padded by one row and column at its end."""

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.conv = layers.conv(channels, channels, stride=2, padding=0)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsampler(nn.Module):
    """Every row and column twice, then a convolution."""

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.conv = layers.conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Blocks at one width, attention after each where asked, then maybe a change of size."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        count: int,
        layers: Layers,
        *,
        attends: bool,
        resize: tuple[str, type[nn.Module]] | None,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock(inputs if i == 0 else outputs, outputs, layers) for i in range(count)
        )
        self.attentions = nn.ModuleList(
            AttentionBlock(outputs, layers) for _ in range(count * attends)
        )
        self.resize = resize[0] if resize else None
        if resize:
            setattr(self, resize[0], nn.ModuleList([resize[1](outputs, layers)]))

    def forward(self, x: Tensor) -> Tensor:
        return self.resized(self.of_one_size(x))

    def of_one_size(self, x: Tensor, norm: Norm = plain) -> Tensor:
        """What the blocks make of x."""
        for index, resnet in enumerate(self.resnets):
            x = resnet(x, norm)
            if self.attentions:
                x = self.attentions[index](x)
        return x

    def resized(self, x: Tensor) -> Tensor:
        """x at the next level's size."""
        return getattr(self, self.resize)[0](x) if self.resize else x


class MiddleBlock(nn.Module):
    """Resnet block, attention, resnet block."""

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock(channels, channels, layers) for _ in range(2))
        self.attentions = nn.ModuleList([AttentionBlock(channels, layers)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Encoder(nn.Module):
    """Picture to moments (or one vector) at 1/factor the size."""

    def __init__(self, config: KLVAEConfig, layers: Layers) -> None:
        super().__init__()
        widths = config.channels
        outputs = config.latent_channels * (2 if config.moments else 1)
        last = len(widths) - 1
        self.conv_in = layers.conv(config.picture_channels, widths[0])
        self.down_blocks = nn.ModuleList(
            Level(
                widths[max(level - 1, 0)],
                width,
                config.blocks,
                layers,
                attends=level in config.attention_levels,
                resize=("downsamplers", Downsampler) if level < last else None,
            )
            for level, width in enumerate(widths)
        )
        self.mid_block = MiddleBlock(widths[-1], layers)
        self.conv_norm_out = layers.norm(widths[-1])
        self.conv_out = layers.conv(widths[-1], outputs)
        self.fine_levels = min(config.attention_levels, default=last)

    def forward(self, x: Tensor) -> Tensor:
        return self.coarsest(self.fine(x))

    def fine(self, x: Tensor, norm: Norm = plain) -> Tensor:
        """The levels before the first that attends; but for its norms each output looks at a
        bounded neighbourhood."""
        x = self.conv_in(x)
        for level in self.down_blocks[: self.fine_levels]:
            x = level.resized(level.of_one_size(x, norm))
        return x

    def coarsest(self, x: Tensor) -> Tensor:
        """The other levels."""
        for level in self.down_blocks[self.fine_levels :]:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x)), inplace=True))

    @property
    def fine_reach(self) -> int:
        """Places to each side of `fine`'s output that it depends on, norms apart."""
        reach = 0
        for level in reversed(self.down_blocks[: self.fine_levels]):
            # A change of size looks two places ahead.
            reach = 2 * reach + 2 + 2 * len(level.resnets)
        return math.ceil((reach + 1) / 2**self.fine_levels)


class Decoder(nn.Module):
    """Latent to picture; level 0 is the coarsest here."""

    def __init__(self, config: KLVAEConfig, layers: Layers) -> None:
        super().__init__()
        widths = config.channels[::-1]
        last = len(widths) - 1
        self.conv_in = layers.conv(config.latent_channels, widths[0])
        self.mid_block = MiddleBlock(widths[0], layers)
        self.up_blocks = nn.ModuleList(
            Level(
                widths[max(level - 1, 0)],
                width,
                config.blocks + 1,
                layers,
                attends=last - level in config.attention_levels,
                resize=("upsamplers", Upsampler) if level < last else None,
            )
            for level, width in enumerate(widths)
        )
        self.conv_norm_out = layers.norm(widths[-1])
        self.conv_out = layers.conv(widths[-1], config.picture_channels)

        self.coarse = 1 + max((last - n for n in config.attention_levels), default=0)

    def forward(self, z: Tensor) -> Tensor:
        return self.fine(self.coarsest(z))

    def coarsest(self, z: Tensor) -> Tensor:
        """The first levels, up to the last that attends, without their change of size."""
        x = self.mid_block(self.conv_in(z))
        for level in self.up_blocks[: self.coarse - 1]:
            x = level(x)
        return self.up_blocks[self.coarse - 1].of_one_size(x)

    def fine(self, x: Tensor, norm: Norm = plain) -> Tensor:
        """The other levels; but for its norms each output looks at a bounded neighbourhood."""
        x = self.up_blocks[self.coarse - 1].resized(x)
        for level in self.up_blocks[self.coarse :]:
            x = level.resized(level.of_one_size(x, norm))
        return self.conv_out(F.silu(norm(self.conv_norm_out, x), inplace=True))

    @property
    def fine_reach(self) -> int:
        """Places to each side of `fine`'s input that an output depends on, norms apart."""
        reach = 1
        for level in reversed(self.up_blocks[self.coarse :]):
            reach = math.ceil(reach / 2) if level.resize else reach
            reach += 1 + 2 * len(level.resnets)
        return math.ceil(reach / 2)


def mean_and_logvar(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Moments (B, 2 C, H, W) in two, the second within bounds."""
    mean, logvar = moments.chunk(2, dim=1)
    return mean, logvar.clamp(*LOGVAR_RANGE)


class KLVAE(nn.Module):
    """Pictures `[B, P, H, W]` to latents `[B, C, H / factor, W / factor]` and back."""

    def __init__(
        self,
        config: KLVAEConfig,
        *,
        decode_only: bool = False,
        operations: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        layers = Layers(config.groups, operations, dtype=dtype, device=device)
        outputs = config.latent_channels * (2 if config.moments else 1)
        if not decode_only:
            self.encoder = Encoder(config, layers)
            self.quant_conv = layers.conv(outputs, outputs, 1)
        self.post_quant_conv = layers.conv(config.latent_channels, config.latent_channels, 1)
        self.decoder = Decoder(config, layers)

    def moments(self, picture: Tensor) -> Tensor:
        """What the encoder gives, before it is split into mean and log-variance."""
        return self.quant_conv(self.encoder(picture))

    def moments_in_tiles(
        self, picture: Tensor, *, tile: int, axis: int, progress: Progress | None = None
    ) -> Tensor:
        """As `moments`, up to rounding: tiles of `tile` latents, norms of the whole."""
        scale = 2**self.encoder.fine_levels
        fine = run_in_tiles(
            self.encoder.fine,
            picture,
            tile=tile * self.config.factor // scale,
            context=self.encoder.fine_reach,
            axis=axis,
            frame=scale,
            progress=progress,
        )
        return self.quant_conv(self.encoder.coarsest(fine))

    def encode(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the posterior, unscaled."""
        return mean_and_logvar(self.moments(picture))

    def decode(self, latent: Tensor) -> Tensor:
        """The picture of an unscaled latent."""
        return self.decoder(self.post_quant_conv(latent))

    def decode_in_tiles(
        self, latent: Tensor, *, tile: int, axis: int, progress: Progress | None = None
    ) -> Tensor:
        """As `decode`, up to rounding: tiles of `tile` places along `axis`, norms of the whole."""
        coarsest = self.decoder.coarsest(self.post_quant_conv(latent))
        scale = 2 ** (self.decoder.coarse - 1)
        return run_in_tiles(
            self.decoder.fine,
            coarsest,
            tile=tile * scale,
            context=self.decoder.fine_reach,
            axis=axis,
            progress=progress,
        )

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors under diffusers' names; only the autoencoder's own."""
        return diffusers_names(strip_prefix(tensors, (IN_DIFFUSION, "vae.")))


def recognise_of(channels: int, shapes: Shapes) -> str | None:
    """Where an autoencoder of pictures of so many channels is: empty for a file of its own, "latent
    diffusion" for one that holds its generator too; None for any other file."""
    for prefix, variant in (("", ""), (IN_DIFFUSION, "latent diffusion")):
        first = shapes.get(f"{prefix}encoder.conv_in.weight", ())
        if len(first) == 4 and first[1] == channels and f"{prefix}{CODEBOOK}" not in shapes:
            return variant
    return None
