"""A checkpoint holds all that a run goes on from, and is whole or not there."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.training.checkpoint import RunState
from foleystage.core.training.config import LoopConfig
from torch import nn

CONFIG = LoopConfig(steps=12, learning_rate=0.01)


def a_state(seed, scale=None):
    torch.manual_seed(seed)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    scaler = None if scale is None else torch.amp.GradScaler("cpu", init_scale=scale)
    return RunState(model, nn.Linear(3, 2), optimizer, scaler)


def test_every_part_goes_on(tmp_path):
    path = tmp_path / "checkpoint.pt"
    stored, other = a_state(0, 8.0), a_state(1, 2.0)
    stored.scaler.scale(torch.ones(()))  # a scaler has its scale from its first use on
    stored.save(path, CONFIG, 5)
    assert other.resume(path, CONFIG) == 5
    assert torch.equal(other.model.weight, stored.model.weight)
    assert torch.equal(other.average.weight, stored.average.weight)
    assert other.scaler.get_scale() == 8.0
    first, second = (s.optimizer.state_dict()["state"][0]["exp_avg"] for s in (stored, other))
    assert torch.equal(first, second)


def test_without_a_file_a_run_starts_at_its_beginning(tmp_path):
    assert a_state(0).resume(tmp_path / "checkpoint.pt", CONFIG) == 0


def test_a_save_that_fails_leaves_the_one_before(tmp_path):
    path, stored = tmp_path / "checkpoint.pt", a_state(0)
    stored.save(path, CONFIG, 5)
    stored.optimizer.param_groups[0]["lr"] = lambda: 0.1  # cannot be stored
    with pytest.raises(Exception, match="pickle"):
        stored.save(path, CONFIG, 6)
    assert a_state(1).resume(path, CONFIG) == 5
