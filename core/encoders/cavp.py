"""CAVP: contrastive audio-visual features, 4 vectors of 512 a second of picture.

Source: Diff-Foley (arXiv 2306.17203, section 3.1): a SlowOnly ResNet-50 (arXiv 1812.03982) for the
picture, a CNN14 (PANNs, arXiv 1912.10211) for the sound. Attribute names are the public file's key
names.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..media import FrameRequest
from ..weights.families import Shapes
from .base import Encoder, VideoEncoder

WIDTH = 512
_STAGES = (3, 4, 6, 3)
_EXPANSION = 4
# Frames of one pass, and how far its temporal convolutions reach to each side.
_LONGEST = 40
_REACH = 9
_SPECTRUM_BANDS = 128
_SPECTRUM_WIDTHS = (64, 128, 256, 512, 1024, 2048)


class _ConvNorm(nn.Module):
    """3-D convolution and its batch norm, [B, C, T, H, W]."""

    def __init__(self, inputs, outputs, kernel, stride=1, *, operations: Any, **factory) -> None:
        super().__init__()
        padding = tuple(side // 2 for side in kernel)
        self.conv = operations.Conv3d(
            inputs, outputs, kernel, (1, stride, stride), padding, bias=False, **factory
        )
        self.bn = nn.BatchNorm3d(outputs, **factory)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class _Bottleneck(nn.Module):
    """1 x 1 (over `times` frames), 3 x 3, 1 x 1, and the way around them."""

    def __init__(self, inputs: int, width: int, stride: int, times: int, **factory) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.conv1 = _ConvNorm(inputs, width, (times, 1, 1), **factory)
        self.conv2 = _ConvNorm(width, width, (1, 3, 3), stride, **factory)
        self.conv3 = _ConvNorm(width, outputs, (1, 1, 1), **factory)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = _ConvNorm(inputs, outputs, (1, 1, 1), stride, **factory)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.conv2(F.relu(self.conv1(x))))
        return F.relu(self.conv3(inner) + self.downsample(x))


class SlowOnly(nn.Module):
    """Frames [B, 3, T, H, W] in 0..1 to one vector a frame [B, T, 2048]; no stride over time."""

    def __init__(self, **factory) -> None:
        super().__init__()
        self.conv1 = _ConvNorm(3, 64, (1, 7, 7), 2, **factory)
        inputs = 64
        for index, blocks in enumerate(_STAGES):
            width, times = 64 << index, 1 if index < 2 else 3
            layer = []
            for block in range(blocks):
                stride = 2 if index and not block else 1
                layer.append(_Bottleneck(inputs, width, stride, times, **factory))
                inputs = width * _EXPANSION
            setattr(self, f"layer{index + 1}", nn.Sequential(*layer))

    def forward(self, frames: Tensor) -> Tensor:
        x = F.relu(self.conv1(frames))
        x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((-1, -2)).transpose(1, 2)


class CavpVideo(VideoEncoder):
    """One unit vector of 512 a frame at 4 fps, frames squeezed to 224 x 224.

    Frames are those of ffmpeg's fps=4, whatever the timing of a take: Diff-Foley's extraction
    re-encodes a clip with it, so MDSGen learned with frames 0.08 to 0.12 s later than n / 4. The
    nearest frames would bring everything that much too late.

    Clips longer than 40 frames are encoded in overlapping windows; what is kept of each is what
    one pass over the whole clip would give.
    """

    stream = "cavp"
    rate = 4.0
    width = WIDTH
    frame_request = FrameRequest(
        fps=4.0, size=224, crop="stretch", resample="bilinear", timing="fps filter"
    )

    def __init__(self, *, operations: Any = nn, **factory: Any) -> None:
        super().__init__()
        self.video_encoder = SlowOnly(operations=operations, **factory)
        self.video_project_head = operations.Linear(512 * _EXPANSION, WIDTH, **factory)

    @classmethod
    def own_name(cls, key: str, **made: Any) -> str | None:
        key = key.removeprefix("module.")
        return key if key.startswith(("video_encoder.", "video_project_head.")) else None

    @staticmethod
    def windows(count: int) -> Tensor:
        length = min(count, _LONGEST)
        starts = list(range(0, count - length + 1, _LONGEST - 2 * _REACH))
        starts += [count - length] if starts[-1] < count - length else []
        return torch.tensor(starts)[:, None] + torch.arange(length)

    def window_bytes(self, frames: int) -> int:
        # The first stage: 56 x 56 places of 256 channels, in, out and between.
        return frames * 56 * 56 * 256 * 4 * self.dtype.itemsize

    def encode_batch(self, frames: Tensor) -> Tensor:
        return self.encode_frames((frames.float() / 255).movedim(-1, 2).to(self.dtype))

    @classmethod
    def join(cls, encoded: Tensor, count: int) -> Tensor:
        out = encoded.new_empty(count, encoded.shape[-1])
        for number, (row, values) in enumerate(zip(cls.windows(count)[:, 0].tolist(), encoded)):
            skipped = _REACH if number else 0
            out[row + skipped : row + len(values)] = values[skipped:]
        return out

    def encode_frames(self, frames: Tensor) -> Tensor:
        """[B, T, 3, H, W] in 0..1 -> unit vectors [B, T, 512]."""
        features = self.video_project_head(self.video_encoder(frames.transpose(1, 2)))
        return F.normalize(features, dim=-1)


class _SpectrumBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, operations: Any, **factory) -> None:
        super().__init__()
        self.conv1 = operations.Conv2d(inputs, outputs, 3, padding=1, bias=False, **factory)
        self.conv2 = operations.Conv2d(outputs, outputs, 3, padding=1, bias=False, **factory)
        self.bn1 = nn.BatchNorm2d(outputs, **factory)
        self.bn2 = nn.BatchNorm2d(outputs, **factory)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class CavpSpectrum(Encoder):
    """The tower of sounds: 128-band spectra to 4 unit vectors a second, for alignment scores.

    Four blocks halve time and bands, the fifth the bands; then the mean over the bands, and at each
    time the largest plus the mean of three neighbours.
    """

    width = WIDTH
    prefix = "spec_encoder."

    def __init__(self, *, operations: Any = nn, **factory: Any) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(_SPECTRUM_BANDS, **factory)
        inputs = 1
        for number, outputs in enumerate(_SPECTRUM_WIDTHS, 1):
            block = _SpectrumBlock(inputs, outputs, operations=operations, **factory)
            setattr(self, f"conv_block{number}", block)
            inputs = outputs
        self.fc1 = operations.Linear(inputs, inputs, **factory)
        self.final_project = operations.Linear(inputs, WIDTH, **factory)

    def forward(self, spectrum: Tensor) -> Tensor:
        """[B, 128, T] at 62.5 frames a second, 0..1 -> unit vectors [B, T / 16, 512]."""
        x = self.bn(spectrum.unsqueeze(2)).permute(0, 2, 3, 1)  # [B, 1, T, bands]
        for index in range(4):
            x = F.avg_pool2d(getattr(self, f"conv_block{index + 1}")(x), 2)
        x = self.conv_block6(F.avg_pool2d(self.conv_block5(x), (1, 2))).mean(3)  # [B, C, T / 16]
        x = (F.max_pool1d(x, 3, 1, 1) + F.avg_pool1d(x, 3, 1, 1)).transpose(1, 2)
        # One layer used twice: so the public weights were trained.
        x = F.relu(self.fc1(F.relu(self.fc1(x))))
        return F.normalize(self.final_project(x), dim=-1)


def recognise(shapes: Shapes) -> str | None:
    """Empty for a CAVP, of which there is one; None for any other file."""
    return "" if "video_encoder.conv1.conv.weight" in shapes else None
