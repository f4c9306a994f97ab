"""The mini video encoder: what happens when, from 25 grey frames a second.

Trained by this repository on its own scenes (recipe `mini_video_encoder`). It tells 50 times a
second the chance of a hit, its strength, and the level of a continuous sound.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .local_motion import CAMERA_CHANNELS, CHANNELS, SIZE, local_motion

FRAME_RATE = 25.0
BIN_RATE = 50.0
FRAME_SIZE = SIZE


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


def _over_time(width: int, dilation: int = 1) -> _Residual:
    """At each place, [B, C, T, P]."""
    size, padding = (3, 1), (dilation, 0)
    return _Residual(nn.Conv2d(width, width, size, padding=padding, dilation=(dilation, 1)))


def _over_space(width: int) -> _Residual:
    """Of each frame, [BT, C, H, W]."""
    return _Residual(nn.Conv2d(width, width, 3, padding=1))


def _dilated(width: int, dilation: int) -> _Residual:
    """Over time, [B, C, T]."""
    conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
    return _Residual(conv, nn.Conv1d(width, width, 1))


class _Pool(nn.Module):
    """Places of a frame to one vector: attention poolings, mean and maximum."""

    def __init__(self, width: int, out: int, heads: int = 6):
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
    """Grey frames [B, T, 128, 128] at 25 fps to logits [B, 2T, 3] at 50 Hz.

    Bin k stands for (k + 0.5) / 50 s after the first frame. Logits: a hit then, its strength, and
    the level of a continuous sound, each 0..1 through a sigmoid.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (32, 48, 64, 96)):
        super().__init__()
        first, second, third, width = widths
        # Key names of the bundled file, and of everybody's own ones.
        self.see = nn.Conv2d(CHANNELS, first, 3, padding=1)
        self.shrink1 = nn.Conv2d(first, second, 3, stride=2, padding=1)
        self.time1, self.space1 = _over_time(second), _over_space(second)
        self.time2 = _over_time(second)
        self.shrink2 = nn.Conv2d(second, third, 3, stride=2, padding=1)
        self.time3, self.space2 = _over_time(third), _over_space(third)
        # What stops where it moved is told before places are put together.
        self.follow = nn.ModuleList(_over_time(third, dilation) for dilation in (2, 4, 1))
        self.pool = _Pool(third, width)
        self.camera = nn.Linear(CAMERA_CHANNELS, width)
        self.listen = nn.ModuleList(_dilated(width, dilation) for dilation in (1, 2, 4, 8, 1))
        self.halves = nn.Linear(width, 2 * width)
        self.events = nn.Linear(width, 3)
        nn.init.constant_(self.events.bias, -2.0)

    def forward(self, frames: Tensor) -> Tensor:
        with torch.no_grad():
            maps, camera = local_motion(frames)
        return self.from_maps(maps, camera)

    def from_maps(self, maps: Tensor, camera: Tensor) -> Tensor:
        """Logits from what `local_motion` gives."""
        batch, count = maps.shape[:2]
        x = self.shrink1(F.gelu(self.see(maps.flatten(0, 1))))  # [BT, C, 16, 16]
        x = self.space1(self._each_place(x, batch, self.time1))
        x = F.gelu(self.shrink2(self._each_place(x, batch, self.time2)))  # [BT, C, 8, 8]
        x = self.space2(self._each_place(x, batch, self.time3))
        x = x.view(batch, count, x.shape[1], -1).transpose(1, 2)  # [B, C, T, 64]
        for block in self.follow:
            x = block(x)
        x = (self.pool(x) + self.camera(camera)).transpose(1, 2)  # [B, C, T]
        for block in self.listen:
            x = block(x)
        x = self.halves(x.transpose(1, 2)).reshape(batch, 2 * count, -1)
        return self.events(F.layer_norm(x, x.shape[-1:]))

    @staticmethod
    def _each_place(x: Tensor, batch: int, block: nn.Module) -> Tensor:
        """A block over time, of frames [BT, C, H, W]."""
        channels, height, width = x.shape[1:]
        x = x.view(batch, -1, channels, height * width).transpose(1, 2)  # [B, C, T, HW]
        return block(x).transpose(1, 2).reshape(-1, channels, height, width)
