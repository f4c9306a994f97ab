"""Many encoders, one decoding pass."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.encoders import video
from foleystage.core.encoders.cache import FeatureCache
from foleystage.core.encoders.video import encode_video
from foleystage.core.errors import Cancelled
from foleystage.core.media import ImageFrames
from small_encoder import MeanColour


@pytest.fixture
def clip():
    images = torch.rand(50, 12, 16, 3, generator=torch.Generator().manual_seed(0))
    return ImageFrames(images, fps=25.0)


@pytest.fixture
def encoders():
    return {"slow": MeanColour(fps=5.0, size=4), "fast": MeanColour(fps=20.0, size=8)}


def test_each_encoder_gets_its_own_rate(clip, encoders):
    streams = encode_video(clip, encoders, seconds=2.0)
    assert streams["slow"].values.shape == (1, 10, 3)
    assert streams["fast"].values.shape == (1, 40, 3)


def test_frames_are_decoded_in_one_pass(clip, encoders, monkeypatch):
    passes = []
    real = video.pour_frames

    def counted(source, requests, sinks, **options):
        passes.append(sorted(requests))
        return real(source, requests, sinks, **options)

    monkeypatch.setattr(video, "pour_frames", counted)
    encode_video(clip, encoders)
    assert passes == [["fast", "slow"]]


def test_progress_rises_to_its_end(clip, encoders):
    steps = []
    encode_video(clip, encoders, seconds=1.0, progress=lambda *step: steps.append(step))
    values = [step for step, _ in steps]
    assert values == sorted(values) and steps[-1] == (1000, 1000)


def test_a_second_run_is_answered_from_the_cache(clip, encoders):
    cache = FeatureCache()
    first = encode_video(clip, encoders, cache=cache)
    again = encode_video(clip, encoders, cache=cache)
    assert all(torch.equal(first[n].values, again[n].values) for n in encoders)
    assert all(encoder.batches == 1 for encoder in encoders.values())


def test_cancelling_stops_it(clip, encoders):
    with pytest.raises(Cancelled):
        encode_video(clip, encoders, cancelled=lambda: True)
