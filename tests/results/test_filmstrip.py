"""The strip of frames, and the curve of what moves."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.media import ImageFrames
from foleystage.core.results.filmstrip import MOTION_RATE, write_filmstrip
from PIL import Image


def greys(count: int, fps: float, size: tuple[int, int] = (36, 64)) -> ImageFrames:
    """Frames that grow brighter, the last one white."""
    values = torch.linspace(0, 1, count)[:, None, None, None]
    return ImageFrames(values.expand(count, *size, 3).contiguous(), fps)


@pytest.mark.parametrize(
    ("seconds", "fps", "count"), [(4.0, 5.0, 12), (20.0, 2.0, 20), (90.0, 1.0, 60), (1.0, 5.0, 5)]
)
def test_it_has_a_frame_a_second_within_bounds(tmp_path, seconds, fps, count):
    source = greys(round(seconds * fps), fps)
    made = write_filmstrip(source, tmp_path / "film.jpg", seconds=seconds)
    assert (made.count, made.width, made.height, made.motion) == (count, 96, 54, [])
    with Image.open(tmp_path / "film.jpg") as strip:
        assert strip.size == (96 * count, 54)
        shown = [strip.getpixel((96 * k + 48, 27))[0] for k in range(count)]
    assert shown == sorted(shown) and shown[0] <= 25 and shown[-1] >= 200


def test_it_begins_where_the_window_does(tmp_path):
    made = write_filmstrip(greys(40, 4.0), tmp_path / "film.jpg", start=5.0, seconds=5.0)
    with Image.open(tmp_path / "film.jpg") as strip:
        assert strip.getpixel((10, 27))[0] == pytest.approx(255 * 20 / 39, abs=8)
    assert made.count == 12


def test_a_narrow_picture_is_not_too_narrow(tmp_path):
    made = write_filmstrip(greys(12, 6.0, (100, 10)), tmp_path / "film.jpg", seconds=2.0)
    assert made.width == 22


def test_motion_is_how_much_a_picture_changes(tmp_path):
    images = torch.zeros(50, 32, 32, 3)
    images[25:, :16] = 1
    source = ImageFrames(images, MOTION_RATE)
    made = write_filmstrip(source, tmp_path / "film.jpg", seconds=2.0, motion=True)
    assert len(made.motion) == 50
    assert {k: v for k, v in enumerate(made.motion) if v} == {25: 0.5}
