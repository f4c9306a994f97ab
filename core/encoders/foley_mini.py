"""The mini video encoder: what happens when, from 25 grey frames a second.

Trained by this repository on its synthetic scenes (recipe `mini_encoder`). It gives 96 features at
50 Hz, and at each of them the chance of a hit and its strength.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .motion import BLOCK_CHANNELS, PIXEL_CHANNELS, measure_motion, motion_maps

FRAME_RATE = 25.0
BIN_RATE = 50.0
FRAME_SIZE = 64
WIDTH = 96


def sync_from_events(chances: Tensor) -> Tensor:
    """The `sync` stream [B, bins, 3] of `chances` of hit, strength and level, each 0..1."""
    return 4 * chances - 1


def events_of_sync(sync: Tensor) -> Tensor:
    """Chances of a `sync` stream of any shape."""
    return (sync + 1) / 4


class _Residual(nn.Module):
    """x + a convolution of its norm, [B, C, ...]; where there is a `mix`, it comes last."""

    def __init__(self, conv: nn.Module, mix: nn.Module | None = None):
        super().__init__()
        self.norm = nn.GroupNorm(1, conv.in_channels)
        self.conv = conv
        self.mix = mix or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(F.gelu(self.conv(self.norm(x))))


def _over_time(width: int) -> _Residual:
    """At each place, [B, C, T, P]."""
    return _Residual(nn.Conv2d(width, width, (3, 1), padding=(1, 0)))


def _dilated(width: int, dilation: int) -> _Residual:
    """Over time, [B, C, T]."""
    conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
    return _Residual(conv, nn.Conv1d(width, width, 1))


class _Pool(nn.Module):
    """Places of a frame to one vector: attention poolings, mean and maximum."""

    def __init__(self, width: int, out: int, heads: int = 4):
        super().__init__()
        self.score = nn.Conv2d(width, heads, 1)
        self.out = nn.Linear(width * (heads + 2), out)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T, P] -> [B, T, out]."""
        attention = self.score(x).softmax(-1)
        weighted = torch.einsum("bhtp,bctp->bthc", attention, x).flatten(2)
        both = torch.cat([x.mean(-1), x.amax(-1)], 1).transpose(1, 2)
        return self.out(torch.cat([weighted, both], -1))


class MiniVideoEncoder(nn.Module):
    """Grey frames [B, T, 64, 64] at 25 fps to features [B, 2T, 96] at 50 Hz and logits [B, 2T, 3].

    Bin k stands for (k + 0.5) / 50 s after the first frame. Logits: a hit then, its strength, and
    the level of a continuous sound, each 0..1 through a sigmoid.
    """

    def __init__(self):
        super().__init__()
        first, middle, width = 48, 64, WIDTH
        # Key names of the bundled file, and of everybody's own ones.
        self.see_pixels = nn.Conv2d(PIXEL_CHANNELS, first, 6, stride=4, padding=1)
        self.see_blocks = nn.Conv2d(BLOCK_CHANNELS, first, 3, padding=1)
        self.time1 = _over_time(first)
        self.space1 = _Residual(nn.Conv2d(first, first, 3, padding=1))
        self.time2 = _over_time(first)
        self.shrink = nn.Conv2d(first, middle, 3, stride=2, padding=1)
        self.time3, self.time4 = _over_time(middle), _over_time(middle)
        self.pool = _Pool(middle, width)
        self.listen = nn.ModuleList(_dilated(width, dilation) for dilation in (1, 2, 4, 8, 1))
        self.halves = nn.Linear(width, 2 * width)
        self.events = nn.Linear(width, 3)
        nn.init.constant_(self.events.bias, -2.0)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            pixels, blocks = motion_maps(measure_motion(frames))
        return self.from_maps(pixels, blocks)

    def from_maps(self, pixels: Tensor, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits from the maps of `motion_maps`."""
        batch, count = pixels.shape[:2]
        x = self.see_pixels(pixels.flatten(0, 1)) + self.see_blocks(blocks.flatten(0, 1))
        x = self._each_place(F.gelu(x), batch, self.time1)  # [BT, C, 8, 8]
        x = self._each_place(self.space1(x), batch, self.time2)
        x = F.gelu(self.shrink(x))  # [BT, C, 4, 4]
        x = x.view(batch, count, x.shape[1], -1).transpose(1, 2)  # [B, C, T, 16]
        x = self.pool(self.time4(self.time3(x))).transpose(1, 2)  # [B, 96, T]
        for block in self.listen:
            x = block(x)
        features = self.halves(x.transpose(1, 2)).reshape(batch, 2 * count, -1)
        features = F.layer_norm(features, features.shape[-1:])
        return features, self.events(features)

    @staticmethod
    def _each_place(x: Tensor, batch: int, block: nn.Module) -> Tensor:
        """A block over time, of frames [BT, C, H, W]."""
        channels, height, width = x.shape[1:]
        x = x.view(batch, -1, channels, height * width).transpose(1, 2)  # [B, C, T, HW]
        return block(x).transpose(1, 2).reshape(-1, channels, height, width)
