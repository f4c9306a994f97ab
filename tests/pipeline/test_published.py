"""Takes made as the published code makes them, and takes beyond the trained length."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from family import seeded, tone
from foleystage.core import system
from foleystage.core.media import ImageFrames
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from foleystage.core.resolve import encode
from foleystage.core.sampling import Windows

WORDS = Request("rain", seconds=0.72, steps=2, seed=5, loudness=None)


@pytest.fixture
def sampled(monkeypatch):
    """What the sampler is asked for; it makes nothing of it."""
    asked = []

    def fake(generator, conditions, guidance, *, takes, **options):
        asked.append({"conditions": conditions, **options})
        return torch.zeros(takes, *generator.latent_shape(conditions.seconds))

    monkeypatch.setattr(system, "sample", fake)
    return asked


def test_the_references_noise_is_the_first_of_the_takes_generator(ac_foley, sampled):
    sound, rate = tone(3.0)
    request = replace(WORDS, reference=(sound, rate), timing="published")
    generate(None, ac_foley, request)
    rng = seeded(5)
    wanted = ac_foley.encode_reference((sound, rate), rng=rng)["audio"]
    assert torch.equal(sampled[0]["conditions"].positive["audio"], wanted)
    assert torch.equal(sampled[0]["rng"].get_state(), rng.get_state())
    assert not torch.equal(rng.get_state(), seeded(5).get_state())


def test_by_default_a_reference_means_the_same_in_every_take(ac_foley, sampled):
    for seed in (5, 6):
        generate(None, ac_foley, replace(WORDS, reference=tone(3.0), seed=seed))
    first, second = (one["conditions"].positive["audio"] for one in sampled)
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
    assert sampled[0]["conditions"].seconds == seconds
    assert sampled[0]["windows"] == (None if one_pass else Windows())


@torch.no_grad()
def test_one_pass_predicts_the_whole_take_at_once(ac_foley):
    long = replace(WORDS, seconds=10.0, steps=1)
    windows, whole = (
        generate(None, ac_foley, replace(long, long=way)).waveforms
        for way in ("windows", "one pass")
    )
    assert windows.shape == whole.shape
    assert not torch.allclose(windows, whole, atol=1e-3)


def test_the_old_word_for_published_means_the_same():
    assert Request(timing="reference") == Request(timing="published")


@pytest.mark.parametrize(
    ("seconds", "made", "sync"), [(1.1, 1.08, 27), (1.16, 1.16, 28), (2.3, 2.28, 56)]
)
def test_lengths_off_the_grid_are_the_published_ones(frame_counter, seconds, made, sync):
    frames = ImageFrames(torch.zeros(250, 4, 4, 3), 25.0)
    video = encode(frames, frame_counter, Request(seconds=seconds, timing="published"))
    assert video.padded == made and video.streams["sync"].shape[1] == sync
    assert encode(frames, frame_counter, Request(seconds=seconds)).padded == seconds
