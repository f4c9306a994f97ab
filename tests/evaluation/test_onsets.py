"""The published onset measures, against the published scripts' own numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from case import load
from foleystage.core.evaluation import onsets

CASE = load("onset_metrics")
SOUNDS = ["target", "near", "missing_extra", "double_hits", "silent"]
WINDOWS = CASE.config["match_windows_s"]
RATE = CASE.config["sample_rate"]


@pytest.mark.parametrize("name", SOUNDS)
def test_envelope_equals_the_reference(name):
    envelope = onsets.onset_envelope(CASE.input(name).double().numpy())
    assert CASE.error(f"env_{name}", torch.from_numpy(envelope)) < CASE.tolerance


@pytest.mark.parametrize("name", SOUNDS)
def test_onsets_equal_the_reference(name):
    found = onsets.grid_onsets(CASE.input(name), RATE)
    assert found.tolist() == CASE.tensors[f"onsets_{name}"].tolist()


@pytest.mark.parametrize("name", SOUNDS[1:])
def test_condfoley_figures_equal_the_reference(name):
    scores = [
        onsets.condfoley_scores(CASE.input(name), CASE.input("target"), RATE, window=window)
        for window in WINDOWS
    ]
    table = torch.tensor([[s.accuracy, s.average_precision] for s in scores])
    assert CASE.error(f"cond_{name}", table) < CASE.tolerance
    assert scores[0].n_candidates == len(CASE.tensors[f"nms_{name}"])


def test_greatest_hits_figures_equal_the_reference():
    times = CASE.config["gt_times_8s"]
    scores = [
        onsets.greatest_hits_scores(CASE.input("gen8"), times, RATE, delta=delta)
        for delta in WINDOWS
    ]
    table = torch.tensor([[s.accuracy, s.average_precision, s.f1] for s in scores])
    assert CASE.error("mm_metrics", table) < CASE.tolerance
    found = onsets.grid_onsets(CASE.input("gen8"), RATE)
    assert found.tolist() == CASE.tensors["mm_onsets"].tolist()


def test_suppression_spares_the_onset_after_a_deleted_one():
    crowded = np.array([2000, 2500, 3050, 3900, 9000, 9900, 10800, 20000, 30000, 30500])
    confidence = np.array([0.5, 0.9, 0.6, 0.4, 0.2, 0.8, 0.3, 0.7, 0.55, 0.5500001])
    kept = onsets.suppress_neighbours(crowded, confidence)
    assert crowded[kept].tolist() == CASE.tensors["nms_direct"].tolist()


def test_silence_has_no_onset_and_is_counted_apart():
    silence = torch.zeros(1, 2 * RATE)
    mute = onsets.condfoley_scores(silence, CASE.input("target"), RATE)
    assert (mute.accuracy, mute.average_precision, mute.degenerate) == (0.0, 1.0, True)
    spurious = onsets.condfoley_scores(CASE.input("target"), silence, RATE)
    assert (spurious.accuracy, spurious.average_precision, spurious.degenerate) == (0.0, 0.0, True)
    nothing = onsets.condfoley_scores(silence, silence, RATE)
    assert nothing.average_precision is None
    summary = onsets.mean_scores([mute, spurious, nothing])
    assert (summary["degenerate"], summary["average_precision"]) == (3, None)


def test_an_onset_in_the_first_50_ms_is_scored():
    clip = torch.zeros(RATE)
    clip[1200:1800] = torch.sin(torch.arange(600) * 0.3)
    scores = onsets.condfoley_scores(clip.roll(-700), clip, RATE)
    assert (scores.n_reference, scores.accuracy) == (1, 1.0)


def test_other_rates_and_channels_change_nothing():
    stereo = torch.stack([CASE.input("target")] * 2)
    doubled = torch.nn.functional.interpolate(stereo[None], scale_factor=2, mode="linear")[0]
    assert onsets.grid_onsets(doubled, 2 * RATE).tolist() == (
        CASE.tensors["onsets_target"].tolist()
    )


def test_average_precision_takes_ties_together():
    assert onsets.average_precision([True, False], [0.5, 0.5]) == 0.5
    assert onsets.average_precision([True, False, True], [0.9, 0.8, 0.7]) == pytest.approx(5 / 6)
    assert onsets.average_precision([False], [0.3]) == 0.0
