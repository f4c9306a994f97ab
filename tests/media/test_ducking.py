"""A background that steps back."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.media.ducking import duck

RATE = 16000


@pytest.fixture
def hit():
    """Silence, a burst from 1.0 to 1.3 s, silence."""
    sound = torch.zeros(1, 3 * RATE)
    sound[:, RATE : RATE + 4800] = 0.5 * torch.randn(
        4800, generator=torch.Generator().manual_seed(0)
    )
    return sound


def level(sound, start, stop):
    part = sound[:, int(start * RATE) : int(stop * RATE)]
    return 20 * float(torch.log10(part.square().mean().sqrt()))


def test_it_steps_back_while_the_other_is_loud(hit):
    ducked = duck(torch.ones(2, 3 * RATE), hit, RATE, 12.0)
    assert level(ducked, 1.1, 1.25) == pytest.approx(-12, abs=1)
    assert level(ducked, 0.0, 0.9) == pytest.approx(0, abs=0.1)
    assert level(ducked, 2.5, 3.0) == pytest.approx(0, abs=0.5)


def test_it_is_down_when_the_attack_comes(hit):
    assert level(duck(torch.ones(1, 3 * RATE), hit, RATE, 12.0), 0.995, 1.005) < -6


def test_silence_and_zero_decibels_change_nothing(hit):
    ones = torch.ones(1, 3 * RATE)
    assert torch.equal(duck(ones, hit, RATE, 0.0), ones)
    assert torch.equal(duck(ones, torch.zeros_like(hit), RATE, 12.0), ones)


def test_a_longer_background_goes_on_after_the_other(hit):
    ducked = duck(torch.ones(1, 4 * RATE), hit, RATE, 12.0)
    assert ducked.shape == (1, 4 * RATE) and torch.isfinite(ducked).all()
