"""Packed weights are used where torch's private operators still do what they did."""

from __future__ import annotations

import pytest
import torch
from foleystage.core.generators import packed

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


def test_a_gpu_packs_nothing():
    assert not packed.can_pack(torch.bfloat16, "cuda")
    assert not packed.can_pack(torch.float16, "cpu")
