"""MMAudio's mel autoencoder: 1-D, over time, with magnitude-preserving layers.

Layers keep the variance of what passes (Karras et al. 2024): filters of unit norm, activations and
sums divided by what they multiply it by, features normalised over the channels. Attribute names
are the key names of the public files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import Layers
from ..weights.families import Shapes, sized
from ..weights.fold import strip_prefix
from .tiling import Progress, tiled

EPS = 1e-4
SILU_GAIN = 0.596
MIX = 0.3
CLIP = 256.0
LOGVAR_RANGE = (-30.0, 20.0)
MULTIPLIERS = (1, 2, 4)
HALVED_LEVEL = 0
# Latent frames of one tile, and those on each side that an output depends on but for attention:
# 21 in the decoder, 16 in the encoder.
TILE = 1024
CONTEXT = 21


@dataclass(frozen=True)
class MelVAEConfig:
    """Config of one autoencoder: mel bins, latent channels, width."""

    n_mels: int
    latent_dim: int
    width: int


MEL_VAE_16K = MelVAEConfig(80, 20, 384)
MEL_VAE_44K = MelVAEConfig(128, 40, 512)


def activate(x: Tensor) -> Tensor:
    """SiLU over its gain."""
    return F.silu(x).div_(SILU_GAIN)


def mix(a: Tensor, b: Tensor) -> Tensor:
    """0.7 a + 0.3 b over its gain."""
    gain = math.hypot(1 - MIX, MIX)
    return torch.lerp(a, b, MIX).div_(gain)


def normalised(x: Tensor) -> Tensor:
    """x `[B, C, ...]` over its magnitude across the channels."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=dtype)
    return x / (EPS + norm / math.sqrt(x.shape[1])).to(x.dtype)


def unit_filters(weight: Tensor) -> Tensor:
    """A convolution's weight with every filter brought to unit norm, as done once after loading."""
    exact = weight.float()
    root = math.sqrt(exact[0].numel())
    norm = torch.linalg.vector_norm(exact, dim=tuple(range(1, exact.ndim)), keepdim=True)
    return (exact / (EPS + norm / root) / root).to(weight.dtype)


def conv(inputs: int, outputs: int, kernel: int, layers: Layers) -> nn.Module:
    """A convolution without bias that keeps the length."""
    return layers.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=False)


class ResidualBlock(nn.Module):
    """Two convolutions mixed into the normalised input."""

    def __init__(self, inputs: int, outputs: int, layers: Layers) -> None:
        super().__init__()
        self.conv1 = conv(inputs, outputs, 3, layers)
        self.conv2 = conv(outputs, outputs, 3, layers)
        same = inputs == outputs
        self.nin_shortcut = nn.Identity() if same else conv(inputs, outputs, 1, layers)

    def forward(self, x: Tensor) -> Tensor:
        x = normalised(x)
        h = self.conv2(activate(self.conv1(activate(x))))
        return mix(self.nin_shortcut(x), h)


class Attention(nn.Module):
    """One head over the whole length, on normalised queries, keys and values."""

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.channels = channels
        self.qkv = conv(channels, 3 * channels, 1, layers)
        self.proj_out = conv(channels, channels, 1, layers)

    def heads(self, x: Tensor) -> Tensor:
        """`[B, C, N]` to queries, keys and values `[B, 3, C, N]`."""
        return normalised(self.qkv(x).unflatten(1, (-1, 3))).transpose(1, 2)

    def forward(self, x: Tensor, keys_values: Tensor) -> Tensor:
        """x `[B, C, N]` with what it attends to in keys_values `[B, 2, C, M]` mixed in."""
        q = self.heads(x)[:, :1].transpose(2, 3)  # [B, 1, N, C]
        k, v = keys_values.transpose(2, 3).split(1, dim=1)  # [B, 1, M, C]
        found = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2)
        return mix(x, self.proj_out(found))


class Middle(nn.Module):
    """Residual block, attention, residual block."""

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.block_1 = ResidualBlock(channels, channels, layers)
        self.attn_1 = Attention(channels, layers)
        self.block_2 = ResidualBlock(channels, channels, layers)


class Level(nn.Module):
    """Residual blocks at one width; its owner may give it a down- or upsampler."""

    def __init__(self, inputs: int, outputs: int, count: int, layers: Layers) -> None:
        super().__init__()
        self.block = nn.ModuleList(
            ResidualBlock(inputs if i == 0 else outputs, outputs, layers) for i in range(count)
        )
        self.downsample: nn.Module = nn.Identity()
        self.upsample: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x).clamp_(-CLIP, CLIP)
        return self.upsample(self.downsample(x))


class Downsample(nn.Module):
    """Pointwise, mean of two frames, pointwise."""

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.conv1 = conv(channels, channels, 1, layers)
        self.conv2 = conv(channels, channels, 1, layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.avg_pool1d(self.conv1(x), 2))


class Upsample(nn.Module):
    """Every frame twice, then a convolution."""

    def __init__(self, channels: int, layers: Layers) -> None:
        super().__init__()
        self.conv = conv(channels, channels, 3, layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.repeat_interleave(2, dim=2))


class AroundAttention(nn.Module):
    """A network that is local but for one attention in its middle.

    Keys and values of the whole length are made first, tile by tile; then every tile attends to
    all of them. The result is that of one piece, in memory that holds those keys and values and
    one tile.
    """

    frame = 1  # inputs a latent frame
    per_frame = 1  # outputs a latent frame

    def __init__(self, channels: tuple[int, int, int, int, int], layers: Layers) -> None:
        """`channels`: of the input, after the first convolution, where the network attends,
        before the last convolution, and of the output."""
        super().__init__()
        inputs, first, middle, last, outputs = channels
        self.conv_in = conv(inputs, first, 3, layers)
        self.mid = Middle(middle, layers)
        self.conv_out = conv(last, outputs, 3, layers)
        self.learnable_gain = nn.Parameter(torch.zeros((), **layers.factory))

    def before(self, x: Tensor) -> Tensor:
        """The levels before the middle."""
        return x

    def after(self, x: Tensor) -> Tensor:
        """The levels after the middle."""
        return x

    def head(self, x: Tensor) -> Tensor:
        """From the input to what attends, `[B, C, N]`."""
        return self.mid.block_1(self.before(self.conv_in(x)))

    def tail(self, x: Tensor) -> Tensor:
        """From what attended to the output."""
        x = self.after(self.mid.block_2(x).clamp_(-CLIP, CLIP))
        return self.conv_out(activate(x)) * (1 + self.learnable_gain.to(x))

    def forward(self, x: Tensor, *, tile: int = TILE, progress: Progress | None = None) -> Tensor:
        """`[B, C_in, N * frame]` to `[B, C_out, N * per_frame]`."""
        attention = self.mid.attn_1
        if x.shape[2] <= tile * self.frame:
            h = self.head(x)
            return self.tail(attention(h, attention.heads(h)[:, 1:]))
        sizes: dict[str, Any] = {"tile": tile, "context": CONTEXT, "frame": self.frame}
        keys_values = tiled(lambda part: attention.heads(self.head(part))[:, 1:], x, **sizes)
        return tiled(
            lambda part: self.tail(attention(self.head(part), keys_values)),
            x,
            per_frame=self.per_frame,
            progress=progress,
            **sizes,
        )


class Encoder(AroundAttention):
    """Normalised mel `[B, n_mels, 2 N]` to mean and log-variance `[B, 2 latent_dim, N]`."""

    frame = 2

    def __init__(self, config: MelVAEConfig, layers: Layers) -> None:
        widths = [config.width * m for m in MULTIPLIERS]
        low, top = widths[0], widths[-1]
        super().__init__((config.n_mels, low, top, top, 2 * config.latent_dim), layers)
        self.down = nn.ModuleList(
            Level(before, after, 2, layers) for before, after in zip(widths[:1] + widths, widths)
        )
        self.down[HALVED_LEVEL].downsample = Downsample(widths[HALVED_LEVEL], layers)

    def before(self, x: Tensor) -> Tensor:
        for level in self.down:
            x = level(x)
        return x


class Decoder(AroundAttention):
    """Latent `[B, latent_dim, N]` to normalised mel `[B, n_mels, 2 N]`."""

    per_frame = 2

    def __init__(self, config: MelVAEConfig, layers: Layers) -> None:
        widths = [config.width * m for m in MULTIPLIERS]
        low, top = widths[0], widths[-1]
        super().__init__((config.latent_dim, top, top, low, config.n_mels), layers)
        self.up = nn.ModuleList(
            Level(before, after, 3, layers) for before, after in zip(widths[1:] + [top], widths)
        )
        self.up[HALVED_LEVEL + 1].upsample = Upsample(widths[HALVED_LEVEL + 1], layers)

    def after(self, x: Tensor) -> Tensor:
        for level in reversed(self.up):
            x = level(x)
        return x


class MelVAE(nn.Module):
    """Log-mel `[B, n_mels, 2 N]` to a latent's mean and deviation `[B, latent_dim, N]`, and back.

    `decode_only`: without the encoder, half of the weights. `made`: as `Layers`.
    """

    def __init__(self, config: MelVAEConfig, *, decode_only: bool = False, **made: Any) -> None:
        super().__init__()
        self.config = config
        layers, shape = Layers(**made), (1, config.n_mels, 1)
        self.register_buffer("data_mean", torch.zeros(shape, **layers.factory))
        self.register_buffer("data_std", torch.ones(shape, **layers.factory))
        if not decode_only:
            self.encoder = Encoder(config, layers)
        self.decoder = Decoder(config, layers)

    def encode(self, mel: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the posterior."""
        x = (mel - self.data_mean.to(mel)) / self.data_std.to(mel)
        mean, logvar = self.encoder(x, **options).chunk(2, dim=1)
        return mean, (logvar.clamp(*LOGVAR_RANGE) / 2).exp()

    def decode(self, latent: Tensor, **options: Any) -> Tensor:
        """The mel of a latent."""
        mel = self.decoder(latent, **options)
        return mel * self.data_std.to(mel) + self.data_mean.to(mel)

    @staticmethod
    def public_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A public file's tensors, convolutions normalised."""
        return {
            key: unit_filters(tensor) if tensor.ndim == 3 and key.endswith("weight") else tensor
            for key, tensor in strip_prefix(tensors, ("vae.",)).items()
        }


def recognise(shapes: Shapes) -> str | None:
    """The rate of MMAudio's mel autoencoder, "16k" or "44k", empty for another; None if none."""
    found = sized(shapes, {"data_mean": 3})
    if found is None or "decoder.learnable_gain" not in shapes:
        return None
    bands = found["data_mean"][1]
    return {MEL_VAE_16K.n_mels: "16k", MEL_VAE_44K.n_mels: "44k"}.get(bands, "")
