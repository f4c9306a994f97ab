"""Recipes: readable, refused when wrong, and a whole small run."""

from __future__ import annotations

import json
import re

import pytest
import torch
from foleystage.core.encoders.foley_mini import MiniVideoEncoder
from foleystage.core.errors import FoleyError
from foleystage.core.training.recipes import FOLDER, read_recipe, run_recipe
from foleystage.core.weights.files import read_metadata
from foleystage.core.weights.fill import fill_from
from foleystage.core.weights.registry import entry

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_bundled_recipes_can_be_read(name):
    assert read_recipe(name)["loop"]["steps"] > 0


def test_weights_that_nobody_publishes_name_a_recipe_that_is_there():
    named = re.search(r"recipe (\w+)", str(entry("foleygenex").source))
    assert named is not None and named[1] in NAMES


def test_an_unknown_recipe_is_refused_by_name():
    with pytest.raises(FoleyError, match="no recipe 'nonsense'"):
        read_recipe("nonsense")


def test_a_broken_recipe_is_refused(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("{")
    with pytest.raises(FoleyError, match="JSON"):
        read_recipe(str(path))
    path.write_text(json.dumps({"task": "soup"}))
    with pytest.raises(FoleyError, match="needs 'task'"):
        read_recipe(str(path))


@pytest.mark.slow
def test_a_small_run_writes_weights_log_and_plot(tmp_path):
    figures = {"clips": 6, "validation_clips": 4, "batch": 2, "workers": 1}
    loop = {"steps": 3, "learning_rate": 1e-3, "log_every": 1, "evaluate_every": 3}
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({"task": "video_encoder", "figures": figures, "loop": loop}))
    weights, log, plot = run_recipe(str(path), tmp_path)
    assert len(log.read_text().splitlines()) == 4
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert read_metadata(weights)["recipe"] == "tiny"
    fill_from(MiniVideoEncoder(), weights)
    again = run_recipe(str(path), tmp_path / "again")[0]
    first, second = (fill_from(MiniVideoEncoder(), w).state_dict() for w in (weights, again))
    assert all(torch.equal(first[key], second[key]) for key in first)
