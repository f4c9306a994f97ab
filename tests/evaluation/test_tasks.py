"""`foleystage evaluate --protocol tasks`: every task of a system is measured beside its control."""

from __future__ import annotations

import json

import pytest
from foleystage.cli import main
from foleystage.core.evaluation.report import Settings
from foleystage.core.evaluation.tasks import run_tasks
from foleystage.core.loading import load_model

SHORT = Settings(6, hard=False, seconds=4.0, steps=1)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    text = run_tasks(load_model("foleygenex_mini"), SHORT, folder=folder)
    (path,) = folder.glob("*.json")
    return text, json.loads(path.read_text())


@pytest.mark.slow
def test_a_system_with_a_context_is_measured_on_all_of_them(report):
    text, figures = report
    tasks = figures["tasks"]
    assert set(tasks) == {"vta", "tc-vta", "ac-vta", "extend", "edit", "adverbs"}
    assert figures["protocol"] == "tasks" and figures["clips"] == 6
    assert all(name in text for name in tasks)
    # Each figure beside its control.
    assert {"F1", "F1 shuffled", "F1 of true sounds"} <= tasks["vta"].keys()
    assert {"material of the words", "material of the picture"} <= tasks["tc-vta"].keys()
    assert {"F1, surrogate unseen", "the same without it"} <= tasks["ac-vta"].keys()
    assert {"swelling", "swelling, dB moved"} <= tasks["adverbs"].keys()


@pytest.mark.slow
def test_what_is_known_is_counted_sample_by_sample(report):
    tasks = report[1]["tasks"]
    assert tasks["extend"]["known samples unchanged"] == 1
    assert tasks["edit"]["samples outside unchanged"] == 1
    assert tasks["vta"]["F1 of true sounds"] > 0.9


@pytest.mark.slow
def test_a_system_without_words_is_measured_on_what_it_does(tmp_path, capsys):
    given = ["--protocol", "tasks", "--clips", "2", "--seconds", "4", "--steps", "2"]
    assert main(["evaluate", "mdsgen_mini", *given, "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    assert set(json.loads(path.read_text())["tasks"]) == {"vta", "extend", "edit"}
    assert "seam" in capsys.readouterr().out
