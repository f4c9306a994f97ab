"""Hidden parts of a picture, held frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.media import FrameRequest, ImageFrames, read_frames
from foleystage.core.media.masking import hide, hold_last, view_of


def test_black_parts_of_the_mask_stand_still():
    frames = torch.randint(0, 256, (4, 6, 6, 3), dtype=torch.uint8)
    mask = torch.zeros_like(frames)
    mask[:, :, 3:] = 255
    hidden = hide(frames, mask)
    assert torch.equal(hidden[:, :, 3:], frames[:, :, 3:])
    assert (hidden[:, :, :3] == 128).all()


def test_the_last_frame_is_held():
    frames = torch.arange(3, dtype=torch.uint8)[:, None]
    assert hold_last(frames, 5)[:, 0].tolist() == [0, 1, 2, 2, 2]
    assert torch.equal(hold_last(frames, 2), frames)


def test_what_is_white_fills_the_view_with_a_margin():
    mask = torch.zeros(3, 100, 200)
    mask[0, 40:60, 20:40] = 1
    mask[2, 40:60, 60:80] = 1  # it moves: the view holds all of its way
    left, top, right, bottom = view_of(mask)
    assert left * 200 < 20 and right * 200 > 80 and top * 100 < 40 and bottom * 100 > 60
    assert (right - left) * 200 == pytest.approx((bottom - top) * 100) == pytest.approx(72)


def test_a_view_stays_inside_the_picture_and_is_never_tiny():
    mask = torch.zeros(1, 100, 200)
    mask[:, 0, 199] = 1
    assert view_of(mask) == pytest.approx((175 / 200, 0.0, 1.0, 0.25))
    whole = torch.ones(1, 100, 200)
    assert view_of(whole) == view_of(torch.zeros_like(whole)) == (0.0, 0.0, 1.0, 1.0)


def test_frames_of_a_view_are_those_of_the_cut_out_picture():
    images = torch.rand(4, 60, 80, 3, generator=torch.Generator().manual_seed(0))
    view = (0.25, 0.5, 0.75, 1.0)
    request = FrameRequest(25.0, 32, view=view)
    seen = read_frames(ImageFrames(images, 25.0), {"video": request})["video"]
    cut = ImageFrames(images[:, 30:, 20:60], 25.0)
    assert torch.equal(seen, read_frames(cut, {"video": replace(request, view=None)})["video"])
