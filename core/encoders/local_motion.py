"""What moves where, without weights: differences and flow of small places, camera taken out.

The picture is taken as 128 x 128 grey. One similarity (shift, turn and zoom) of the whole picture
is found and undone; what is left is told for 32 x 32 places, with the flow of three sizes of
detail, so that a stick of a few pixels counts as much as an arm.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIZE = 128
PLACES = 32
CHANNELS = 9
CAMERA_CHANNELS = 4
FLOW_CHANNELS = (3, 5, 7)  # horizontal; the vertical ones follow them
_AT_ONCE = 32  # frames
_DAMPING = 3e-5
_EPSILON = 2e-4  # under a tenth of a grey level


def local_motion(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Maps `[B, T, 9, 32, 32]` and camera `[B, T, 4]` of grey frames `[B, T, 128, 128]`, uint8 or
    float 0..1.

    Maps: mean and maximum of the size of the difference, its mean, and flow (u, v) of detail of 1,
    2 and 4 pixels. Camera: shift, turn, zoom as one speed each, and the change of brightness. Each,
    of flow both directions together, is divided by 1.25 times its mean size in the clip and
    squashed by a signed logarithm, so that contrast and distance matter little.
    """
    maps, camera = zip(*map(_of_clip, frames), strict=True)
    size, flow = torch.stack(maps).split((3, CHANNELS - 3), 2)
    flow = _squash(flow.unflatten(2, (-1, 2)), (1, 3, 4, 5)).flatten(2, 3)
    camera = _squash(torch.stack(camera), (1,))
    return torch.cat([_squash(size, (1, 3, 4)), flow], 2), camera


def mirrored(maps: Tensor) -> Tensor:
    """Maps `[..., C, 32, 32]` of the mirrored picture. They are never turned upside down: what
    falls is what hits."""
    maps = maps.flip(-1).clone()
    maps[..., FLOW_CHANNELS, :, :] *= -1
    return maps


def _squash(maps: Tensor, dims: tuple[int, ...]) -> Tensor:
    scaled = maps / (1.25 * maps.abs().mean(dims, keepdim=True) + _EPSILON)
    return scaled.sign() * torch.log1p(2 * scaled.abs())


def _of_clip(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Of `[T, 128, 128]`, not yet scaled; a few frames at a time, so that memory stays small."""
    before = torch.cat([frames[:1], frames[:-1]])
    pieces = map(_of_pairs, before.split(_AT_ONCE), frames.split(_AT_ONCE))
    maps, speeds = zip(*pieces, strict=True)
    return torch.cat(maps), torch.cat(speeds)


def _of_pairs(before: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    before, gray = (
        _blurred(part.float() / 255 if part.dtype == torch.uint8 else part.float())
        for part in (before, frames)
    )
    move, light = gray.new_zeros(len(gray), 4), gray.new_zeros(len(gray))
    for size in (32, 64):
        held = before if not move.any() else moved(before, move)
        step, light = _camera_step(_smaller(held, size), _smaller(gray, size))
        move = move + step
    held = moved(before, move)
    difference = gray - held - light[:, None, None]
    # What comes in at an edge has not moved.
    inside = moved(torch.ones_like(gray[:1]).expand_as(gray), move)
    difference = difference * (inside > 0.999)
    size = difference.abs()
    maps = [_pool(size), F.adaptive_max_pool2d(size, PLACES), _pool(difference)]
    for scale in (1, 2, 4):
        now, then, apart = (_smaller(part, SIZE // scale) for part in (gray, held, difference))
        maps += _flow(apart, 0.5 * (now + then), scale)
    speeds = torch.stack([move[:, :2].norm(dim=1), move[:, 2].abs(), move[:, 3].abs(), light], 1)
    return torch.stack(maps, 1), speeds


def moved(pictures: Tensor, move: Tensor) -> Tensor:
    """Pictures `[T, H, W]` shifted, turned and zoomed by `[T, 4]`, in units of half the picture."""
    u, v, turn, zoom = move.unbind(1)
    theta = torch.stack(
        [
            torch.stack([1 - zoom, turn, -u], 1),
            torch.stack([-turn, 1 - zoom, -v], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [len(move), 1, *pictures.shape[1:]], align_corners=False)
    return F.grid_sample(pictures[:, None], grid, align_corners=False)[:, 0]


def _camera_step(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """The similarity that leads from pictures `[T, S, S]` to the next ones, `[T, 4]`, and the
    change of brightness: least squares, what does not follow counting ever less."""
    size = before.shape[-1]
    slope_x, slope_y = _slopes(0.5 * (before + after))
    line = (torch.arange(size, device=before.device) + 0.5) / size * 2 - 1
    x, y = line[None, :], line[:, None]
    # Slopes are per pixel, moves in half pictures.
    slope_x, slope_y = slope_x * size / 2, slope_y * size / 2
    columns = torch.stack(
        [slope_x, slope_y, slope_y * x - slope_x * y, slope_x * x + slope_y * y], -1
    ).flatten(1, 2)
    difference = (after - before).flatten(1)
    weight = torch.ones_like(difference)
    step, light = difference.new_zeros(len(before), 4), difference.new_zeros(len(before))
    damping = torch.eye(4, device=before.device) * (_DAMPING * size**2 / 4)
    for _ in range(3):
        weighted = columns * weight[..., None]
        normal = weighted.transpose(1, 2) @ columns + damping
        right = weighted.transpose(1, 2) @ (light[:, None] - difference)[..., None]
        step = torch.linalg.solve(normal, right)[..., 0]
        rest = difference + (columns @ step[..., None])[..., 0]
        light = (weight * rest).sum(1) / weight.sum(1)
        rest = rest - light[:, None]
        scale = rest.abs().mean(1, keepdim=True) + _EPSILON
        weight = 1 / (1 + (rest / scale) ** 2)
    return step, light


def _flow(difference: Tensor, gray: Tensor, scale: int) -> list[Tensor]:
    """Lucas-Kanade flow (u, v), each `[T, 32, 32]`, over 3 x 3 places."""
    slope_x, slope_y = _slopes(gray)
    pairs = (
        (slope_x, slope_x),
        (slope_x, slope_y),
        (slope_y, slope_y),
        (slope_x, difference),
        (slope_y, difference),
    )
    cell = difference.shape[-1] // PLACES
    sums = torch.stack([_pool(one * other) for one, other in pairs], 1) * cell**2
    sums = F.avg_pool2d(sums, 3, 1, 1, count_include_pad=True) * 9
    xx, xy, yy, xt, yt = sums.unbind(1)
    damping = _DAMPING * 9
    u, v = _solve(xx + damping, xy, yy + damping, xt, yt)
    return [u * scale, v * scale]


def _smaller(gray: Tensor, size: int) -> Tensor:
    if gray.shape[-1] == size:
        return gray
    return F.avg_pool2d(gray[:, None], gray.shape[-1] // size)[:, 0]


def _pool(maps: Tensor) -> Tensor:
    return _smaller(maps, PLACES)


def _blurred(image: Tensor) -> Tensor:
    row = image.new_tensor([0.25, 0.5, 0.25])
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    wide = row[0] * (padded[..., :-2] + padded[..., 2:]) + row[1] * padded[..., 1:-1]
    return row[0] * (wide[..., :-2, :] + wide[..., 2:, :]) + row[1] * wide[..., 1:-1, :]


def _slopes(image: Tensor) -> tuple[Tensor, Tensor]:
    slope_x, slope_y = torch.zeros_like(image), torch.zeros_like(image)
    slope_x[..., 1:-1] = 0.5 * (image[..., 2:] - image[..., :-2])
    slope_y[..., 1:-1, :] = 0.5 * (image[..., 2:, :] - image[..., :-2, :])
    return slope_x, slope_y


def _solve(xx: Tensor, xy: Tensor, yy: Tensor, xt: Tensor, yt: Tensor) -> tuple[Tensor, Tensor]:
    """Motion (u, v) that explains the differences: the 2 x 2 normal equations in closed form."""
    determinant = xx * yy - xy * xy
    return (xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant
