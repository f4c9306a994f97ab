"""Motion of small places: the camera is taken out, what moves by itself is told where it is."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.encoders.local_motion import (
    CAMERA_CHANNELS,
    CHANNELS,
    local_motion,
    mirrored,
    moved,
)
from foleystage.core.scenes.film import spectrum_noise
from numpy.random import default_rng


def wall(size: int = 128) -> torch.Tensor:
    noise = torch.from_numpy(spectrum_noise(default_rng(0), size, size, 1.3))
    return (0.5 + 0.12 * noise).clamp(0, 1)


def with_ball(frames: int, step: float, row: float = 40.0) -> torch.Tensor:
    """A bright ball before a wall that goes `step` pixels to the right a frame: [T, 128, 128]."""
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    balls = [torch.exp(-((x - 30 - step * t) ** 2 + (y - row) ** 2) / 40) for t in range(frames)]
    return torch.stack([wall() * (1 - ball) + ball for ball in balls])


@pytest.mark.parametrize(
    "move",
    [(0.03, 0.0, 0.0, 0.0), (0.0, -0.02, 0.0, 0.0), (0.0, 0.0, 0.02, 0.0), (0.0, 0.0, 0.0, 0.02)],
)
def test_a_camera_that_shifts_turns_or_zooms_is_taken_out(move):
    first = wall()[None]
    second = moved(first, torch.tensor([move]))
    still = torch.cat([first, first, second, second])[None]
    maps, camera = local_motion(still)
    assert maps.shape == (1, 4, CHANNELS, 32, 32) and camera.shape == (1, 4, CAMERA_CHANNELS)
    inside = slice(4, -4)
    plain = (second - first).abs().mean()
    # The maps are relative to the clip: compare with a thing that moves as much in a still picture.
    rest = moved(first, torch.tensor([move])) - second
    assert float(rest.abs().max()) < 1e-6 < float(plain)
    assert float(maps[0, 2, 0, inside, inside].mean()) < 1.5
    assert float(camera[0, 2].abs().max()) > float(camera[0, 1].abs().max())


def test_what_moves_is_told_where_it_is_and_whereto():
    maps, _ = local_motion(with_ball(6, 2.0)[None])
    size = maps[0, 3, 0]
    top = int(size.argmax())
    assert divmod(top, 32)[0] == pytest.approx(10, abs=1)
    assert divmod(top, 32)[1] == pytest.approx((30 + 6) / 4, abs=2)
    ball = maps[0, 3, :, 8:13, 6:13]
    for channel in (3, 5, 7):
        across, down = ball[channel], ball[channel + 1]
        assert float(across.mean()) > 1 and abs(float(down.mean())) < 0.5 * float(across.mean())
    far = maps[0, 3, 0, 20:, 20:]
    assert float(far.mean()) < 0.2 * float(size.max())


def test_the_mirror_image_has_mirrored_maps():
    frames = with_ball(5, 2.0)
    maps, camera = local_motion(frames[None])
    other, same = local_motion(frames.flip(-1)[None])
    assert torch.allclose(mirrored(maps), other, atol=0.05)
    assert torch.allclose(camera, same, atol=0.05)


def test_a_still_picture_is_still_and_finite():
    maps, camera = local_motion(torch.full((1, 6, 128, 128), 80, dtype=torch.uint8))
    assert float(maps.abs().max()) == 0 and float(camera.abs().max()) == 0


def test_contrast_does_not_matter():
    frames = with_ball(6, 2.0)
    maps, _ = local_motion(frames[None])
    faint, _ = local_motion(((frames - 0.5) * 0.5 + 0.5)[None])
    assert float((maps - faint).abs().mean()) < 0.15 * float(maps.abs().mean())
