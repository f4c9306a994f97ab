"""The 2-D convolutional autoencoder family of latent diffusion, used on mels as pictures.

AudioLDM's, Stable Diffusion's image VAE and SpecVQGAN's are one network of different configs.
Attribute names are diffusers'; `public_state` renames the original (CompVis) and older ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import Layers
from ..weights.families import Shapes, sized
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
    """Config of one autoencoder.

    `channels`: width of each level, finest first. `attention_levels`: levels that attend after
    every block (the middle always does). `codes`: rows of the codebook of one whose encoder gives
    one vector a place; None: it gives mean and log-variance.
    """

    picture_channels: int
    latent_channels: int
    channels: tuple[int, ...]
    blocks: int = 2
    groups: int = 32
    attention_levels: tuple[int, ...] = ()
    codes: int | None = None

    @property
    def encoded_channels(self) -> int:
        """Numbers that the encoder gives a place."""
        return self.latent_channels * (2 if self.codes is None else 1)

    @property
    def factor(self) -> int:
        """Picture rows and columns a latent row and column."""
        return 2 ** (len(self.channels) - 1)


AUDIOLDM_VAE = KLVAEConfig(1, 8, (128, 256, 512))
IMAGE_VAE = KLVAEConfig(3, 4, (128, 256, 512, 512))
SPECVQGAN_VAE = KLVAEConfig(1, 256, (128, 128, 256, 256, 512), attention_levels=(4,), codes=1024)


class PictureLayers(Layers):
    """Also norms of a common number of groups, and convolutions that keep the size."""

    def __init__(self, groups: int, **made: Any) -> None:
        super().__init__(**made)
        self.groups = groups

    def norm(self, channels: int) -> nn.Module:
        return self.GroupNorm(self.groups, channels, eps=EPS)

    def conv(self, inputs: int, outputs: int, kernel: int = 3) -> nn.Module:
        return self.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


class ResnetBlock(nn.Module):
    """Norm, SiLU, convolution, twice, added to the input."""

    def __init__(self, inputs: int, outputs: int, layers: PictureLayers) -> None:
        super().__init__()
        self.norm1 = layers.norm(inputs)
        self.conv1 = layers.conv(inputs, outputs)
        self.norm2 = layers.norm(outputs)
        self.conv2 = layers.conv(outputs, outputs)
        same = inputs == outputs
        self.conv_shortcut = nn.Identity() if same else layers.conv(inputs, outputs, 1)

    def forward(self, x: Tensor, norm: Norm = plain) -> Tensor:
        h = self.conv1(F.silu(norm(self.norm1, x), inplace=True))
        h = self.conv2(F.silu(norm(self.norm2, h), inplace=True))
        return h.add_(self.conv_shortcut(x))


class AttentionBlock(nn.Module):
    """One head over all positions, added to the input."""

    def __init__(self, channels: int, layers: PictureLayers) -> None:
        super().__init__()
        self.group_norm = layers.norm(channels)
        self.to_q, self.to_k, self.to_v = (layers.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([layers.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        rows = self.group_norm(x).flatten(2).transpose(1, 2)[:, None]  # [B, 1, H W, C]
        found = F.scaled_dot_product_attention(self.to_q(rows), self.to_k(rows), self.to_v(rows))
        return x + self.to_out[0](found[:, 0]).transpose(1, 2).reshape(x.shape)


class Downsampler(nn.Module):
    """Stride 2 on a picture padded by one row and column at its end."""

    def __init__(self, channels: int, layers: PictureLayers) -> None:
        super().__init__()
        self.conv = layers.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsampler(nn.Module):
    """Every row and column twice, then a convolution."""

    def __init__(self, channels: int, layers: PictureLayers) -> None:
        super().__init__()
        self.conv = layers.conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Blocks at one width, attention after each where asked, then maybe a change of size.

    Its owner gives it the layer that changes the size.
    """

    def __init__(
        self, inputs: int, outputs: int, count: int, layers: PictureLayers, *, attends: bool
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock(inputs if i == 0 else outputs, outputs, layers) for i in range(count)
        )
        self.attentions = nn.ModuleList(
            AttentionBlock(outputs, layers) for _ in range(count * attends)
        )
        self.downsamplers, self.upsamplers = nn.ModuleList(), nn.ModuleList()

    def forward(self, x: Tensor, norm: Norm = plain) -> Tensor:
        return self.resized(self.of_one_size(x, norm))

    def of_one_size(self, x: Tensor, norm: Norm = plain) -> Tensor:
        """What the blocks make of x."""
        for index, resnet in enumerate(self.resnets):
            x = resnet(x, norm)
            if self.attentions:
                x = self.attentions[index](x)
        return x

    def resized(self, x: Tensor) -> Tensor:
        """x at the next level's size."""
        for layer in (*self.downsamplers, *self.upsamplers):
            x = layer(x)
        return x


def levels(
    widths: tuple[int, ...], count: int, attending: tuple[int, ...], layers: PictureLayers
) -> nn.ModuleList:
    """A level of `count` blocks a width; those whose index is in `attending` attend."""
    steps = enumerate(zip(widths[:1] + widths, widths))
    return nn.ModuleList(
        Level(before, after, count, layers, attends=index in attending)
        for index, (before, after) in steps
    )


class MiddleBlock(nn.Module):
    """Resnet block, attention, resnet block."""

    def __init__(self, channels: int, layers: PictureLayers) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock(channels, channels, layers) for _ in range(2))
        self.attentions = nn.ModuleList([AttentionBlock(channels, layers)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Encoder(nn.Module):
    """Picture to moments (or one vector) at 1/factor the size: `fine`, then `coarsest`."""

    def __init__(self, config: KLVAEConfig, layers: PictureLayers) -> None:
        super().__init__()
        widths, attending = config.channels, config.attention_levels
        self.conv_in = layers.conv(config.picture_channels, widths[0])
        self.down_blocks = levels(widths, config.blocks, attending, layers)
        for level, width in zip(self.down_blocks, widths[:-1]):
            level.downsamplers.append(Downsampler(width, layers))
        self.mid_block = MiddleBlock(widths[-1], layers)
        self.conv_norm_out = layers.norm(widths[-1])
        self.conv_out = layers.conv(widths[-1], config.encoded_channels)
        self.fine_levels = min(attending, default=len(widths) - 1)

    def fine(self, x: Tensor, norm: Norm = plain) -> Tensor:
        """The levels before the first that attends; but for its norms each output depends on a
        bounded neighbourhood."""
        x = self.conv_in(x)
        for level in self.down_blocks[: self.fine_levels]:
            x = level(x, norm)
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
            # A change of size needs two places ahead.
            reach = 2 * reach + 2 + 2 * len(level.resnets)
        return math.ceil((reach + 1) / 2**self.fine_levels)


class Decoder(nn.Module):
    """Latent to picture: `coarsest`, then `fine`. Level 0 is the coarsest here."""

    def __init__(self, config: KLVAEConfig, layers: PictureLayers) -> None:
        super().__init__()
        widths = config.channels[::-1]
        attending = tuple(len(widths) - 1 - level for level in config.attention_levels)
        self.conv_in = layers.conv(config.latent_channels, widths[0])
        self.mid_block = MiddleBlock(widths[0], layers)
        self.up_blocks = levels(widths, config.blocks + 1, attending, layers)
        for level, width in zip(self.up_blocks, widths[:-1]):
            level.upsamplers.append(Upsampler(width, layers))
        self.conv_norm_out = layers.norm(widths[-1])
        self.conv_out = layers.conv(widths[-1], config.picture_channels)
        self.coarse = 1 + max(attending, default=0)

    def coarsest(self, z: Tensor) -> Tensor:
        """The first levels, up to the last that attends, without their change of size."""
        x = self.mid_block(self.conv_in(z))
        for level in self.up_blocks[: self.coarse - 1]:
            x = level(x)
        return self.up_blocks[self.coarse - 1].of_one_size(x)

    def fine(self, x: Tensor, norm: Norm = plain) -> Tensor:
        """The other levels; but for its norms each output depends on a bounded neighbourhood."""
        x = self.up_blocks[self.coarse - 1].resized(x)
        for level in self.up_blocks[self.coarse :]:
            x = level(x, norm)
        return self.conv_out(F.silu(norm(self.conv_norm_out, x), inplace=True))

    @property
    def fine_reach(self) -> int:
        """Places to each side of `fine`'s input that an output depends on, norms apart."""
        reach = 1
        for level in reversed(self.up_blocks[self.coarse :]):
            reach = math.ceil(reach / 2) if level.upsamplers else reach
            reach += 1 + 2 * len(level.resnets)
        return math.ceil(reach / 2)


def mean_and_logvar(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Moments `[B, 2 C, H, W]` in two, the second within bounds."""
    mean, logvar = moments.chunk(2, dim=1)
    return mean, logvar.clamp(*LOGVAR_RANGE)


class Quantizer(nn.Module):
    """Vectors `[B, C, H, W]` to indices `[B, H, W]` of the nearest rows of a codebook, and back."""

    def __init__(self, codes: int, dim: int, layers: Layers) -> None:
        super().__init__()
        self.embedding = layers.Embedding(codes, dim)

    def nearest(self, vectors: Tensor) -> Tensor:
        """Index of the row at the smallest squared distance."""
        rows = vectors.movedim(1, -1).float()
        table = self.embedding.weight.float()
        # |v|^2 is the same for every row and left out.
        distances = table.square().sum(1) - 2 * rows @ table.T
        return distances.argmin(-1)

    def vectors(self, indices: Tensor) -> Tensor:
        """The rows at `indices`."""
        return self.embedding(indices).movedim(-1, 1)


class KLVAE(nn.Module):
    """Pictures `[B, P, H, W]` to latents `[B, C, H / factor, W / factor]` and back.

    Both ways go in one piece, or, the same up to rounding, in `tiles`: of `tile` latent places
    along `axis`, with the norms of the whole; `progress` as `run_in_tiles`. `made`: as `Layers`.
    """

    def __init__(self, config: KLVAEConfig, *, decode_only: bool = False, **made: Any) -> None:
        super().__init__()
        self.config = config
        layers = PictureLayers(config.groups, **made)
        if not decode_only:
            self.encoder = Encoder(config, layers)
            self.quant_conv = layers.conv(config.encoded_channels, config.encoded_channels, 1)
        self.post_quant_conv = layers.conv(config.latent_channels, config.latent_channels, 1)
        self.decoder = Decoder(config, layers)
        if config.codes is not None:
            self.quantize = Quantizer(config.codes, config.latent_channels, layers)

    def moments(self, picture: Tensor, **tiles: Any) -> Tensor:
        """What the encoder gives, before it is split into mean and log-variance."""
        encoder, frame = self.encoder, 2**self.encoder.fine_levels
        fine = _fine(encoder, picture, self.config.factor // frame, frame=frame, **tiles)
        return self.quant_conv(encoder.coarsest(fine))

    def decode(self, latent: Tensor, **tiles: Any) -> Tensor:
        """The picture of an unscaled latent."""
        coarsest = self.decoder.coarsest(self.post_quant_conv(latent))
        return _fine(self.decoder, coarsest, 2 ** (self.decoder.coarse - 1), **tiles)

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors under diffusers' names; only the autoencoder's own."""
        return diffusers_names(strip_prefix(tensors, (IN_DIFFUSION, "vae.")))


def _fine(
    part: Encoder | Decoder,
    x: Tensor,
    scale: int,
    *,
    frame: int = 1,
    tile: int | None = None,
    axis: int = 3,
    progress: Progress | None = None,
) -> Tensor:
    """`part.fine` of x in one piece, or in tiles of `tile` latent places, `scale` frames each."""
    if tile is None:
        return part.fine(x)
    return run_in_tiles(
        part.fine,
        x,
        tile=tile * scale,
        context=part.fine_reach,
        axis=axis,
        frame=frame,
        progress=progress,
    )


def recognise_of(channels: int, shapes: Shapes) -> str | None:
    """Where an autoencoder of pictures of so many channels is: empty for a file of its own, "latent
    diffusion" for one that holds its generator too; None for any other file."""
    for prefix, variant in (("", ""), (IN_DIFFUSION, "latent diffusion")):
        first = f"{prefix}encoder.conv_in.weight"
        found = sized(shapes, {first: 4})
        if found and found[first][1] == channels and f"{prefix}{CODEBOOK}" not in shapes:
            return variant
    return None
