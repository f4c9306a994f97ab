"""From frames to the `sync` stream: what is said where nothing is seen, clips of any length."""

from __future__ import annotations

import torch
from foleystage.core.encoders.foley_mini import MiniVideoEncoder
from foleystage.core.encoders.mini_video import bumps, encode_events, peaks


def test_where_nothing_is_seen_no_hit_is_made_up(caplog):
    encoder = MiniVideoEncoder().eval()
    torch.nn.init.constant_(encoder.events.bias, -9.0)
    frames = torch.full((48, 128, 128), 30, dtype=torch.uint8)
    for t in range(48):
        row = 12 + 12 * min(t % 16, 6)
        frames[t, row : row + 24, 40:88] = 220
    encoded = encode_events(encoder, {"video": frames})
    assert "sees no hit" in caplog.text and not len(peaks(encoded.chance.numpy(), 0.5))
    assert encoded.streams["sync"].shape == (1, 96, 3) and encoded.seconds == 1.92
    assert (encoded.streams["sync"][..., 0] == -1).all() and "Nothing moves" not in caplog.text
    still = torch.full((8, 128, 128), 90, dtype=torch.uint8)
    still[4:, :20] += 2  # as noise and compression do
    encode_events(encoder, {"video": still})
    assert "Nothing moves" in caplog.text


def test_no_hit_is_no_bump():
    assert torch.equal(bumps([], [], 10), torch.zeros(10, 3))


def test_long_clips_are_encoded_in_chunks_with_the_same_result_inside():
    torch.manual_seed(0)
    encoder = MiniVideoEncoder().eval()
    frames = torch.randint(0, 255, (800, 128, 128), dtype=torch.uint8)
    encoded = encode_events(encoder, {"video": frames})
    assert encoded.chance.shape == (1600,) and bool(torch.isfinite(encoded.streams["sync"]).all())
