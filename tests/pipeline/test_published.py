"""Takes made as the published code makes them, and takes beyond the trained length."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from family import seeded, tone
from foleystage.core import pipeline
from foleystage.core.media import ImageFrames, read_frames
from foleystage.core.pipeline import Request, generate, look
from foleystage.core.sampling import Windows

WORDS = Request("rain", seconds=0.72, steps=2, seed=5, loudness=None)


@pytest.fixture
def sampled(monkeypatch):
    """What the sampler is asked for; it makes nothing of it."""
    asked = []

    def fake(generator, streams, guidance, *, seconds, takes, **options):
        asked.append({"streams": streams, "seconds": seconds, **options})
        return torch.zeros(takes, *generator.latent_shape(seconds))

    monkeypatch.setattr(pipeline, "sample", fake)
    return asked


def test_the_references_noise_is_the_first_of_the_takes_generator(ac_foley, sampled):
    sound, rate = tone(3.0)
    request = replace(WORDS, reference=(sound, rate), timing="published")
    generate(None, ac_foley, request)
    rng = seeded(5)
    wanted = ac_foley.listen(sound, rate, rng=rng)
    assert torch.equal(sampled[0]["streams"]["audio"], wanted)
    assert torch.equal(sampled[0]["rng"].get_state(), rng.get_state())
    assert not torch.equal(rng.get_state(), seeded(5).get_state())


def test_by_default_a_reference_means_the_same_in_every_take(ac_foley, sampled):
    for seed in (5, 6):
        generate(None, ac_foley, replace(WORDS, reference=tone(3.0), seed=seed))
    first, second = (one["streams"]["audio"] for one in sampled)
    assert torch.equal(first, second)
    assert torch.equal(sampled[0]["rng"].get_state(), seeded(5).get_state())


@torch.no_grad()
def test_guidance_below_1_is_the_conditional_alone_where_it_is_published(ac_foley):
    def take(**change):
        return generate(None, ac_foley, replace(WORDS, **change)).waveforms

    assert torch.equal(take(cfg=0.3, timing="published"), take(cfg=1.0))
    assert not torch.allclose(take(cfg=0.3), take(cfg=1.0), atol=1e-3)


@pytest.mark.parametrize(
    ("seconds", "asked", "one_pass"),
    [
        (20.0, {}, True),
        (20.5, {}, False),
        (20.0, {"long": "windows"}, False),
        (20.5, {"long": "one pass"}, True),
        (20.5, {"timing": "published"}, True),
        (20.5, {"timing": "reference"}, True),
        (20.0, {"timing": "published", "long": "windows"}, False),
    ],
)
def test_long_takes_are_made_as_suits_their_length(ac_foley, sampled, seconds, asked, one_pass):
    generate(None, ac_foley, replace(WORDS, seconds=seconds, **asked))
    assert sampled[0]["seconds"] == seconds
    assert sampled[0]["windows"] == (None if one_pass else Windows())


@torch.no_grad()
def test_one_pass_hears_the_whole_take_at_once(ac_foley):
    long = replace(WORDS, seconds=10.0, steps=1)
    windows, whole = (
        generate(None, ac_foley, replace(long, long=way)).waveforms
        for way in ("windows", "one pass")
    )
    assert windows.shape == whole.shape
    assert not torch.allclose(windows, whole, atol=1e-3)


def test_the_old_word_for_published_means_the_same():
    assert Request(timing="reference") == Request(timing="published")


@pytest.fixture
def blind(monkeypatch):
    """Encoders that are only told how many frames they would get."""

    def count(source, eyes, *, timing, fit, start, seconds, **options):
        requests = {k: eye.layout.frame_request.timed(timing) for k, eye in eyes.items()}
        frames = read_frames(source, requests, start=start, seconds=seconds)
        return fit({k: len(v) for k, v in frames.items()})

    monkeypatch.setattr(pipeline, "encode_video", count)


@pytest.mark.parametrize(
    ("seconds", "made", "sync"), [(1.1, 1.08, 27), (1.16, 1.16, 28), (2.3, 2.28, 56)]
)
def test_lengths_off_the_grid_are_the_published_ones(ac_foley, blind, seconds, made, sync):
    frames = ImageFrames(torch.zeros(250, 4, 4, 3), 25.0)
    view = look(frames, ac_foley, Request(seconds=seconds, timing="published"))
    assert view.covered == made and view.frames["sync"] == sync
    assert look(frames, ac_foley, Request(seconds=seconds)).covered == seconds
