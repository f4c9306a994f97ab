"""What moves, without weights: camera-compensated frame differences, block flow and a fallback
curve.

The picture is taken as 32 x 32 grey. `r` is the difference of two frames that is left when the
global shift of the picture is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

GRID = 32
BLOCKS = 8
_FLOW_DAMPING = 3e-5
_EPSILON = 2e-4  # under a tenth of a grey level: a still picture stays still when normalised


@dataclass(frozen=True)
class Motion:
    """Differences of neighbouring frames, each [B, T, 32, 32], and the camera's shift [B, T, 2]."""

    gray: Tensor
    difference: Tensor
    residual: Tensor
    shift: Tensor
    flow: Tensor  # [B, T, 2, 8, 8], pixels of the 32 x 32 grid a frame


def measure_motion(frames: Tensor) -> Motion:
    """Motion of grey frames [B, T, S, S], uint8 or float 0..1, S a multiple of 32."""
    gray = frames.float() / 255 if frames.dtype == torch.uint8 else frames.float()
    batch, count, size, _ = gray.shape
    gray = F.avg_pool2d(gray.reshape(batch * count, 1, size, size), size // GRID)
    gray = blurred(gray).view(batch, count, GRID, GRID)
    before = torch.cat([gray[:, :1], gray[:, :-1]], 1)
    difference = gray - before
    slope_x, slope_y = slopes(0.5 * (gray + before))
    residual, shift = _remove_global_shift(difference, slope_x, slope_y)
    return Motion(gray, difference, residual, shift, _block_flow(residual, slope_x, slope_y))


def fastest_motion(motion: Motion) -> Tensor:
    """Mean |r| of the fastest 5 % of the picture, 50 places, [B, T]."""
    return motion.residual.abs().flatten(2).topk(50, dim=-1).values.mean(-1)


def stop_curve(motion: Motion) -> Tensor:
    """Weight-free curve of hits [B, T]: how much of the fastest motion stops after each frame."""
    fastest = fastest_motion(motion)
    return (fastest - torch.cat([fastest[:, 1:], fastest[:, -1:]], 1)).clamp_min(0)


def blurred(image: Tensor) -> Tensor:
    row = image.new_tensor([0.25, 0.5, 0.25])
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    wide = row[0] * (padded[..., :-2] + padded[..., 2:]) + row[1] * padded[..., 1:-1]
    return row[0] * (wide[..., :-2, :] + wide[..., 2:, :]) + row[1] * wide[..., 1:-1, :]


def slopes(image: Tensor) -> tuple[Tensor, Tensor]:
    slope_x, slope_y = torch.zeros_like(image), torch.zeros_like(image)
    slope_x[..., 1:-1] = 0.5 * (image[..., 2:] - image[..., :-2])
    slope_y[..., 1:-1, :] = 0.5 * (image[..., 2:, :] - image[..., :-2, :])
    return slope_x, slope_y


def solve_flow(xx: Tensor, xy: Tensor, yy: Tensor, xt: Tensor, yt: Tensor) -> tuple[Tensor, Tensor]:
    """Motion (u, v) that explains the differences: the 2 x 2 normal equations in closed form."""
    determinant = xx * yy - xy * xy
    return (xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant


def _remove_global_shift(
    difference: Tensor, slope_x: Tensor, slope_y: Tensor
) -> tuple[Tensor, Tensor]:
    """Robust least squares: what one shift of the whole picture leaves, and that shift."""
    weight, residual = torch.ones_like(difference), difference
    for _ in range(2):
        total = weight.sum((-1, -2), keepdim=True)
        weighted_x, weighted_y = weight * slope_x, weight * slope_y
        xx = (weighted_x * slope_x).sum((-1, -2)) + _FLOW_DAMPING
        yy = (weighted_y * slope_y).sum((-1, -2)) + _FLOW_DAMPING
        xy = (weighted_x * slope_y).sum((-1, -2))
        xt = (weighted_x * difference).sum((-1, -2))
        yt = (weighted_y * difference).sum((-1, -2))
        u, v = solve_flow(xx, xy, yy, xt, yt)
        residual = difference + slope_x * u[..., None, None] + slope_y * v[..., None, None]
        residual = residual - (weight * residual).sum((-1, -2), keepdim=True) / total
        scale = residual.abs().mean((-1, -2), keepdim=True) + _EPSILON
        weight = 1 / (1 + (residual / scale) ** 2)
    return residual, torch.stack([u, v], -1)


def _block_flow(residual: Tensor, slope_x: Tensor, slope_y: Tensor) -> Tensor:
    """Lucas-Kanade flow of what the camera does not explain, over 3 x 3 blocks of 4 x 4 pixels."""
    pairs = [(slope_x, slope_x), (slope_x, slope_y), (slope_y, slope_y)]
    pairs += [(slope_x, residual), (slope_y, residual)]
    products = torch.stack([one * other for one, other in pairs], 2)  # [B, T, 5, 32, 32]
    batch, count = products.shape[:2]
    sums = F.avg_pool2d(products.flatten(0, 1), GRID // BLOCKS) * (GRID // BLOCKS) ** 2
    sums = F.avg_pool2d(sums, 3, 1, 1, count_include_pad=True) * 9
    xx, xy, yy, xt, yt = sums.view(batch, count, 5, BLOCKS, BLOCKS).unbind(2)
    return torch.stack(solve_flow(xx + _FLOW_DAMPING * 9, xy, yy + _FLOW_DAMPING * 9, xt, yt), 2)
