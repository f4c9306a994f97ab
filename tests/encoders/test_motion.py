"""Motion without weights: the camera is taken out, hits stand out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from foleystage.core.encoders.foley_mini import MiniVideoEncoder
from foleystage.core.encoders.mini_video import bumps, encode_events, events_of_curve, peaks
from foleystage.core.encoders.motion import measure_motion, stop_curve


def _texture(count: int, shift: float) -> torch.Tensor:
    """A soft texture that slides `shift` pixels (of 64) a frame: uint8 [T, 64, 64]."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    frames = []
    for t in range(count):
        moved = x - shift * t
        frames.append(np.sin(moved / 7) + np.cos(y / 9) + np.sin((moved + y) / 13))
    return torch.from_numpy((127 + 38 * np.stack(frames)).astype(np.uint8))


def test_a_pan_leaves_far_less_than_the_plain_difference():
    motion = measure_motion(_texture(8, 0.7)[None])
    assert float(motion.residual[:, 1:].abs().mean()) < 0.15 * float(
        motion.difference[:, 1:].abs().mean()
    )
    assert float(motion.shift[0, 1:, 0].mean()) == pytest.approx(0.35, abs=0.05)


def test_flow_points_where_the_thing_goes():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    wall = _texture(1, 0.0)[0].float()
    blobs = [torch.exp(-((x - 16 - t) ** 2 + (y - 28) ** 2) / 60) for t in range(6)]
    frames = torch.stack([wall * (1 - blob) + 250 * blob for blob in blobs]).to(torch.uint8)
    flow = measure_motion(frames[None]).flow[0, 3]
    assert float(flow[0, 3, 1:4].max()) > 0.2
    assert float(flow[1].abs().max()) < float(flow[0].max())


def test_the_stop_curve_peaks_when_something_stops():
    frames = torch.full((20, 64, 64), 30, dtype=torch.uint8)
    for t in range(20):
        row = min(4 + 4 * t, 40)
        frames[t, row : row + 14, 20:44] = 220
    assert int(stop_curve(measure_motion(frames[None]))[0].argmax()) == 9


def test_an_encoder_that_finds_nothing_hands_over_to_the_motion_curve(caplog):
    encoder = MiniVideoEncoder().eval()
    torch.nn.init.constant_(encoder.events.bias, -9.0)
    frames = torch.full((48, 128, 128), 30, dtype=torch.uint8)
    for t in range(48):
        row = 12 + 12 * min(t % 16, 6)
        frames[t, row : row + 24, 40:88] = 220
    encoded = encode_events(encoder, {"video": frames})
    assert "found no hit" in caplog.text and len(peaks(encoded.chance.numpy(), 0.5)) >= 2
    assert encoded.streams["sync"].shape == (1, 96, 3) and encoded.seconds == 1.92
    still = encode_events(encoder, {"video": torch.full((8, 128, 128), 90, dtype=torch.uint8)})
    assert "Nothing moves" in caplog.text and len(peaks(still.chance.numpy(), 0.5)) == 0


def test_events_of_a_curve_are_at_its_peaks():
    curve = torch.zeros(50)
    curve[[10, 30]] = torch.tensor([1.0, 0.6])
    chances = events_of_curve(curve)
    assert chances.shape == (100, 3)
    assert {int(k) for k in chances[:, 0].topk(2).indices} == {20, 60}
    assert torch.equal(bumps([], [], 10), torch.zeros(10, 3))


def test_long_clips_are_encoded_in_chunks_with_the_same_result_inside():
    torch.manual_seed(0)
    encoder = MiniVideoEncoder().eval()
    frames = torch.randint(0, 255, (800, 128, 128), dtype=torch.uint8)
    encoded = encode_events(encoder, {"video": frames})
    assert encoded.chance.shape == (1600,) and bool(torch.isfinite(encoded.streams["sync"]).all())
