"""Takes, best first, and the reason in words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from foleystage.core import ranking
from foleystage.core.catalog import TEXT_ENCODERS
from foleystage.core.encoders.mini_video import bumps
from foleystage.core.errors import Cancelled, FoleyError
from foleystage.core.ranking import (
    Ranked,
    Seen,
    Sync,
    agreement_with,
    clips,
    rank,
    seen_of,
    sync_of,
)

RATE, SECONDS = 16000, 4.0
HITS = (0.5, 1.0, 1.8, 2.6, 3.3)


def hits(times, level=0.4, seed=0):
    """[1, T] with a decaying hit at each of the times, over faint noise."""
    clock = np.arange(round(SECONDS * RATE)) / RATE
    sound = 1e-4 * np.random.default_rng(seed).standard_normal(len(clock))
    for time in times:
        since = np.maximum(clock - time, 0)
        sound += level * (clock >= time) * np.exp(-since / 0.05) * np.sin(5600 * since)
    return torch.from_numpy(sound.astype(np.float32))[None]


def chance_of(*times, height=1.0):
    """A chance of hits as the minis' encoder tells it."""
    return height * bumps(list(times), [1.0] * len(times), round(SECONDS * 50))[:, 0]


CHANCE = chance_of(*HITS)


def ranked(*takes, chance: torch.Tensor | None = CHANCE, **options):
    return rank(torch.stack(takes), RATE, chance=chance, **options)


def order(*takes, **options):
    return [one.take for one in ranked(*takes, **options)]


def test_the_take_in_time_with_the_picture_is_first():
    missing, right, late, twice = (
        hits(times) for times in (HITS[:2], HITS, [t + 0.15 for t in HITS], [*HITS, 0.75, 1.4, 2.2])
    )
    assert order(missing, right, late, twice) == [2, 4, 1, 3]
    assert [one.reason for one in ranked(missing, right, late, twice)] == [
        "all 5 hits in time; level even",
        "all 5 hits in time, 3 too many; level even",
        "misses 3 of 5 hits; level even",
        "misses 5 of 5 hits, 5 too many; level even",
    ]


def test_equal_takes_stay_in_their_order():
    assert order(*[hits(HITS)] * 3) == [1, 2, 3]


def test_an_unsure_hit_counts_for_less():
    sure, unsure = chance_of(*HITS[:4]), chance_of(HITS[4], height=0.3)
    chance = torch.maximum(sure, unsure)
    without_unsure, without_sure = hits(HITS[:4]), hits(HITS[1:])
    first, last = ranked(without_sure, without_unsure, chance=chance)
    assert (first.take, last.take) == (2, 1)
    assert first.sync.hits == last.sync.hits == 4 and first.sync.in_time == 4


def test_sync_is_the_f1_where_everything_is_sure():
    seen = Seen(np.array(HITS), np.ones(5))
    sync = sync_of(np.array([0.51, 1.01, 1.5, 3.31]), seen)
    assert sync.f1 == pytest.approx(2 * 3 / 9)
    assert (sync.hits, sync.in_time, sync.extra) == (5, 3, 1)
    assert sync.late_ms == pytest.approx(10)


def test_nothing_seen_and_nothing_heard_is_in_time():
    assert sync_of(np.zeros(0), Seen(np.zeros(0), np.zeros(0))).f1 == 1
    (busy,) = ranked(hits(HITS), chance=torch.zeros(200))
    assert busy.sync.f1 == 0 and busy.reason == "no hit was seen, 5 too many; level even"


def test_a_take_that_was_shifted_is_compared_where_it_was_shifted_to():
    late = hits([t + 0.2 for t in HITS])
    assert ranked(late, offset=200.0)[0].sync.in_time == 5
    assert ranked(late)[0].sync.in_time == 0


@pytest.mark.parametrize("time", [0.1, 0.503, 1.2345, 3.0])
def test_a_hit_is_seen_between_the_bins_of_the_chance(time):
    assert seen_of(chance_of(time), SECONDS).times == pytest.approx([time], abs=1e-3)


def test_hits_outside_of_the_take_do_not_count():
    assert seen_of(chance_of(0.1, 1.0, 3.9), 3.0, -200.0).times == pytest.approx([0.8], abs=1e-3)


def test_of_takes_in_time_the_even_level_is_first():
    usual, quiet, loud = hits(HITS), hits(HITS, 0.4 * 10 ** (-9 / 20)), hits(HITS, 0.9)
    found = ranked(quiet, usual, loud, usual)
    assert [one.take for one in found] == [2, 4, 3, 1]
    assert found[-1].reason == "all 5 hits in time; 9 LU quieter"
    assert found[-2].reason == "all 5 hits in time; 7 LU louder"


def test_a_level_between_the_usual_and_the_one_asked_for_is_even():
    usual, better = hits(HITS, 0.1), hits(HITS, 0.2)
    asked = {one.take: one.off for one in ranked(usual, usual, better, asked=-10.0)}
    assert asked[3] == 0
    assert {one.take: one.off for one in ranked(usual, usual, better)}[3] == pytest.approx(
        6, abs=0.1
    )


def test_a_silent_take_is_last_whatever_else_is_wrong():
    wrong = hits([0.2, 2.2], level=3.0)
    found = ranked(torch.zeros(1, round(SECONDS * RATE)), wrong)
    assert [one.take for one in found] == [2, 1]
    assert found[1].score == -math.inf and found[1].reason.endswith("silent")
    assert found[0].reason.endswith("clips")


def test_one_miss_does_not_outweigh_clipping_and_a_wrong_level_together():
    whole = Ranked(1, -30.0, -10.0, True, Sync(1.0, 8, 8, 0.0, 0))
    missing = Ranked(2, -20.0, 0.0, False, Sync(14 / 15, 8, 7, 0.0, 0))
    assert missing.score > whole.score


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_crests_that_are_cut_off_clip_at_any_level(scale):
    sound = hits(HITS, 0.9)
    assert not clips(scale * sound, RATE)
    assert clips(scale * sound.clamp(-0.5, 0.5), RATE)


def test_full_scale_is_passed_between_samples_too():
    clock = torch.arange(RATE) / RATE
    between = 0.99 * torch.sin(2 * math.pi * RATE / 4 * clock + math.pi / 4)[None] / math.sqrt(0.5)
    assert float(between.abs().max()) < 1 and clips(between, RATE)


def test_without_a_picture_sync_is_left_out():
    (only,) = ranked(hits(HITS), chance=None)
    assert only.sync is None and only.reason == "level even"


def test_what_clap_says_counts_and_is_said():
    takes = [hits(HITS)] * 3
    found = ranked(*takes, agreement=[0.1, 0.4, 0.2])
    assert [one.take for one in found] == [2, 3, 1]
    assert found[0].reason == "all 5 hits in time; level even; CLAP 0.40"


@pytest.mark.parametrize(
    ("sync", "says"),
    [
        (Sync(0.9, 8, 7, 12.4, 0), "7 of 8 hits in time, 12 ms late"),
        (Sync(0.9, 8, 7, -11.6, 2), "7 of 8 hits in time, 12 ms early, 2 too many"),
        (Sync(0.5, 8, 5, 9.0, 0), "misses 3 of 8 hits"),
        (Sync(1.0, 1, 1, 0.0, 0), "1 of 1 hits in time"),
        (Sync(0.0, 0, 0, None, 0), "no hit was seen"),
    ],
)
def test_the_reason_is_in_words(sync, says):
    assert Ranked(1, -20.0, 0.4, False, sync).reason == f"{says}; level even"


def test_work_ends_when_asked():
    with pytest.raises(Cancelled):
        ranked(hits(HITS), cancelled=lambda: True)
    with pytest.raises(FoleyError, match="NaN"):
        ranked(torch.full((1, RATE), torch.nan))


def test_without_clap_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert agreement_with("metal hit", hits(HITS)[None], RATE) is None


def test_clap_compares_the_words_with_each_take(tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    from foleystage.core.encoders.clap import Clap
    from safetensors.torch import save_file
    from small_clap import CLAP, write_tokenizer

    torch.manual_seed(0)
    network = transformers.ClapModel(transformers.ClapConfig(**CLAP))
    folder = write_tokenizer(tmp_path / "clap")
    save_file(
        {k: v.contiguous() for k, v in network.state_dict().items()}, folder / "model.safetensors"
    )
    monkeypatch.setenv("FOLEYSTAGE_MODELS", str(tmp_path))
    small = replace(TEXT_ENCODERS["clap_text"], load=lambda path: Clap.load(path, config=CLAP))
    monkeypatch.setitem(ranking.TEXT_ENCODERS, "clap_text", small)
    takes = torch.stack([hits(HITS), hits(HITS[:1])])
    told = agreement_with("a metal hit", takes, RATE)
    clap = Clap.load(folder, config=CLAP)
    words = clap.encode_text(["a metal hit"])
    assert told == pytest.approx([float(words @ clap.encode_audio(t, RATE).T) for t in takes])
    assert agreement_with("  ", takes, RATE) is None
    (folder / "model.safetensors").write_bytes(b"broken")
    assert agreement_with("a metal hit", takes, RATE) is None
