"""Long takes of tokens: windows one after another, whose overlap stays."""

from __future__ import annotations

import math

import pytest
import torch
from foleystage.core.generators import Conditions
from foleystage.core.generators.specmaskfoley import SpecMaskFoley, specmaskfoley_mini
from foleystage.core.sampling import Known, Start, Windows, multi_cfg, sample
from foleystage.core.sampling.slide import spans_of

CONFIG = specmaskfoley_mini(hidden_dim=32, num_heads=2, depth=3, control_depth=2, codes=50)
SECONDS = CONFIG.round_up_seconds(16.0)
FRAMES = CONFIG.lengths(SECONDS)["latent"]


@pytest.fixture(scope="module")
def net():
    net = SpecMaskFoley(CONFIG, rng=torch.Generator().manual_seed(0)).eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.randn(value.shape, generator=rng) / 6)
    return net


def conditions(seconds=SECONDS, prompt=True):
    rng, lengths = torch.Generator().manual_seed(2), CONFIG.lengths(SECONDS)
    sync = torch.randn(1, lengths["sync"], 3, generator=rng)
    text = {"text": torch.randn(1, 8, 64, generator=rng)} if prompt else {}
    return Conditions({"sync": sync[:, : CONFIG.lengths(seconds)["sync"]], **text}, seconds)


GUIDANCE = multi_cfg(3.0, "text", ("sync", "text"))
OPTIONS = {"steps": 4, "temperature": 9.0}


def long_take(net, given=None, **options):
    options = {"seed": 0, "windows": Windows(), **OPTIONS, **options}
    return sample(net, given or conditions(), GUIDANCE, **options)


def test_windows_lie_on_the_grid_and_cover_the_take():
    times = Windows().slid(CONFIG, SECONDS)
    spans = spans_of(CONFIG, times)
    assert spans[0].start == 0 and spans[-1].stop == FRAMES
    assert all(span.stop - span.start == CONFIG.columns for span in spans)
    assert all(span.start % CONFIG.step_columns == 0 for span in spans)
    overlaps = [a.stop - b.start for a, b in zip(spans, spans[1:], strict=False)]
    assert min(overlaps) >= CONFIG.columns // 4
    assert Windows().slid(CONFIG, CONFIG.trained_seconds) == [(0.0, CONFIG.trained_seconds)]


def test_each_window_keeps_the_end_of_the_one_before(net):
    """The first window of a long take is what it is whatever comes later."""
    whole = long_take(net)
    assert whole.shape == (1, FRAMES, CONFIG.rows) and whole.max() < CONFIG.codes
    shorter = CONFIG.round_up_seconds(8.0)
    first = long_take(net, conditions(shorter))
    assert torch.equal(first[:, : CONFIG.columns], whole[:, : CONFIG.columns])


def test_a_take_is_the_same_however_many_are_made(net):
    many = long_take(net, takes=3)
    assert torch.equal(long_take(net)[0], many[0]) and not torch.equal(many[0], many[1])


def test_what_is_known_stays(net):
    before = long_take(net)
    frames = torch.ones(FRAMES, dtype=torch.bool)
    frames[90:130] = False
    again = long_take(net, known=Known(before, frames), seed=5)
    assert torch.equal(again[:, frames], before[:, frames])
    assert not torch.equal(again[:, ~frames], before[:, ~frames])


def test_a_band_can_be_made_anew(net):
    before = long_take(net)
    ids = before.clone()
    ids[..., 2:] = CONFIG.codes
    again = long_take(net, start=Start(ids), seed=5)
    assert torch.equal(again[..., :2], before[..., :2])
    assert not torch.equal(again[..., 2:], before[..., 2:])


def test_progress_counts_the_steps_of_all_windows(net):
    """Windows of 80, 60 and 20 new columns."""
    calls, seconds = [], CONFIG.round_up_seconds(10.24)
    given = conditions(seconds)
    long_take(net, given, progress=lambda step, steps: calls.append((step, steps)))
    steps = 4 + 4 + math.ceil(4 * 20 / 60)
    assert calls == [(i + 1, steps) for i in range(steps)]


def test_multi_cfg_is_its_sum(net):
    from foleystage.core.sampling import Guided

    seconds = CONFIG.trained_seconds
    given = conditions(seconds)
    ids = torch.randint(CONFIG.codes + 1, (1, CONFIG.columns, CONFIG.rows))
    with torch.no_grad():
        times = torch.zeros(1)
        both, picture, nothing = (
            net(ids, times, net.prepare(streams, seconds, batch=1))
            for streams in (given.positive, {"sync": given.positive["sync"]}, {})
        )
        for t in (0.0, 0.25, 1.0):
            scale = 3.0 * t
            expected = nothing + scale * ((both - nothing) + (picture - nothing))
            made = Guided(net, given, GUIDANCE)(ids, t)
            torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-4)
            one_by_one = Guided(net, given, GUIDANCE, batched=False)(ids, t)
            torch.testing.assert_close(one_by_one, made, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "options", "weights"),
    [
        (("sync", "text"), {}, [2.0, 2.0, -3.0]),
        (("sync",), {}, [2.0, -1.0]),
        (("text",), {}, [2.0, -1.0]),
        (("sync", "text"), {"together": False}, [2.0, -1.0]),
        (("sync", "text"), {"alone": False}, [2.0, -1.0]),
        ((), {}, [2.0, -1.0]),
    ],
)
def test_terms_of_multi_cfg(given, options, weights):
    guidance = multi_cfg(2.0, "text", given, **options)
    assert [term.at(1.0) for term in guidance] == weights
    assert [term.at(0.0) for term in guidance] == [0.0] * (len(weights) - 1) + [1.0]
    if options == {"together": False}:
        assert guidance[0].drop == {"text"}
    if options == {"alone": False}:
        assert not guidance[0].drop
