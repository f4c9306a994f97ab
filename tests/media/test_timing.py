from __future__ import annotations

import pytest
import torch
from foleystage.core.media import FrameRequest, kept_frames, made_seconds
from foleystage.core.media.timing import (
    FpsFilterPicker,
    NearestPicker,
    PublishedPicker,
    frame_count,
)


def picks(picker, times, seconds):
    taken = []
    for index, time in enumerate(times):
        before, now = picker.advance(time)
        taken += [index - 1] * before + [index] * now
        if picker.done:
            return taken
    taken += [len(times) - 1] * picker.finish(seconds)
    return taken[: picker.taken]


def irregular_times(seed: int) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    steps = torch.rand(60, generator=generator, dtype=torch.float64) * 0.08 + 0.005
    return (steps.cumsum(0) - 0.3).tolist()


@pytest.mark.parametrize("fps", [8.0, 12.5, 24000 / 1001, 25.0, 60.0])
@pytest.mark.parametrize("seed", range(4))
def test_nearest_agrees_with_a_search_over_all_frames(fps, seed):
    times = irregular_times(seed)
    seconds = times[-1] + 0.02
    want = [
        min(range(len(times)), key=lambda i, t=n / fps: (abs(times[i] - t), i))
        for n in range(frame_count(seconds, fps))
    ]
    assert picks(NearestPicker(fps, None), times, seconds) == want


@pytest.mark.parametrize("rate", [25.0, 50.0, 100.0])
def test_nearest_is_exact_where_the_source_has_the_instants(rate):
    times = [n / rate for n in range(int(8 * rate))]
    got = picks(NearestPicker(25.0, 8.0), times, 8.0)
    assert got == [round(n * rate / 25) for n in range(200)]


def test_of_two_equally_near_frames_the_earlier_is_taken():
    assert picks(NearestPicker(25.0, None), [0.0, 0.08, 0.16], 0.24) == [0, 0, 1, 1, 2, 2]


def test_the_number_of_frames_is_rounded_and_never_zero():
    assert frame_count(8.0, 25.0) == 200
    assert frame_count(2.5025, 25.0) == 63
    assert frame_count(0.001, 25.0) == 1
    assert frame_count(0.3, 25.0) == 8  # 7.5 in exact numbers, below it in float64


@pytest.mark.parametrize("fps", [4.0, 12.5, 24000 / 1001])
@pytest.mark.parametrize("seed", range(4))
def test_the_fps_filter_takes_the_last_frame_before_half_a_period_later(fps, seed):
    times = irregular_times(seed)
    seconds = times[-1] + 0.02
    want = [
        max((i for i, t in enumerate(times) if t < (n + 0.5) / fps), default=0)
        for n in range(frame_count(seconds, fps))
    ]
    assert picks(FpsFilterPicker(fps, None), times, seconds) == want


@pytest.mark.parametrize(
    ("asked", "made", "clip", "sync"),
    [(1.1, 1.08, 8, 27), (1.16, 1.16, 9, 28), (2.3, 2.28, 18, 56), (8.0, 8.0, 64, 200)],
)
def test_published_lengths_off_the_grid_are_those_of_mmaudios_loader(asked, made, clip, sync):
    # Found with its loader on 10 s of 25 frames a second.
    requests = {
        "clip": FrameRequest(8.0, 16, timing="published"),
        "sync": FrameRequest(25.0, 16, timing="published"),
    }
    times = [n / 25 for n in range(250)]
    counts = {
        name: len(picks(PublishedPicker(one.fps, asked), times, asked))
        for name, one in requests.items()
    }
    got = made_seconds(counts, requests, asked)
    assert got == made
    assert kept_frames(counts, requests, got, made=got) == {"clip": clip, "sync": sync}


def test_a_request_of_the_fps_filter_keeps_its_rule_and_all_its_frames():
    requests = {"cavp": FrameRequest(4.0, 16, timing="fps filter").timed("published")}
    assert requests["cavp"].timing == "fps filter"
    assert made_seconds({"cavp": 32}, requests, 8.1) == 8.1
    assert kept_frames({"cavp": 33}, requests, 8.16) == {"cavp": 33}
    assert kept_frames({"cavp": 12}, requests, 8.16) == {"cavp": 32}


def test_published_rule_takes_the_first_frame_at_or_after_the_drifting_threshold():
    times = [n / 25 for n in range(200)]
    got = picks(PublishedPicker(25.0, 8.0), times, 8.0)
    assert len(got) == 199 and got[:8] == [0, 1, 2, 3, 4, 5, 7, 7]


def kept(counts: dict[str, int]) -> tuple[float, dict[str, int]]:
    """Seconds and frames that are kept of 8 s with published timing."""
    rates = {"clip": 8.0, "sync": 25.0}
    requests = {name: FrameRequest(rates[name], 16, timing="published") for name in counts}
    made = made_seconds(counts, requests, 8.0)
    return made, kept_frames(counts, requests, made, made=made)


def test_a_take_is_shortened_to_what_every_rate_can_fill():
    assert kept({"clip": 20, "sync": 62}) == (2.48, {"clip": 19, "sync": 62})
    assert kept({"clip": 64, "sync": 200}) == (8.0, {"clip": 64, "sync": 200})


@pytest.mark.parametrize("count", [29, 57, 58, 113])
def test_published_lengths_lose_one_frame_in_float64(count):
    assert kept({"sync": count})[1] == {"sync": count - 1}
