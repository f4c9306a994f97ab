"""Stable Audio's number conditioner against its golden case."""

from __future__ import annotations

import case as golden
import pytest
import torch
from foleystage.core.encoders.stable_audio import SecondsConditioner
from safetensors.torch import save_file


@pytest.fixture
def loaded(tmp_path):
    case = golden.load("sa_number_conditioner")
    others = {"model.model.norm.weight": torch.zeros(2)}
    save_file({**case.state_dict(), **others}, tmp_path / "model.safetensors")
    return case, SecondsConditioner.load(tmp_path / "model.safetensors")


@torch.no_grad()
@pytest.mark.parametrize("name", ["seconds_start", "seconds_total"])
def test_matches_the_reference(loaded, name):
    case, model = loaded
    seconds = torch.tensor([0.0, 1.5, 10.0, 47.55, 512.0, 600.0])
    assert case.error(name, getattr(model, name)(seconds)) < case.tolerance


@torch.no_grad()
def test_both_numbers_make_two_tokens(loaded):
    _, model = loaded
    assert model(torch.zeros(3), torch.full((3,), 8.0)).shape == (3, 2, 768)
