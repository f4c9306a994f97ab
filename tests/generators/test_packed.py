"""Packed weights are used where torch's private operators still do what they did."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.generators import packed
from foleystage.core.generators.base import CONTEXT, LATENT
from foleystage.core.generators.foleygenex import FoleyGenEx, foleygenex_mini
from foleystage.core.generators.foleygenex_checkpoint import FOLEYGENEX_CHECKPOINT
from foleystage.core.generators.specmaskfoley import SpecMaskFoley, specmaskfoley_mini

BUILT = packed.can_pack(torch.float32, "cpu")


@pytest.fixture
def asked_anew():
    packed.operators_agree.cache_clear()
    yield
    packed.operators_agree.cache_clear()


@pytest.mark.skipif(not BUILT, reason="this torch packs no weights")
def test_another_meaning_of_the_operators_falls_back(asked_anew, monkeypatch, caplog):
    times = packed.Packed.times
    monkeypatch.setattr(packed.Packed, "times", lambda self, x, f: times(self, x, f) + 0.1)
    assert not packed.can_pack(torch.float32, "cpu") and "mean something else" in caplog.text


@pytest.mark.skipif(not BUILT, reason="this torch packs no weights")
def test_operators_that_are_gone_fall_back(asked_anew, monkeypatch, caplog):
    def gone(*_):
        raise RuntimeError("no such operator")

    monkeypatch.setattr(packed.Packed, "apply_to", gone)
    assert not packed.can_pack(torch.float32, "cpu") and "no such operator" in caplog.text


@pytest.mark.skipif(not BUILT, reason="this torch packs no weights")
@torch.no_grad()
def test_packed_logits_of_tokens_are_the_same():
    config = specmaskfoley_mini(hidden_dim=64, depth=3, control_depth=2)
    net = SpecMaskFoley(config, rng=torch.Generator().manual_seed(0)).eval()
    rng = torch.Generator().manual_seed(1)
    for value in net.parameters():
        value += torch.randn(value.shape, generator=rng) / 20
    streams = {"sync": torch.randn(2, 256, 3, generator=rng)}
    ids = torch.randint(config.codes + 1, (2, 80, 4), generator=rng)

    def logits():
        prepared = net.settled(net.prepare(streams, config.trained_seconds))
        return net(ids, torch.zeros(()), prepared)

    plain = logits()
    packed.pack(net, packed.SPECMASKGIT_KINDS)
    assert any(isinstance(layer, packed.PackedMLP) for layer in net.modules())
    torch.testing.assert_close(logits(), plain, atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not BUILT, reason="this torch packs no weights")
@torch.no_grad()
def test_foleygenex_is_the_same_packed():
    config = foleygenex_mini(hidden_dim=64, num_heads=1, depth=2, fused_depth=1)
    net = FoleyGenEx(config, rng=torch.Generator().manual_seed(0)).eval()
    rng, seconds = torch.Generator().manual_seed(1), 2.08
    for value in net.parameters():
        value += torch.randn(value.shape, generator=rng) / 20
    lengths = config.lengths(seconds)
    streams = {
        spec.name: torch.randn(1, lengths.get(spec.name, 4), spec.width, generator=rng)
        for spec in config.streams
        if spec.name in ("sync", CONTEXT)
    }
    x = torch.randn(1, lengths[LATENT], config.latent.dim, generator=rng)

    def velocity():
        return net(x, torch.tensor([0.5]), net.prepare(streams, seconds))

    plain = velocity()
    FOLEYGENEX_CHECKPOINT.pack(net)
    assert any(isinstance(layer, packed.Packed) for layer in net.modules())
    torch.testing.assert_close(velocity(), plain, atol=1e-4, rtol=1e-4)


def test_a_gpu_packs_nothing():
    assert not packed.can_pack(torch.bfloat16, "cuda")
    assert not packed.can_pack(torch.float16, "cpu")
