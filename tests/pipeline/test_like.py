"""Takes like another one, of every kind of dynamics, at once and section by section."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.loading import load_model
from foleystage.core.pipeline import generate
from foleystage.core.request import Request

SYSTEMS = ("ac_foley_mini", "mdsgen_mini", "specmaskfoley_mini", "stable_audio_mini")
SHORT = Request(seconds=1.92, steps=4, seed=11, takes=3)


@pytest.fixture(scope="module", params=SYSTEMS)
def made(request, clip):
    """made(request): takes of a system."""
    system = load_model(request.param)
    source = clip if system.row.video else None

    def make(request):
        return generate(source, system, request).waveforms

    return make


def test_without_variation_every_take_is_that_take(made):
    third, same = made(SHORT)[2], made(replace(SHORT, like=3, variation=0.0))
    # In another place of a batch a network may round otherwise.
    assert torch.equal(same[2], third)
    torch.testing.assert_close(same, third.expand_as(same), rtol=1e-4, atol=1e-5)


def test_a_take_like_one_is_the_same_however_many_there_are(made):
    like = replace(SHORT, like=2)
    torch.testing.assert_close(made(replace(like, takes=2)), made(like)[:2], rtol=1e-4, atol=1e-5)


def test_with_all_variation_nothing_of_it_is_left(made):
    plain, other = made(SHORT), made(replace(SHORT, like=3, variation=1.0))
    assert not any(torch.equal(one, take) for one in other for take in plain)


def test_sections_are_like_those_of_that_take(clip):
    system = load_model("ac_foley_mini")
    whole = replace(SHORT, seconds=None, long="sequential")
    third = generate(clip, system, whole).waveforms[2]
    same = generate(clip, system, replace(whole, like=3, variation=0.0)).waveforms
    assert all(torch.equal(take, third) for take in same)
    near = generate(clip, system, replace(whole, like=3)).waveforms
    assert not torch.equal(near[0], third)


def test_sections_of_tokens_are_like_no_other(clip):
    asked = replace(SHORT, seconds=None, long="sequential", like=3)
    with pytest.raises(FoleyError, match="at once alone"):
        generate(clip, load_model("specmaskfoley_mini"), asked)
