"""Loudness, gain and limiter of a sound in pieces: as of the whole, and blind to what follows."""

from __future__ import annotations

import math

import pytest
import torch
from foleystage.core.media.levelling import Leveller, LoudnessMeter, PieceLimiter
from foleystage.core.media.loudness import integrated_loudness, limit, true_peak

RATE = 32000


def hits(seconds: float, level: float = 0.3, seed: int = 0) -> torch.Tensor:
    """Decaying noise twice a second, [1, n]."""
    rng = torch.Generator().manual_seed(seed)
    time = torch.arange(round(seconds * RATE)) / RATE
    return (level * torch.randn(len(time), generator=rng) * torch.exp(-8 * (time % 0.5)))[None]


@pytest.mark.parametrize("size", [333, 4096, 50_000, 10**7])
@pytest.mark.parametrize("seconds", [0.05, 0.3, 7.3])
def test_the_meter_says_what_the_whole_has(size, seconds):
    sound = hits(seconds).expand(2, -1)
    meter = LoudnessMeter(RATE)
    for piece in sound.split(size, 1):
        meter.add(piece)
    slack = 0.5 if seconds < 0.4 else 0.01  # a sound of less than a block is one
    assert meter.integrated == pytest.approx(integrated_loudness(sound, RATE), abs=slack)


def test_nothing_and_silence_are_minus_infinity():
    meter = LoudnessMeter(RATE)
    assert meter.integrated == -math.inf
    meter.add(torch.zeros(1, RATE))
    assert meter.integrated == -math.inf


@pytest.mark.parametrize("size", [100, 5000, 184_000])
def test_the_limiter_in_pieces_is_that_of_the_whole(size):
    sound = 4 * hits(6.0)
    limiter = PieceLimiter(RATE, 0.9)
    made = [limiter(piece) for piece in sound.split(size, 1)]
    made = torch.cat([*made, limiter.finish()], 1)
    torch.testing.assert_close(made, limit(sound, RATE, 0.9), atol=1e-6, rtol=0)


def levelled(sound: torch.Tensor, size: int = 184_000) -> torch.Tensor:
    leveller, limiter = Leveller(RATE, -20.0), PieceLimiter(RATE)
    made = [limiter(leveller(piece)) for piece in sound.split(size, 1)]
    return torch.cat([*made, limiter.finish()], 1)


@pytest.mark.parametrize("level", [0.02, 0.3, 1.5])
def test_a_long_sound_comes_to_its_loudness(level):
    made = levelled(hits(60.0, level))
    assert made.shape == (1, 60 * RATE)
    assert integrated_loudness(made, RATE) == pytest.approx(-20.0, abs=0.5)
    assert true_peak(made, RATE) <= 1


def test_what_follows_changes_nothing_before():
    sound, other = hits(30.0), hits(30.0)
    other[:, 23 * RATE :] *= 5
    made, changed = levelled(sound), levelled(other)
    whole = 3 * 184_000  # the pieces before the change
    assert torch.equal(made[:, : whole - 1000], changed[:, : whole - 1000])
    assert not torch.equal(made[:, whole:], changed[:, whole:])


def test_silence_stays_and_does_not_move_the_gain():
    sound = torch.cat([torch.zeros(1, 184_000), hits(11.5), torch.zeros(1, 184_000)], 1)
    made = levelled(sound)
    assert not made[:, :183_000].any() and not made[:, -183_000:].any()
    assert integrated_loudness(made, RATE) == pytest.approx(-20.0, abs=0.5)
