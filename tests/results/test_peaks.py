"""A sound as the numbers that its drawing is made of."""

from __future__ import annotations

import json

import pytest
import torch
from foleystage.core.results.peaks import MOST_PEAKS, onsets, peaks

RATE = 22050


def blows(times, seconds: float, rate: int = RATE) -> torch.Tensor:
    """Decaying noise from each of these times on, [1, T]."""
    noise = torch.Generator().manual_seed(0)
    sound = torch.zeros(int(seconds * rate))
    for time in times:
        first = round(time * rate)
        length = min(rate // 5, len(sound) - first)
        decay = torch.exp(-torch.arange(length) / (0.04 * rate))
        sound[first : first + length] += 0.5 * decay * torch.randn(length, generator=noise)
    return sound.clamp(-1, 1)[None]


def test_each_part_has_its_least_and_greatest_value():
    sound = torch.tensor([[0.1, -0.2, 0.3, -0.4, 0.5, 0.25]])
    assert peaks(sound, 3) == [[-0.2, 0.1], [-0.4, 0.3], [0.25, 0.5]]


def test_all_channels_count():
    sound = torch.tensor([[0.5, 0.0, 0.0, 0.1], [0.0, -0.75, 0.0, 0.0]])
    assert peaks(sound, 2) == [[-0.75, 0.5], [0.0, 0.1]]


@pytest.mark.parametrize("samples", [1, 7, 1999, 2000, 2001, 4801, 480_000])
def test_parts_span_the_whole_sound_evenly(samples):
    ramp = torch.linspace(-1, 1, samples)[None]
    found = peaks(ramp)
    assert len(found) == min(samples, MOST_PEAKS)
    assert found[0][0] == -1.0 and found[-1][1] == (1.0 if samples > 1 else -1.0)
    middles = torch.tensor(found, dtype=torch.float64).mean(1)
    expected = -1 + (torch.arange(len(found)) + 0.5) * 2 / len(found)
    # At most a sample beside, and half a thousandth by rounding.
    assert samples == 1 or (middles - expected).abs().max() < 2 / (samples - 1) + 0.0011


def test_peaks_are_short_json_numbers():
    text = json.dumps(peaks(torch.tensor([[-0.0, 1 / 3, -1e-9]]), 3))
    assert text == "[[0.0, 0.0], [0.333, 0.333], [0.0, 0.0]]"


@pytest.mark.parametrize(
    ("sound", "count"),
    [
        (torch.zeros(5), 2),
        (torch.zeros(1, 0), 2),
        (torch.zeros(1, 2, 5), 2),
        (torch.zeros(1, 5), 0),
        (torch.tensor([[0.0, float("nan")]]), 2),
    ],
    ids=["no channels", "empty", "batch", "no parts", "not a number"],
)
def test_what_is_no_sound_is_refused(sound, count):
    with pytest.raises(ValueError):
        peaks(sound, count)


def test_onsets_of_a_long_sound_are_those_of_its_pieces():
    times = [0.5, 7.25, 29.9, 30.1, 45.0, 59.99, 60.3]
    found = onsets(blows(times, 60.6), RATE)
    assert len(found) == len(times)
    assert max(abs(a - b) for a, b in zip(found, times)) < 0.003
    assert found == [round(time, 3) for time in found]


def test_silence_and_the_shortest_sound_have_no_onsets():
    assert onsets(torch.zeros(2, RATE), RATE) == []
    assert onsets(torch.ones(1, 1), RATE) == []
