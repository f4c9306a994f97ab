"""The training loop: repeatable, resumable, honest about other figures."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.training.loop import LoopConfig, learning_rate_at, train
from foleystage.core.training.optimizers import orthogonalise
from torch import nn

CONFIG = LoopConfig(steps=12, learning_rate=0.01, warm_up=3, log_every=4, evaluate_every=8)


class Line:
    """Learns y = 2x with a net of two layers."""

    def __init__(self):
        self.stop_at = None

    def model(self):
        return nn.Sequential(nn.Linear(1, 4), nn.Linear(4, 1))

    def batch(self, step, rng):
        if step == self.stop_at:
            raise KeyboardInterrupt
        return torch.from_numpy(rng.standard_normal((16, 1), dtype=np.float32))

    def loss(self, model, batch, step):
        loss = (model(batch).float() - 2 * batch).square().mean()
        return loss, {"root": float(loss.detach()) ** 0.5}

    def evaluate(self, model):
        return {"at_one": float(model(torch.ones(1, 1)))}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, optimizer):
    config = replace(CONFIG, optimizer=optimizer, save_seconds=0.0)
    whole = train(Line(), config, tmp_path / "whole")
    task = Line()
    task.stop_at = 7
    with pytest.raises(KeyboardInterrupt):
        train(task, config, tmp_path / "killed")
    resumed = train(Line(), config, tmp_path / "killed")
    for first, second in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_training_lowers_the_loss(tmp_path, optimizer):
    figures = {"optimizer": optimizer, "learning_rate": 0.05 if optimizer == "muon" else 0.01}
    config = replace(CONFIG, steps=200, log_every=20, evaluate_every=200, **figures)
    train(Line(), config, tmp_path)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["loss"]) < 0.1 * float(rows[0]["loss"])
    assert abs(float(rows[-1]["at_one"]) - 2) < 0.3


def test_a_checkpoint_of_other_figures_is_refused(tmp_path):
    train(Line(), CONFIG, tmp_path)
    with pytest.raises(FoleyError, match="other figures"):
        train(Line(), replace(CONFIG, learning_rate=0.02), tmp_path)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    task = Line()
    task.loss = lambda model, batch, step: (model(batch).sum() * float("nan"), {})
    with pytest.raises(FoleyError, match="finite"):
        train(task, CONFIG, tmp_path)


def test_the_learning_rate_warms_up_and_falls():
    rates = [learning_rate_at(step, CONFIG) for step in range(12)]
    assert rates[0] < rates[1] < rates[2] == pytest.approx(0.01)
    assert all(a >= b for a, b in zip(rates[3:], rates[4:]))


def test_orthogonalise_brings_singular_values_near_one():
    matrix = torch.randn(24, 60, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert 0.5 < float(values.min()) and float(values.max()) < 1.4


def test_the_learning_rate_can_rise_once_more():
    config = replace(CONFIG, restart_at=6, restart_rate=0.004)
    rates = [learning_rate_at(step, config) for step in range(12)]
    assert rates[6] < rates[7] < rates[8] == pytest.approx(0.004)
    assert rates[5] < 0.004
    assert rates[:3] == [learning_rate_at(step, CONFIG) for step in range(3)]
    assert all(a >= b for a, b in zip(rates[8:], rates[9:]))
