"""What every video encoder does: batches that fit, progress, cancelling, clear refusals."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.encoders.base import stepped_windows
from foleystage.core.errors import Cancelled, FoleyError


def test_batches_fit_the_memory_they_are_given(colour, frames):
    steps = []
    features = colour.encode(frames, memory=300, progress=lambda *step: steps.append(step))
    assert steps == [(3, 7), (6, 7), (7, 7)]
    assert features.values.shape == (1, 7, 3) and features.rate == 10.0
    assert torch.allclose(features.values, colour.encode(frames).values, atol=1e-6)


def test_the_batch_is_halved_when_memory_runs_out(colour, frames, monkeypatch):
    whole = colour.encode(frames).values
    encode_batch = colour.encode_batch

    def short_of_memory(batch):
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        return encode_batch(batch)

    monkeypatch.setattr(colour, "encode_batch", short_of_memory)
    assert torch.allclose(colour.encode(frames).values, whole, atol=1e-6)


def test_one_window_that_does_not_fit_is_one_sentence(colour, frames, monkeypatch):
    def never(batch):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(colour, "encode_batch", never)
    with pytest.raises(FoleyError, match="does not fit into the memory of cpu"):
        colour.encode(frames)


def test_cancelling_stops_between_batches(colour, frames):
    with pytest.raises(Cancelled):
        colour.encode(frames, memory=100, cancelled=lambda: colour.batches >= 2)
    assert colour.batches == 2


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(0, 8, 8, 3, dtype=torch.uint8), "no frames"),
        (torch.zeros(2, 8, 9, 3, dtype=torch.uint8), "frames of 8 x 8, not 9 x 8"),
        (torch.zeros(2, 8, 8, 3), "8-bit frames"),
        (torch.zeros(2, 8, 8, dtype=torch.uint8), "8-bit frames"),
    ],
)
def test_other_frames_are_refused(colour, bad, message):
    with pytest.raises(FoleyError, match=message):
        colour.encode(bad)


def test_undefined_features_are_never_handed_on(colour, frames):
    with torch.no_grad():
        colour.mix.weight.fill_(float("nan"))
    with pytest.raises(FoleyError, match="infinite or undefined"):
        colour.encode(frames)


def test_8_bit_weights_are_computed_in_bfloat16(colour):
    colour.mix.to(torch.float8_e4m3fn)
    assert colour.dtype == torch.bfloat16


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_windows_that_hold_all_frames_repeat_the_last(count):
    rows = stepped_windows(count, 4, 4, whole_only=False)
    assert rows.shape == (-(-count // 4), 4)
    assert set(rows.flatten().tolist()) == set(range(count))
