"""Long takes: windows cover them, cross-fade to one, and cost what they should."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import AUDIO_GRID, L44, Conditions, MMAudio
from foleystage.core.sampling import (
    Guided,
    Windows,
    cfg,
    longest_seconds,
    rescaled,
    sample,
    windows_for,
)
from foleystage.core.sampling.windows import crossfades


def windows_of(generator, seconds, windows):
    cut = windows.cut(generator.config, seconds)
    return [generator.window({}, seconds, start, stop) for start, stop in cut]


@pytest.fixture(scope="module")
def large():
    return MMAudio(L44, device="meta")


@pytest.mark.parametrize("seconds", [1.76, 1.92, 3.2, 9.6])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_weights_sum_to_one_everywhere(small, seconds, overlap):
    parts = windows_of(small, seconds, Windows(overlap=overlap))
    total = torch.zeros(small.latent_shape(seconds)[0], 1)
    weights = crossfades([part.span for part in parts])
    for part, weight in zip(parts, weights, strict=True):
        assert (weight > 0).all()
        total[part.span] += weight
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("seconds", [8.4, 12.0, 30.0, 60.0, 61.37])
def test_windows_of_a_public_size_have_the_trained_lengths(large, seconds):
    trained, whole = L44.lengths(8.0), L44.lengths(seconds)
    parts = windows_of(large, seconds, Windows())
    assert parts[0].span.start == 0 and parts[-1].span.stop == whole["latent"]
    for part in parts[:-1]:
        sizes = [part.lengths[name] for name in ("latent", "clip", "sync")]
        assert sizes == [trained["latent"], trained["clip"], 192]
    last = parts[-1].lengths
    assert trained["latent"] <= last["latent"] <= trained["latent"] + 15
    assert last["sync"] in (192, 200)


def test_sync_of_a_window_starts_where_its_latents_start(large):
    seconds = 60.0
    sync = torch.arange(L44.lengths(seconds)["sync"], device="meta").expand(1, 1, -1).mT
    for start, stop in Windows().cut(L44, seconds):
        window = large.window({"sync": sync.expand(1, -1, 768)}, seconds, start, stop)
        assert window.span.start / L44.latent.rate == pytest.approx(start, abs=0.012)
        assert window.streams["sync"].shape[1] == window.lengths["sync"]


def test_streams_of_a_window_are_its_part_of_the_whole(small, conditions):
    given = conditions(4.8).positive
    part = small.window(given, 4.8, 1.6, 3.2)
    assert torch.equal(part.streams["sync"], given["sync"][:, 80:160])
    assert torch.equal(part.streams["clip"], given["clip"][:, 10:20])
    assert torch.equal(part.streams["text"], given["text"])
    assert part.span == slice(50, 100)


@pytest.mark.parametrize("seconds", [0.8, 1.6])
def test_one_window_equals_the_plain_take(small, conditions, seconds):
    options = {"seed": 0, "steps": 2}
    plain = sample(small, conditions(seconds), **options)
    assert torch.equal(sample(small, conditions(seconds), windows=Windows(), **options), plain)


def test_change_of_the_video_reaches_its_own_windows_alone(small, conditions):
    given = conditions(4.8)
    # One step: every further one would carry the change over one more overlap.
    options = {"seed": 0, "steps": 1, "windows": Windows()}
    take = sample(small, given, **options)
    assert take.shape == (1, 150, 32)
    given.positive["sync"][:, 200:] += 3.0
    changed = (sample(small, given, **options) - take).abs().amax(dim=(0, 2))
    assert changed[:100].max() == 0
    assert changed[100:].min() > 0


def test_blend_is_the_weighted_sum_of_the_windows(small, conditions):
    given, x = conditions(2.4), torch.randn(1, 75, 32)
    windows = Windows(overlap=0.5)
    with torch.no_grad():
        blended = Guided(small, given, cfg(1.0), windows=windows)(x, 0.3)
        given = given.positive
        cut = windows.cut(small.config, 2.4)
        assert cut == [(0.0, 1.6), (pytest.approx(0.8), 2.4)]
        alone = []
        for first in (0, 25):
            part = {**given, "clip": given["clip"][:, first // 5 : first // 5 + 10]}
            part["sync"] = given["sync"][:, first * 8 // 5 : first * 8 // 5 + 80]
            prepared = small.prepare(part, 1.6)
            alone.append(small(x[:, first : first + 50], torch.tensor(0.3), prepared))
    torch.testing.assert_close(blended[:, :25], alone[0][:, :25])
    torch.testing.assert_close(blended[:, 50:], alone[1][:, 25:])
    fade = ((torch.arange(25) + 0.5) / 25)[:, None]
    mixed = (1 - fade) * alone[0][:, 25:] + fade * alone[1][:, :25]
    torch.testing.assert_close(blended[:, 25:50], mixed)


def test_conditions_are_prepared_once_a_window(small, conditions, monkeypatch):
    calls = []
    real = small.prepare
    monkeypatch.setattr(small, "prepare", lambda *a, **k: calls.append(1) or real(*a, **k))
    windows = Windows()
    sample(small, conditions(4.8), seed=0, steps=3, windows=windows)
    assert len(calls) == len(windows.cut(small.config, 4.8))


def test_negative_streams_are_cut_with_the_window(small, conditions):
    negative = {"sync": conditions(4.8).positive["sync"].flip(1)}
    options = {"seed": 0, "steps": 1, "windows": Windows()}
    take = sample(small, conditions(4.8, negative=negative), cfg(2.0), **options)
    assert take.shape == (1, 150, 32)
    later = negative["sync"].clone()
    later[:, 200:] += 3.0
    other = sample(small, conditions(4.8, negative={"sync": later}), cfg(2.0), **options)
    changed = (other - take).abs().amax(dim=(0, 2))
    assert changed[:100].max() == 0 and changed[100:].min() > 0


def test_the_spread_of_a_long_take_is_brought_back_as_a_whole(small, conditions):
    x, t, windows = torch.randn(1, 100, 32), 0.4, Windows()
    with torch.no_grad():
        alone, plain, made = (
            x + (1 - t) * Guided(small, conditions(3.2), guidance, windows=windows)(x, t)
            for guidance in (cfg(1.0), cfg(30.0), rescaled(cfg(30.0)))
        )
    torch.testing.assert_close(made, plain * (alone.std() / plain.std()), rtol=1e-4, atol=1e-5)


def test_cost_grows_with_length_not_its_square(small):
    for seconds in (16.0, 32.0, 64.0):
        cut = Windows().cut(small.config, seconds)
        assert max(stop - start for start, stop in cut) <= 1.6 + 0.16 + 1e-6
        assert len(cut) <= seconds / 1.6 / 0.75 + 2


@pytest.mark.parametrize("overlap", [-0.1, 1.0])
def test_impossible_overlap_is_refused(small, overlap):
    with pytest.raises(FoleyError, match="overlap"):
        Windows(overlap=overlap).cut(small.config, 9.6)


def test_a_generator_with_nothing_of_its_own_makes_windows_too(counting, streams):
    made = Guided(counting, Conditions(streams, 9.0), batch=2, windows=Windows(3.0))
    assert made.length == 90 and len(made.pieces) == 4
    x = torch.randn(2, 90, 2)
    prepared = counting.prepare(streams, batch=2)
    torch.testing.assert_close(made(x, 0.3), counting(x, torch.full((2,), 0.3), prepared))


def test_short_takes_are_one_pass_and_long_ones_windows_unless_asked():
    assert windows_for(L44, 8.0) is None and windows_for(L44, 20.0) is None
    assert windows_for(L44, 20.5) == Windows()
    assert windows_for(L44, 60.0, "one pass") is None and windows_for(L44, 9.0, "windows")
    assert windows_for(AUDIO_GRID, 9.16) == Windows()
    assert longest_seconds(AUDIO_GRID, "one pass") == AUDIO_GRID.trained_seconds
    with pytest.raises(FoleyError, match="makes 8.16 s alone, not 9.16 s"):
        windows_for(AUDIO_GRID, 9.16, "one pass")
