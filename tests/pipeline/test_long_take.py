"""Takes made one window after the other: their plan, their seams, and that nothing goes back."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from foleystage.core.cues import CueSheet, Prompt
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.loading import load_model
from foleystage.core.long_take import is_sequential
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.onsets.matching import match_onsets
from foleystage.core.pipeline import generate
from foleystage.core.request import SEQUENTIAL, Request
from foleystage.core.scenes import sample_scene
from foleystage.core.scenes.files import write_picture
from foleystage.core.section_run import Layer, generate_sections
from foleystage.core.sections import (
    BORDER_SECONDS,
    OVERLAP,
    Seams,
    Section,
    sections_of,
    take_seeds,
)

SECONDS = 20.0
LONG = Request(prompt="metal hit", long=SEQUENTIAL)


@pytest.fixture(scope="module")
def long_scene():
    return sample_scene(3, "test", seconds=SECONDS, hard=False, kinds=("hammer",))


@pytest.fixture(scope="module")
def long_clip(long_scene, tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "hammer.mp4"
    write_picture(long_scene, path, 64, silent=True)
    return path


@pytest.mark.parametrize("seconds", [1.0, 8.0, 8.1, 13.0, 60.0, 600.0])
@pytest.mark.parametrize("borders", [(), (5.0,), (0.3, 11.11, 12.0, 599.9)])
def test_sections_follow_each_other_and_know_enough(model, seconds, borders):
    config = model.config
    sections = sections_of(config, seconds, borders)
    rate, window = config.latent.rate, sections[0].length
    assert sections[0].new == 0
    assert all(one.stop == after.new for one, after in zip(sections, sections[1:]))
    assert sections[-1].stop / rate >= seconds
    for one, before in zip(sections[1:], sections):
        assert one.length == window and 0 <= one.start <= one.new < one.stop
        assert one.known >= min(round(OVERLAP * window), one.new)
        assert before.start <= one.start and one.new <= before.start + window
    news = {one.new for one in sections}
    late = {math.ceil((b + BORDER_SECONDS) * rate) for b in borders if b < seconds - 0.1}
    assert late <= news


def test_a_later_border_moves_nothing_before_it(model):
    plain, changed = (sections_of(model.config, 60.0, borders) for borders in ((), (31.0,)))
    border = math.ceil((31.0 + BORDER_SECONDS) * model.config.latent.rate)
    same = [one for one in plain if one.stop <= border]
    assert changed[: len(same)] == same and changed[len(same)].stop == border


def test_seams_lead_from_one_sound_to_the_next():
    seams = Seams(1000)
    first = seams.join(Section(0, 10, 0, 8), torch.ones(1, 1, 1000))
    second = seams.join(Section(6, 10, 8, 16), torch.full((1, 1, 1000), 3.0))
    assert first.shape[-1] == 800 and second.shape[-1] == 800
    assert second[0, 0, :20].diff().min() > 0 and bool((second[0, 0, 20:] == 3).all())


def test_take_seeds_do_not_depend_on_their_number():
    assert take_seeds(4, 3)[:2] == take_seeds(4, 2)
    assert len(set(take_seeds(4, 64))) == 64


def test_hits_are_heard_where_they_are_seen_across_windows(long_clip, long_scene, model):
    takes = generate(long_clip, model, replace(LONG, steps=8))
    assert takes.waveforms.shape == (1, 1, round(SECONDS * takes.sample_rate))
    assert float(takes.waveforms.abs().max()) < 1
    found = detect_onsets(takes.waveforms[0], takes.sample_rate)
    matching = match_onsets(found, np.array([event.time for event in long_scene.events]))
    assert matching.f1 >= 0.8 and matching.median_absolute_offset_ms <= 25
    assert takes.chance is not None and len(takes.chance) == pytest.approx(50 * SECONDS, abs=20)


def sound_of(model, clip, request, prompts=()):
    pieces: list[torch.Tensor] = []
    layer = Layer(clip, request, "vta", CueSheet(prompts=prompts), [1])
    generate_sections(layer, model, SECONDS, pieces.append)
    return torch.cat(pieces, -1)


def test_what_comes_later_changes_nothing_before(long_clip, model):
    quick = replace(LONG, steps=2)
    plain = sound_of(model, long_clip, quick)
    parted = sound_of(model, long_clip, quick, (Prompt(13.0, 20.0, "metal hit"),))
    border = round(13.0 * model.sample_rate)
    assert torch.equal(parted[..., :border], plain[..., :border])
    assert not torch.equal(parted[..., border:], plain[..., border:])


def test_a_take_does_not_depend_on_its_batch(long_clip, model):
    quick = replace(LONG, steps=2, seconds=14.0)
    one, two = (generate(long_clip, model, replace(quick, takes=n)).waveforms for n in (1, 2))
    torch.testing.assert_close(one[0], two[0], atol=2e-3, rtol=0)
    assert not torch.allclose(two[0], two[1], atol=1e-2)


@pytest.mark.parametrize(
    "name", ["mdsgen_mini", "foleygenex_mini", "specmaskfoley_mini", "foley_control_mini"]
)
def test_every_kind_of_model_goes_on(name, long_clip):
    system = load_model(name)
    words = "metal hit" if system.row.text else ""
    takes = generate(long_clip, system, replace(LONG, prompt=words, steps=2, seconds=15.0))
    assert takes.waveforms.shape[-1] == 15 * takes.sample_rate
    assert bool(torch.isfinite(takes.waveforms).all())


def test_words_alone_and_a_window_inside(model, long_clip):
    takes = generate(None, model, replace(LONG, steps=2, seconds=17.0))
    assert takes.waveforms.shape[-1] == 17 * takes.sample_rate
    takes = generate(long_clip, model, replace(LONG, steps=2, start=4.0, offset=100.0))
    assert takes.seconds == pytest.approx(16.0, abs=0.05)
    assert not takes.waveforms[0, 0, : takes.sample_rate // 10].any()


def test_it_stops_when_told_and_says_what_it_cannot_do(long_clip, model):
    asked = iter([False] * 40)
    with pytest.raises(Cancelled):
        generate(long_clip, model, LONG, cancelled=lambda: next(asked, True))
    tone = torch.sin(torch.arange(96000) * 0.05)[None]
    with pytest.raises(FoleyError, match="leave --long sequential away"):
        generate(None, model, replace(LONG, context=(tone, 32000), known=(0.0, 2.0), seconds=12.0))


@pytest.mark.parametrize(
    ("asked", "sequential"),
    [
        ({"seconds": 601.0}, True),
        ({"seconds": 599.0}, False),
        ({"seconds": 601.0, "long": "windows"}, False),
        ({"seconds": 601.0, "timing": "published"}, False),
        ({"seconds": 1.0, "long": SEQUENTIAL}, True),
    ],
)
def test_over_ten_minutes_a_take_is_sequential_by_itself(model, asked, sequential):
    assert is_sequential(None, model, Request(prompt="metal hit", **asked), "tta") is sequential
