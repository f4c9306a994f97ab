"""Every recipe's step keeps to one device, and is the mean of the steps of its shares."""

from __future__ import annotations

import csv
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from foleystage.core.training.batches import on_device, share_of
from foleystage.core.training.config import LoopConfig
from foleystage.core.training.loop import train
from foleystage.core.training.processes import processes
from foleystage.core.training.recipes import FOLDER, read_recipe
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")


class OneDevice(TorchDispatchMode):
    """`meta` as a GPU is: operations on tensors of two devices are refused, values can be read.

    By themselves the `meta` kernels of matrix products and convolutions do not look at devices.
    What is read is 0, or true: a device without memory passes every check of values.
    """

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        devices = {x.device.type for x in tensors if x.ndim}
        name = operation.overloadpacket.__name__
        # A GPU's rows may be picked by indices that lie on the CPU.
        allowed = name == "copy_" or (name == "index" and args[0].is_meta)
        assert len(devices) < 2 or allowed, f"{name} mixes {devices}"
        if name == "_local_scalar_dense" and tensors[0].is_meta:
            return tensors[0].dtype == torch.bool
        if name == "_to_copy" and tensors[0].is_meta and kwargs.get("device") == CPU:
            return torch.zeros(tensors[0].shape, dtype=kwargs.get("dtype") or tensors[0].dtype)
        return operation(*args, **kwargs)


@pytest.fixture
def elsewhere(monkeypatch):
    """The mode; torch does not know of autocast on `meta`, where there is none."""
    autocast, is_on = torch.autocast, torch.is_autocast_enabled
    monkeypatch.setattr(
        torch,
        "autocast",
        lambda kind, **k: nullcontext() if kind == "meta" else autocast(kind, **k),
    )
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: kind != "meta" and is_on(kind))
    return OneDevice()


def a_batch(task):
    return task.batch(0, np.random.default_rng(0))


def gradients(model):
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_every_kind_of_recipe_is_tried_here(make_task):
    kinds = {read_recipe(path.stem)["task"] for path in FOLDER.glob("*.json")}
    assert kinds == make_task.keys() - {"mdsgen_videos", "foleygenex_folders"}


def test_a_tensor_left_behind_is_found():
    weight, there = torch.ones(2, 3), torch.ones(4, 3, device="meta")
    with OneDevice(), pytest.raises(AssertionError, match="mixes"):
        torch.nn.functional.linear(there, weight)


def test_a_run_leaves_nothing_on_the_cpu(task, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", "meta")
    config = LoopConfig(steps=2, learning_rate=1e-3, evaluate_every=2, log_every=1)
    with processes(device="meta") as accelerator, elsewhere:
        average = train(task, config, tmp_path, accelerator)
    assert all(value.is_meta for value in average.parameters())
    with (tmp_path / "log.csv").open() as file:
        first, last = csv.DictReader(file)
    assert [name for name in last if last[name] and not first[name]]  # what `evaluate` says


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_step_and_an_evaluation_run_on_a_gpu(task):
    model = task.model().to("cuda")
    loss, _ = task.loss(model, on_device(a_batch(task), "cuda"), 0)
    loss.backward()
    assert loss.is_cuda and torch.isfinite(loss)
    assert all(np.isfinite(value) for value in task.evaluate(model.eval()).values())


def test_the_loss_draws_nothing(task):
    model, batch = task.model(), a_batch(task)
    before = torch.get_rng_state()
    task.loss(model, batch, 0)
    assert torch.equal(before, torch.get_rng_state())


def test_shares_have_the_gradient_of_the_whole(task):
    model, batch = task.model(), a_batch(task)
    whole, _ = task.loss(model, batch, 0)
    whole.backward()
    expected = gradients(model)
    model.zero_grad()
    mean = sum(task.loss(model, share_of(batch, k, 2), 0)[0] for k in range(2)) / 2
    mean.backward()
    assert mean.item() == pytest.approx(whole.item(), rel=1e-5)
    assert expected and expected.keys() == gradients(model).keys()
    for name, found in gradients(model).items():
        size = expected[name].norm()
        assert (found - expected[name]).norm() <= 1e-4 * size + 1e-7, name
