from __future__ import annotations

import math

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media.resample import kernel_reach, resample, resample_span

RATES = [
    (22050, 44100),
    (22050, 48000),
    (48000, 44100),
    (44100, 16000),
    (96000, 44100),
    (8000, 48000),
    (44100, 11111),
]


def sine(rate: int, hertz: float, seconds: float) -> torch.Tensor:
    time = torch.arange(round(rate * seconds), dtype=torch.float64) / rate
    return torch.sin(2 * math.pi * hertz * time + 0.3)[None]


@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_sine_below_both_limits_comes_through_without_delay(source, target):
    hertz = 0.4 * min(source, target)
    got = resample(sine(source, hertz, 0.5), source, target).double()
    want = sine(target, hertz, got.shape[1] / target)
    edge = got.shape[1] // 4
    assert (got - want)[:, edge:-edge].abs().max() < 1e-5


@pytest.mark.parametrize(("source", "target"), [(48000, 16000), (44100, 8000), (44100, 11111)])
def test_what_the_new_rate_cannot_hold_is_removed(source, target):
    got = resample(sine(source, 0.56 * target, 0.5), source, target)
    edge = got.shape[1] // 4
    assert got[:, edge:-edge].abs().max() < 1e-5


@pytest.mark.parametrize(("source", "target"), RATES)
@pytest.mark.parametrize("length", [1, 7, 1000, 22051])
def test_length_is_every_sample_that_lies_inside_the_sound(source, target, length):
    got = resample(torch.zeros(2, length), source, target)
    assert got.shape == (2, math.ceil(length * target / source))


@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_span_equals_the_same_part_of_the_whole(source, target):
    sound = torch.randn(2, source // 4, generator=torch.Generator().manual_seed(0))
    whole = resample(sound, source, target)
    length = whole.shape[1]
    for start, stop in ((0, 10), (length // 3, length // 2), (length - 5, length), (11, 12)):
        span = resample_span(sound, source, target, start, stop)
        assert torch.allclose(span, whole[:, start:stop], atol=1e-6)


def test_a_span_far_outside_is_silence():
    sound = torch.ones(1, 1000)
    assert (resample_span(sound, 44100, 48000, -5000, -4000) == 0).all()
    assert (resample_span(sound, 44100, 44100, 2000, 2500) == 0).all()
    assert resample_span(sound, 44100, 48000, 5, 5).shape == (1, 0)


def test_a_click_stays_in_its_place_there_and_back():
    sound = torch.zeros(1, 44100)
    sound[0, 22050] = 1.0
    there = resample(sound, 44100, 48000)
    assert there.argmax() == 24000
    back = resample(there, 48000, 44100)[:, :44100]
    assert back.argmax() == 22050


def test_samples_beyond_the_reach_do_not_matter():
    sound = torch.randn(1, 3000, generator=torch.Generator().manual_seed(0))
    reach = kernel_reach(48000, 16000)
    cut = sound.clone()
    cut[:, 1500 + reach :] = 0
    cut[:, : 1500 - reach] = 0
    a, b = (resample_span(s, 48000, 16000, 500, 501) for s in (sound, cut))
    assert torch.equal(a, b)


def test_leading_dimensions_and_the_input_are_kept():
    sound = torch.randn(3, 2, 500, dtype=torch.float64)
    before = sound.clone()
    got = resample(sound, 16000, 24000)
    assert got.shape == (3, 2, 750) and got.dtype == torch.float32
    assert torch.equal(sound, before)
    assert torch.equal(resample(sound, 16000, 16000), sound.float())


def test_long_sounds_are_made_in_blocks_without_seams():
    got = resample(sine(22050, 100.0, 20.0), 22050, 44100).double()
    want = sine(44100, 100.0, 20.0)
    assert (got - want)[:, 2000:-2000].abs().max() < 1e-5


def test_a_rate_of_zero_is_refused():
    with pytest.raises(FoleyError, match="above 0 Hz"):
        resample(torch.zeros(1, 10), 0, 44100)
