"""A known sound keeps every sample outside of what is made, and joins it without a step."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.context import FADE, KnownSound

RATE = 48000
OWN = 0.3 * torch.randn(2, 2 * RATE, generator=torch.Generator().manual_seed(0))
TAKE = 0.1 * torch.randn(1, 2 * 32000, generator=torch.Generator().manual_seed(1))


def samples(*seconds):
    return slice(*(round(time * RATE) for time in seconds))


def test_outside_every_sample_is_the_sounds_own():
    spliced = KnownSound(OWN, RATE, ((0.5, 1.25),)).splice(TAKE, 32000)
    assert spliced.shape == OWN.shape
    assert torch.equal(spliced[:, : round(0.5 * RATE)], OWN[:, : round(0.5 * RATE)])
    assert torch.equal(spliced[:, round(1.25 * RATE) :], OWN[:, round(1.25 * RATE) :])
    assert not torch.allclose(spliced[:, samples(0.5, 1.25)], OWN[:, samples(0.5, 1.25)])


def test_the_cross_fade_lies_inside_and_keeps_the_power():
    take = torch.ones(1, 2 * RATE) * 0.1
    own = torch.full((1, 2 * RATE), 0.1)
    spliced = KnownSound(own, RATE, ((0.5, 1.5),)).splice(take, RATE)[0]
    fade = round(FADE * RATE)
    first, last = round(0.5 * RATE), round(1.5 * RATE)
    assert (spliced[first + fade : last - fade] - 0.1).abs().max() < 1e-6
    # Two like sounds add up to sqrt(2) of one in the middle, two unlike ones to one.
    assert spliced[first : first + fade].max() == pytest.approx(0.1 * 2**0.5, rel=1e-3)
    assert spliced[last - fade : last].max() == pytest.approx(0.1 * 2**0.5, rel=1e-3)


def test_where_the_sound_ends_there_is_no_step():
    time = torch.arange(2 * RATE) / RATE
    own = 0.3 * torch.sin(2 * torch.pi * 50 * time)[None]
    own[:, RATE:] = 0
    own[:, :RATE] += 0.2
    take = 0.3 * torch.cos(2 * torch.pi * 50 * time)[None]
    spliced = KnownSound(own, RATE, ((1.0, 2.0),)).splice(take, RATE)[0]
    assert torch.equal(spliced[:RATE], own[0, :RATE])
    assert (spliced[RATE] - spliced[RATE - 1]).abs() < 0.01
    raw = (own[0, RATE - 1] - take[0, RATE]).abs()
    assert raw > 0.05, "there would have been one"


def test_channels_keep_their_balance():
    own = OWN.clone()
    own[1] *= 0.25
    take = OWN.mean(0, keepdim=True)
    spliced = KnownSound(own, RATE, ((0.5, 1.5),)).splice(take, RATE)
    left, right = (spliced[k, samples(0.6, 1.4)].square().mean().sqrt() for k in (0, 1))
    assert float(left / right) == pytest.approx(4.0, rel=0.05)


def test_a_stereo_take_stays_stereo():
    """Each channel in its own, at its level; in mono it is what both say."""
    take = torch.cat((TAKE, -2 * TAKE.flip(1)))
    own = OWN[:, : 2 * 32000]
    spliced = KnownSound(own, 32000, ((0.5, 1.5),)).splice(take, 32000)
    inside = slice(round(0.6 * 32000), round(1.4 * 32000))
    for k in (0, 1):
        near = torch.corrcoef(torch.stack((spliced[k, inside], take[k, inside])))[0, 1]
        assert near > 0.99
    mono = KnownSound(own[:1], 32000, ((0.5, 1.5),)).splice(take, 32000)
    near = torch.corrcoef(torch.stack((mono[0, inside], take.mean(0)[inside])))[0, 1]
    assert near > 0.99


def test_what_is_made_is_brought_to_the_level_of_what_is_known():
    take = 0.5 * OWN.mean(0, keepdim=True)
    spliced = KnownSound(OWN, RATE, ((0.5, 1.5),)).splice(take, RATE)
    level = spliced[:, samples(0.6, 1.4)].square().mean().sqrt()
    assert float(level) == pytest.approx(float(OWN.square().mean().sqrt()), rel=0.05)
    silent = KnownSound(torch.zeros(1, 2 * RATE), RATE, ((0.5, 1.5),))
    assert silent.is_silent and not KnownSound(OWN, RATE, ((0.5, 1.5),)).is_silent
    assert torch.isfinite(silent.splice(take, RATE)).all()


def test_frames_that_a_span_touches_are_not_known():
    known = KnownSound(OWN, RATE, ((0.5, 1.01),)).frames(20, 10.0)
    assert known.tolist() == [True] * 5 + [False] * 6 + [True] * 9


def test_the_codec_gets_all_of_it_in_mono():
    sound = KnownSound(OWN, RATE, ((0.5, 1.0),)).for_codec(24000, 2.5)
    assert sound.shape == (1, 1, 60000)
    assert not sound[..., 48000:].any() and sound[..., :47000].abs().max() > 0.1


def test_a_stereo_codec_gets_both_channels():
    known = KnownSound(OWN, RATE, ((0.5, 1.0),))
    sound = known.for_codec(RATE, 2.0, channels=2)
    assert torch.equal(sound, OWN[None])
    louder = known.for_codec(RATE, 2.0, -20.0, channels=2)
    assert torch.allclose(louder / louder.abs().max(), OWN / OWN.abs().max(), atol=1e-5)
    assert KnownSound(OWN[:1], RATE, ()).for_codec(RATE, 2.0, channels=2).shape == (1, 1, 2 * RATE)


def test_latent_frames_are_known_outside_of_what_is_made():
    from foleystage.core.loading import load_model

    system = load_model("foleygenex_mini")
    sound = KnownSound(torch.randn(1, 64000) * 0.1, 32000, ((0.5, 1.25),))
    known = system.encode_known(sound, 2.08)
    # 31.25 frames a second: the range touches 15 to 39.
    made = (~known.frames).nonzero().flatten().tolist()
    assert made[:25] == list(range(15, 40))
