"""A generator whose prediction is known in closed form, and a small real one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from foleystage.core.generators import ACFoley, Generator, Prepared, ac_foley_mini

NULLS = {"clip": -1.0, "sync": -2.0, "text": -3.0}


class Counting(Generator):
    """Predicts 2 x + t + the means of its streams' products, and counts what it is asked."""

    optional_streams = ("clip", "sync", "text")
    latent_dim = 2

    def __init__(self):
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(()))
        self.forwards = 0
        self.rows = 0

    def latent_shape(self, seconds):
        return int(seconds * 10), 2

    def lengths(self, conditions, seconds=None):
        return SimpleNamespace(latent=self.latent_shape(seconds)[0])

    def null(self, stream):
        return torch.full((1, 1), NULLS[stream])

    def prepare(self, conditions, seconds=None, *, lengths=None, batch=None):
        heard = [conditions.get(k, self.null(k).expand(batch, 1, 1)) for k in self.streams]
        means = [v.mean(dim=(1, 2)) for v in heard]
        return Prepared({"level": means[0] + means[1] * means[2] + means[0] * means[1]})

    def forward(self, x, t, prepared):
        self.forwards += 1
        self.rows += len(x)
        return 2 * x + (t + prepared.batched["level"])[:, None, None]


@pytest.fixture
def counting():
    return Counting()


@pytest.fixture
def streams():
    rng = torch.Generator().manual_seed(0)
    return {k: torch.randn(2, 4, 3, generator=rng) for k in NULLS}


@pytest.fixture(scope="session")
def small():
    """A small AC-Foley whose zero-initialised gates are open; trained on takes of 1.6 s."""
    config = ac_foley_mini(
        hidden_dim=32, num_heads=2, depth=3, fused_depth=1, mlp_multiple=16, trained_seconds=1.6
    )
    rng = torch.Generator().manual_seed(0)
    net = ACFoley(config, rng=rng)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=rng)
    return net.eval()


@pytest.fixture
def heard(small):
    """Conditions for any number of seconds."""

    def make(seconds, batch=1):
        rng = torch.Generator().manual_seed(1)
        lengths = small.lengths({}, seconds)
        return {
            k: torch.randn(batch, getattr(lengths, k), small.null(k).shape[-1], generator=rng)
            for k in small.streams
        }

    return make
