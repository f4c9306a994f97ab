"""Hidden parts of a picture, held frames."""

from __future__ import annotations

import torch
from foleystage.core.media.masking import hide, hold_last


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
