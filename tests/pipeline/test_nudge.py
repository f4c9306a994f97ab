"""Hits by hand where the picture cannot say them: what is missing is brought, what is too much
goes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from foleystage.core.cues import CueSheet, Hit
from foleystage.core.encoders.video import held
from foleystage.core.loading import load_model
from foleystage.core.nudge import WantedHits, nudge
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from foleystage.core.seen_cues import seen_cues
from foleystage.core.system import System

RATE, STEP = 16000, 160  # a latent frame is 10 ms of sound


def decode(latent: torch.Tensor) -> torch.Tensor:
    """Noise as loud as the latent says, `[B, N, 1]` to `[B, 1, T]`."""
    rng = torch.Generator().manual_seed(0)
    loud = latent[..., 0].repeat_interleave(STEP, 1)
    return (loud * torch.randn(loud.shape[1], generator=rng))[:, None]


def bursts(*times: float, seconds: float = 4.0) -> torch.Tensor:
    latent = torch.full((1, round(seconds * 100), 1), 1e-3)
    for time in times:
        first = round(time * 100)
        decay = torch.exp(-torch.arange(25) / 5) * 0.3
        latent[0, first : first + 25, 0] = decay[: latent.shape[1] - first]
    return latent


def nudged(latent, wanted, sample, new=0.0):
    made, sound = nudge(
        latent, decode(latent), wanted, new=new, rate=RATE, sample=sample, decode=decode
    )
    assert torch.equal(sound, decode(made))
    return made, detect_onsets(sound[0], RATE)


def quiet(known, material, tries):
    """What is made anew is quiet, whatever is tried."""
    return torch.where(known.frames[:, None], known.latent, 1e-3).expand(tries, -1, -1)


def test_a_missing_hit_is_a_copy_of_another():
    made, onsets = nudged(bursts(1.0, 3.0), WantedHits([1.0, 2.0, 3.0]), quiet)
    assert onsets == pytest.approx([1.0, 2.0, 3.0], abs=0.03)
    assert torch.equal(made[:, :170], bursts(1.0, 3.0)[:, :170])


def test_a_removed_hit_goes_and_nothing_before_what_is_new_changes():
    latent = bursts(0.5, 1.5, 3.0)
    removed = WantedHits([3.0], removed=[0.5, 1.5])
    made, onsets = nudged(latent, removed, quiet, new=1.0)
    assert onsets == pytest.approx([0.5, 3.0], abs=0.03)
    assert torch.equal(made[:, :100], latent[:, :100])


def test_the_try_that_agrees_best_stays():
    def sample(known, material, tries):
        made = torch.cat([bursts(1.0, 2.0 + shift) for shift in (0.3, 0.04, -0.1)])
        return torch.where(known.frames[:, None], known.latent, made)

    _, onsets = nudged(bursts(1.0), WantedHits([1.0, 2.0]), sample)
    assert onsets == pytest.approx([1.0, 2.0], abs=0.05)


def test_what_is_right_is_left_alone():
    def never(*_):
        raise AssertionError

    latent = bursts(1.0, 2.0)
    made, _ = nudged(latent, WantedHits([1.0, 2.01], removed=[3.0]), never)
    assert made is latent


def test_a_hit_of_its_own_material_is_made_of_it():
    asked = []

    def sample(known, material, tries):
        asked.append(material)
        return quiet(known, material, tries) + bursts(2.0) * ~known.frames[:, None]

    nudged(bursts(1.0, 2.0), WantedHits([1.0, 2.0], own=[(2.0, "wood")]), sample)
    assert asked == ["wood"]


def test_features_are_held_around_a_time():
    values = torch.arange(40.0).view(1, 40, 1)
    made = held(values, 10.0, 2, [1.0, 0.0])  # moments of 0.1 s, two features each
    expected = values.clone()
    expected[0, :4, 0] = torch.tensor([4.0, 5.0] * 2)
    expected[0, 16:24, 0] = torch.tensor([14.0, 15.0] * 4)
    assert torch.equal(made, expected)


@pytest.fixture
def unable(monkeypatch):
    """A system whose streams say nothing of hits by hand."""
    monkeypatch.setattr(System, "places_hits", property(lambda self: False))


def test_hits_are_brought_and_taken_away(unable, clip, model):
    request = Request(prompt="metal hit", steps=10)
    sheet = seen_cues(clip, model)
    first, *others = sheet.hits
    moved = (replace(first, removed=True), *others, Hit(3.6))
    made = generate(clip, model, replace(request, cues=CueSheet(hits=moved)))
    onsets = detect_onsets(made.waveforms[0], made.sample_rate)
    wanted = [*(hit.time for hit in others), 3.6]
    assert onsets == pytest.approx(wanted, abs=0.06)


def test_it_goes_with_published_networks(found, clip):
    system = load_model("ac_foley")
    assert not system.places_hits
    hits = (Hit(0.5), Hit(1.2, removed=True), Hit(2.0, material="wood"))
    request = Request(prompt="metal", steps=2, seconds=3.0)
    made = generate(clip, system, replace(request, cues=CueSheet(hits=hits)))
    assert made.waveforms.shape[-1] == 3 * made.sample_rate
    assert bool(torch.isfinite(made.waveforms).all())
    again = generate(clip, system, replace(request, cues=CueSheet(hits=hits)))
    assert torch.equal(made.waveforms, again.waveforms)
