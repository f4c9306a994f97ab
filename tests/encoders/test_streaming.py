"""A clip is encoded while it is read: the same features, in memory that does not grow."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
from foleystage.core.encoders import video as video_file
from foleystage.core.encoders.base import stepped_windows
from foleystage.core.encoders.cache import FeatureCache
from foleystage.core.encoders.cavp import CavpVideo
from foleystage.core.encoders.clip import DFN5BClip
from foleystage.core.encoders.streaming import LazyEncoder, StreamingEncoder
from foleystage.core.encoders.synchformer import SynchformerVisual
from foleystage.core.encoders.video import encode_frames, encode_video
from foleystage.core.encoders.vjepa2 import VJepa2
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.media import ImageFrames
from small_encoder import MeanColour

LAYOUTS = {
    "single frames": DFN5BClip,
    "overlapping segments": SynchformerVisual,
    "overlap that is dropped": CavpVideo,
    "segments side by side": VJepa2,
}
FRAME = 8 * 8 * 3
CHUNK = 100 * FRAME


class Windowed(MeanColour):
    """Mean colours through the windows of a public encoder, each next to its window's mean."""

    def __init__(self, layout):
        super().__init__(fps=25.0)
        self.windows = layout.windows
        self.join = layout.join

    def encode_batch(self, frames):
        colours = super().encode_batch(frames)
        return torch.cat([colours, colours.mean(1, keepdim=True).expand_as(colours)], -1)


def frames_of(count):
    generator = torch.Generator().manual_seed(count)
    return torch.randint(256, (count, 8, 8, 3), generator=generator, dtype=torch.uint8)


def streamed(encoder, frames, count=None):
    """Features, and the most frames that were held at a time."""
    running, most = StreamingEncoder(encoder, chunk=CHUNK), 0
    for frame in frames:
        running.add(frame)
        most = max(most, running.held // FRAME)
        running.advance()
    return running.finish(count).values, most


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("count", [1, 15, 16, 39, 40, 41, 63, 64, 65, 150, 1003])
def test_features_are_those_of_one_piece(layout, count):
    encoder, frames = Windowed(layout), frames_of(count)
    got, _ = streamed(encoder, frames)
    assert torch.allclose(got, encoder.encode(frames).values, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("more", [-25, -8, -1, 1, 30])
def test_a_clip_may_turn_out_shorter_or_longer(layout, more):
    encoder, frames = Windowed(layout), frames_of(200)
    held = torch.cat([frames, frames[-1:].expand(30, -1, -1, -1)])[: 200 + more]
    got, _ = streamed(encoder, frames, len(held))
    assert torch.allclose(got, encoder.encode(held).values, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_frames_that_are_held_do_not_grow_with_the_clip(layout):
    most = [streamed(Windowed(layout), frames_of(count))[1] for count in (500, 1500)]
    assert most[0] == most[1] < 250


def test_a_clip_that_ends_long_before_what_was_read_is_refused():
    with pytest.raises(ValueError, match="more than a second shorter"):
        streamed(Windowed(CavpVideo), frames_of(400), 200)


def test_frames_of_all_encoders_together_stay_below_what_may_wait(monkeypatch):
    images = torch.rand(800, 4, 4, 3, generator=torch.Generator().manual_seed(0))
    clip = ImageFrames(images, 25.0)
    encoders = {"a": Windowed(SynchformerVisual), "b": MeanColour(fps=8.0)}
    running, held = [], []

    class Counting(StreamingEncoder):
        def __init__(self, *given, **options):
            super().__init__(*given, **options)
            running.append(self)

        def add(self, frame, times=1):
            held.append(sum(one.held for one in running))
            super().add(frame, times)

    whole = encode_video(clip, encoders)
    monkeypatch.setattr(video_file, "StreamingEncoder", Counting)
    waiting = 200 * FRAME
    streams = encode_video(clip, encoders, hold=waiting)
    assert len(held) > 800 and waiting / 2 < max(held) <= waiting
    for name, features in whole.items():
        assert torch.allclose(streams[name].values, features.values, atol=1e-6)


def lazily(encoder, opened):
    @contextmanager
    def open_it():
        opened.append("opened")
        yield encoder
        opened.append("closed")

    return LazyEncoder(encoder, "weights", open_it)


def test_an_encoder_is_opened_only_where_features_are_new():
    opened, cache, frames = [], FeatureCache(), frames_of(5)
    lazy = lazily(MeanColour(), opened)
    first = encode_frames(frames, lazy, cache=cache)
    again = encode_frames(frames, lazy, cache=cache)
    assert opened == ["opened", "closed"] and torch.equal(first.values, again.values)


def test_of_a_clip_that_is_changed_in_part_the_rest_is_not_encoded_again():
    encoder, cache, frames = MeanColour(), FeatureCache(), frames_of(400)
    for clip, batches in ((frames, 4), (torch.cat([frames[:300], frames_of(50)]), 5)):
        running = StreamingEncoder(encoder, cache=cache, chunk=CHUNK)
        for frame in clip:
            running.add(frame)
        features = running.finish()
        assert encoder.batches == batches
        assert torch.allclose(features.values, encoder.encode(clip).values, atol=1e-6)
        encoder.batches = batches


def test_short_clips_are_encoded_by_one_encoder_after_another():
    opened = []
    lazy = {"a": lazily(MeanColour(), opened), "b": lazily(MeanColour(), opened)}
    encode_video(ImageFrames(torch.rand(30, 8, 8, 3), 10.0), lazy)
    assert opened == ["opened", "closed"] * 2


@pytest.mark.parametrize("stop", [FoleyError("no"), Cancelled()])
def test_encoders_are_closed_when_something_stops_the_work(stop):
    opened = []
    encoder = MeanColour()

    def fail(frames):
        raise stop

    encoder.encode_batch = fail
    with pytest.raises(type(stop)):
        encode_video(
            ImageFrames(torch.rand(300, 8, 8, 3), 10.0), {"a": lazily(encoder, opened)}, hold=0
        )
    assert opened == ["opened", "closed"]


def test_windows_of_a_longer_clip_begin_with_the_same():
    for count in range(16, 200, 7):
        rows = stepped_windows(count, 16, 8, whole_only=True)
        assert torch.equal(rows, stepped_windows(count + 50, 16, 8, whole_only=True)[: len(rows)])
