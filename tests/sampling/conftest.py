"""A generator whose prediction is known in closed form, and a small real one."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.generators import (
    ACFoley,
    Conditions,
    Generator,
    GeneratorConfig,
    LatentSpec,
    Prepared,
    StreamSpec,
    ac_foley_mini,
)

NULLS = {"clip": -1.0, "sync": -2.0, "text": -3.0}


class CountingConfig(GeneratorConfig):
    latent = LatentSpec("no_codec", 2, 10.0, 16000)
    streams = tuple(StreamSpec(name, 3) for name in NULLS)


class Counting(Generator):
    """Predicts 2 x + t + the means of its streams' products, and counts what it is asked."""

    def __init__(self):
        super().__init__()
        self.config = CountingConfig()
        self.anchor = torch.nn.Parameter(torch.zeros(()))
        self.forwards = 0
        self.rows = 0

    def null(self, stream):
        return torch.full((1, 1), NULLS[stream])

    def prepare(self, streams, seconds=None, *, lengths=None, batch=None):
        given = [streams.get(k, self.null(k).expand(batch, 1, 1)) for k in self.stream_names]
        means = [v.mean(dim=(1, 2)) for v in given]
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


@pytest.fixture
def given(streams):
    """Conditions of one second for `counting`."""
    return Conditions(streams, 1.0)


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
def conditions(small):
    """Conditions of `small` for any number of seconds."""

    def make(seconds, batch=1, negative=None):
        rng = torch.Generator().manual_seed(1)
        lengths = small.config.lengths(seconds)
        streams = {
            spec.name: torch.randn(batch, lengths[spec.name], spec.width, generator=rng)
            for spec in small.streams
        }
        return Conditions(streams, seconds, negative or {})

    return make
