"""The training loop: repeatable, resumable, honest about other figures."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.training.config import LoopConfig, ema_keep, learning_rate_at
from foleystage.core.training.loop import train
from foleystage.core.training.optimizers import orthogonalise
from foleystage.core.training.processes import processes
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
        return loss, {"root": loss.detach().sqrt()}

    def evaluate(self, model):
        return {"at_one": float(model(torch.ones(1, 1)))}


def run(task, config, folder, *, accumulate=1, stop_after=None):
    precision = config.precision if config.autocast else "no"
    with processes(precision=precision, accumulate=accumulate) as accelerator:
        return train(task, config, folder, accelerator, stop_after=stop_after)


def rows(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def same(first, second):
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, optimizer):
    config = replace(CONFIG, optimizer=optimizer, save_seconds=0.0)
    whole = run(Line(), config, tmp_path / "whole")
    task = Line()
    task.stop_at = 7
    with pytest.raises(KeyboardInterrupt):
        run(task, config, tmp_path / "killed")
    resumed = run(Line(), config, tmp_path / "killed")
    assert same(whole, resumed)


def test_a_run_out_of_time_goes_on_to_the_same_weights(tmp_path):
    whole = run(Line(), CONFIG, tmp_path / "whole")
    run(Line(), CONFIG, tmp_path / "short", stop_after=0.0)
    done = torch.load(tmp_path / "short" / "checkpoint.pt", weights_only=True)["step"]
    assert done == 1
    assert same(whole, run(Line(), CONFIG, tmp_path / "short"))


def test_a_batch_in_parts_gives_the_weights_of_the_whole(tmp_path):
    config = replace(CONFIG, autocast=False, optimizer="adamw")
    whole = run(Line(), config, tmp_path / "whole")
    parts = run(Line(), config, tmp_path / "parts", accumulate=4)
    for first, second in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)
    first, second = (rows(tmp_path / name)[0] for name in ("whole", "parts"))
    assert float(second["loss"]) == pytest.approx(float(first["loss"]), rel=1e-5)
    assert float(second["norm"]) == pytest.approx(float(first["norm"]), rel=1e-5)


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    with pytest.raises(FoleyError, match="16 takes"):
        run(Line(), CONFIG, tmp_path, accumulate=3)


def test_training_leaves_the_global_generator_alone(tmp_path):
    before = torch.get_rng_state()
    run(Line(), CONFIG, tmp_path)
    assert torch.equal(before, torch.get_rng_state())


def test_one_precision_after_another_in_a_process(tmp_path):
    coarse = run(Line(), CONFIG, tmp_path / "coarse")
    fine = run(Line(), replace(CONFIG, autocast=False), tmp_path / "fine")
    assert not same(coarse, fine)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"precision": "fp16"}, "needs a GPU"),
        ({"precision": "fp4"}, "no precision 'fp4'"),
        ({"accumulate": 0}, "1 part or more"),
    ],
)
def test_what_cannot_be_set_up_is_refused(asked, says):
    with pytest.raises(FoleyError, match=says), processes(**asked):
        pass


def test_without_accelerate_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(FoleyError, match="pip install accelerate"), processes():
        pass


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_training_lowers_the_loss(tmp_path, optimizer):
    figures = {"optimizer": optimizer, "learning_rate": 0.05 if optimizer == "muon" else 0.01}
    config = replace(CONFIG, steps=200, log_every=20, evaluate_every=200, **figures)
    run(Line(), config, tmp_path)
    first, last = rows(tmp_path)[0], rows(tmp_path)[-1]
    assert float(last["loss"]) < 0.1 * float(first["loss"])
    assert abs(float(last["at_one"]) - 2) < 0.3


def test_a_checkpoint_of_other_figures_is_refused(tmp_path):
    run(Line(), CONFIG, tmp_path)
    with pytest.raises(FoleyError, match="other figures"):
        run(Line(), replace(CONFIG, learning_rate=0.02), tmp_path)


def test_a_checkpoint_from_before_a_figure_was_there_goes_on(tmp_path):
    run(Line(), replace(CONFIG, stop_at=5), tmp_path)
    path = tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    state["config"] = state["config"].replace(', "precision": "bf16"', "")
    torch.save(state, path)
    assert same(run(Line(), CONFIG, tmp_path), run(Line(), CONFIG, tmp_path / "whole"))


def test_a_damaged_checkpoint_is_refused(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(FoleyError, match="cannot be read"):
        run(Line(), CONFIG, tmp_path)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    task = Line()
    task.loss = lambda model, batch, step: (model(batch).sum() * float("nan"), {})
    with pytest.raises(FoleyError, match="finite"):
        run(task, CONFIG, tmp_path)


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


def test_the_learning_rate_can_fall_in_steps():
    config = replace(CONFIG, drop_at=(5, 9))
    rates = [learning_rate_at(step, config) for step in range(12)]
    assert rates[:3] == [learning_rate_at(step, CONFIG) for step in range(3)]
    assert rates[2:5] == [0.01] * 3
    assert rates[5:9] == pytest.approx([1e-3] * 4) and rates[9:] == pytest.approx([1e-4] * 3)


def test_the_average_can_be_as_wide_as_a_share_of_the_run():
    config, steps = replace(CONFIG, ema_width=0.1), 4000
    keeps = np.array([ema_keep(step, config) for step in range(steps)])
    assert keeps[0] == 0 and (np.diff(keeps) > 0).all()
    weights = (1 - keeps) * np.append(np.cumprod(keeps[:0:-1])[::-1], 1)
    assert weights.sum() == pytest.approx(1)
    times = np.arange(1, steps + 1) / steps
    mean = (weights * times).sum()
    width = np.sqrt((weights * (times - mean) ** 2).sum())
    assert width == pytest.approx(0.1, rel=0.01)
