"""The optimisers of the recipes bring a small problem down, and names are checked."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.errors import FoleyError
from foleystage.core.training.optimizers import make_optimizer
from torch import nn


@pytest.mark.parametrize("name", ["adamw", "adan", "muon"])
def test_a_linear_map_is_learned(name):
    torch.manual_seed(0)
    model, wanted = nn.Linear(6, 4), torch.randn(4, 6)
    x = torch.randn(64, 6)
    optimizer = make_optimizer(name, model, 0.05, (0.9, 0.98), 0.0)
    losses = []
    for _ in range(150):
        loss = (model(x) - x @ wanted.T).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]


def test_adan_takes_the_published_first_steps():
    # Algorithm 1 worked by hand for gradients 1 and 3 at betas (0.02, 0.08, 0.01) of the paper.
    weight = nn.Parameter(torch.tensor([[0.0]]))
    holder = nn.Module()
    holder.weight = weight
    optimizer = make_optimizer("adan", holder, 0.1, (0.9, 0.98), 0.0)
    weight.grad = torch.tensor([[1.0]])
    optimizer.step()
    assert weight.item() == pytest.approx(-0.1, rel=1e-5)
    weight.grad = torch.tensor([[3.0]])
    optimizer.step()
    mean = (0.98 * 0.02 + 0.02 * 3) / (1 - 0.98**2)
    change = (0.08 * 2) / (1 - 0.92**2)
    square = (0.99 * 0.01 + 0.01 * (3 + 0.92 * 2) ** 2) / (1 - 0.99**2)
    assert weight.item() == pytest.approx(
        -0.1 - 0.1 * (mean + 0.92 * change) / square**0.5, rel=1e-4
    )


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(FoleyError, match="adan"):
        make_optimizer("sgd", nn.Linear(2, 2), 0.1, (0.9, 0.98), 0.0)
