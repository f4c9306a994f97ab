"""From a video to takes with the bundled model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.media import ImageFrames, integrated_loudness
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.onsets.matching import match_onsets
from foleystage.core.pipeline import generate
from foleystage.core.request import Request

QUICK = Request(prompt="wood hit", seconds=2.0, steps=4)


def test_hits_are_heard_where_they_are_seen(clip, truth, model):
    takes = generate(clip, model, Request(prompt="metal hit"))
    found = detect_onsets(takes.waveforms[0], takes.sample_rate)
    matching = match_onsets(found, truth)
    assert matching.f1 >= 0.8
    assert matching.median_absolute_offset_ms <= 25


def test_the_sound_is_as_long_as_the_window_finite_and_unclipped(clip, model):
    takes = generate(clip, model, QUICK)
    assert takes.waveforms.shape == (1, 1, round(2.0 * takes.sample_rate))
    assert bool(torch.isfinite(takes.waveforms).all())
    assert float(takes.waveforms.abs().max()) < 1.0
    assert takes.loudness[0] == pytest.approx(
        integrated_loudness(takes.waveforms[0], takes.sample_rate)
    )


def test_a_seed_repeats_and_a_take_does_not_depend_on_its_batch(clip, model):
    first = generate(clip, model, replace(QUICK, seed=3, takes=2))
    again = generate(clip, model, replace(QUICK, seed=3))
    assert torch.allclose(first.waveforms[0], again.waveforms[0], atol=2e-3)
    assert not torch.allclose(first.waveforms[0], first.waveforms[1], atol=1e-2)


def test_a_window_inside_the_clip_is_timed_from_its_start(clip, truth, model):
    takes = generate(clip, model, Request(prompt="metal hit", start=1.0, seconds=2.5))
    inside = truth[(truth > 1.05) & (truth < 3.45)] - 1.0
    found = detect_onsets(takes.waveforms[0], takes.sample_rate)
    assert match_onsets(found, inside).recall >= 0.7


def test_offset_moves_the_sound(clip, model):
    plain = generate(clip, model, replace(QUICK, loudness=None)).waveforms[0, 0]
    late = generate(clip, model, replace(QUICK, loudness=None, offset=100.0)).waveforms[0, 0]
    assert torch.allclose(late[3200:], plain[:-3200], atol=1e-4)
    assert float(late[:3200].abs().max()) == 0


def test_an_image_batch_is_a_video(scene, model):
    frames = scene.frames(np.arange(50) / 25, 64, 96).float() / 255
    takes = generate(ImageFrames(frames, 25.0), model, Request(prompt="metal", steps=2))
    assert takes.seconds == pytest.approx(2.0)


def test_a_reference_changes_the_sound(clip, model):
    tone = torch.sin(torch.arange(32000) / 32000 * 2 * np.pi * 3000)
    tone = (tone * torch.exp(-torch.arange(32000) / 1600))[None]
    plain = generate(clip, model, replace(QUICK, prompt=""))
    led = generate(clip, model, replace(QUICK, prompt="", reference=(tone, 32000)))
    assert float((plain.waveforms - led.waveforms).abs().mean()) > 1e-3


def test_cancelling_stops_at_the_next_step(clip, model):
    steps = []
    with pytest.raises(Cancelled):
        generate(
            clip,
            model,
            QUICK,
            progress=lambda stage, step, total: steps.append(step),
            cancelled=lambda: len(steps) >= 2,
        )
    assert len(steps) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seconds": 0.0}, "longer than 0"),
        ({"start": 99.0}, "video ends at"),
        ({"start": -1.0}, "before the video"),
        ({"start": float("nan")}, "number of seconds"),
        ({"steps": 0}, "steps"),
        ({"takes": 0}, "takes"),
        ({"cfg": float("nan")}, "guidance"),
        ({"loudness": float("nan")}, "-70 to 0 LUFS"),
        ({"loudness": 0.5}, "-70 to 0 LUFS"),
        ({"loudness": -71.0}, "-70 to 0 LUFS"),
        ({"timing": "late"}, "nearest or published"),
        ({"long": "loops"}, "in windows or in one pass"),
        ({"reference": (torch.zeros(1, 32000), 32000)}, "silent"),
        ({"reference": (torch.full((1, 32000), float("nan")), 32000)}, "not numbers"),
        ({"reference": (torch.ones(1, 100), 32000)}, "ms long"),
    ],
)
def test_bad_requests_are_refused_in_a_sentence(clip, model, change, says):
    with pytest.raises(FoleyError, match=says):
        generate(clip, model, replace(QUICK, **change))
