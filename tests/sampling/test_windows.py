"""Long takes: windows cover them, cross-fade to one, and cost what they should."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.generators import L44, MMAudio
from foleystage.core.sampling import Windows, cfg_negative, sample_flow
from foleystage.core.sampling.windows import Windowed, crossfades


def windows_of(generator, seconds, windows):
    return [
        generator.window({}, seconds, start, stop)
        for start, stop in windows.cut(generator, seconds)
    ]


@pytest.fixture(scope="module")
def large():
    return MMAudio(L44, device="meta")


@pytest.mark.parametrize("seconds", [1.76, 1.92, 3.2, 9.6])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_weights_sum_to_one_everywhere(small, seconds, overlap):
    parts = windows_of(small, seconds, Windows(overlap=overlap))
    total = torch.zeros(small.latent_shape(seconds)[0], 1)
    for part, weight in zip(parts, crossfades(parts, len(total)), strict=True):
        assert (weight > 0).all()
        total[part.first : part.last] += weight
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("seconds", [8.4, 12.0, 30.0, 60.0, 61.37])
def test_windows_of_a_public_size_have_the_trained_lengths(large, seconds):
    trained, whole = L44.lengths(8.0), L44.lengths(seconds)
    parts = windows_of(large, seconds, Windows())
    assert parts[0].first == 0 and parts[-1].last == whole.latent
    for part in parts[:-1]:
        sizes = part.lengths
        assert (sizes.latent, sizes.clip, sizes.sync) == (trained.latent, trained.clip, 192)
    last = parts[-1].lengths
    assert trained.latent <= last.latent <= trained.latent + 15
    assert last.sync in (192, 200)


def test_sync_of_a_window_starts_where_its_latents_start(large):
    seconds = 60.0
    sync = torch.arange(L44.lengths(seconds).sync, device="meta").expand(1, 1, -1).mT
    for start, stop in Windows().cut(large, seconds):
        window = large.window({"sync": sync.expand(1, -1, 768)}, seconds, start, stop)
        assert window.first / L44.latent_rate == pytest.approx(start, abs=0.012)
        assert window.conditions["sync"].shape[1] == window.lengths.sync


def test_conditions_of_a_window_are_its_part_of_the_whole(small, heard):
    given = heard(4.8)
    part = small.window(given, 4.8, 1.6, 3.2)
    assert torch.equal(part.conditions["sync"], given["sync"][:, 80:160])
    assert torch.equal(part.conditions["clip"], given["clip"][:, 10:20])
    assert torch.equal(part.conditions["text"], given["text"])
    assert (part.first, part.last) == (50, 100)


@pytest.mark.parametrize("seconds", [0.8, 1.6])
def test_one_window_equals_the_plain_take(small, heard, seconds):
    options = {"seconds": seconds, "seed": 0, "steps": 2}
    plain = sample_flow(small, heard(seconds), **options)
    assert torch.equal(sample_flow(small, heard(seconds), windows=Windows(), **options), plain)


def test_change_of_the_video_reaches_the_windows_that_see_it(small, heard):
    given = heard(4.8)
    # One step: every further one would carry the change over one more overlap.
    options = {"seconds": 4.8, "seed": 0, "steps": 1, "windows": Windows()}
    take = sample_flow(small, given, **options)
    assert take.shape == (1, 150, 32)
    given["sync"] = given["sync"].clone()
    given["sync"][:, 200:] += 3.0
    changed = (sample_flow(small, given, **options) - take).abs().amax(dim=(0, 2))
    assert changed[:100].max() == 0
    assert changed[100:].min() > 0


def test_blend_is_the_weighted_sum_of_the_windows(small, heard):
    given, x = heard(2.4), torch.randn(1, 75, 32)
    windows = Windows(overlap=0.5)
    with torch.no_grad():
        blended = Windowed(small, given, cfg_negative(1.0, {}), 2.4, windows)(x, 0.3)
        cut = windows.cut(small, 2.4)
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


def test_conditions_are_prepared_once_a_window(small, heard, monkeypatch):
    calls = []
    real = small.prepare
    monkeypatch.setattr(small, "prepare", lambda *a, **k: calls.append(1) or real(*a, **k))
    windows = Windows()
    sample_flow(small, heard(4.8), seconds=4.8, seed=0, steps=3, windows=windows)
    assert len(calls) == len(windows.cut(small, 4.8))


def test_negative_streams_are_cut_with_the_window(small, heard):
    negative = {"sync": heard(3.2)["sync"].flip(1)}
    take = sample_flow(
        small,
        heard(3.2),
        cfg_negative(2.0, negative),
        seconds=3.2,
        seed=0,
        steps=1,
        windows=Windows(),
    )
    assert take.shape == (1, 100, 32)


def test_cost_grows_with_length_not_its_square(small):
    for seconds in (16.0, 32.0, 64.0):
        cut = Windows().cut(small, seconds)
        assert max(stop - start for start, stop in cut) <= 1.6 + 0.16 + 1e-6
        assert len(cut) <= seconds / 1.6 / 0.75 + 2


@pytest.mark.parametrize("overlap", [-0.1, 1.0])
def test_impossible_overlap_is_refused(small, overlap):
    with pytest.raises(FoleyError, match="overlap"):
        Windows(overlap=overlap).cut(small, 9.6)


def test_generator_without_windows_refuses_a_long_take(counting, streams):
    with pytest.raises(FoleyError, match="windows"):
        sample_flow(counting, streams, seconds=9, seed=0, windows=Windows(seconds=3))
