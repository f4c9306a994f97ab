"""Graphs that the first version saved open, and mean what they meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from frontend import open_workflow

SAVED = Path(__file__).resolve().parents[1] / "comfy" / "saved"
PROMPT = "async () => (await window.app.graphToPrompt()).output"
MEANT = {
    "text-guided": {
        "FoleyStageSampler": {"steps": 25, "cfg": 3.0, "sampler_name": "euler", "seed": 0},
        "FoleyStageLoadModel": {"name": "ac_foley_mini", "weight_dtype": "default"},
        "FoleyStageDecode": {"normalize": True, "loudness": -20.0},
    },
    "quick foley": {"FoleyStageQuick": {"steps": 25, "cfg": 3.0, "model": "ac_foley_mini"}},
    "mdsgen fast take": {
        "FoleyStageSampler": {"steps": 25, "cfg": 2.0, "sampler_name": "dpmpp_2m"},
        "FoleyStagePowerCosineGuider": {"cfg": 2.0, "power": 0.01},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MEANT)
def test_a_graph_of_the_first_version_means_what_it_meant(page, name):
    workflow = open_workflow(page, SAVED / f"{name}.json")
    prompt = page.evaluate(PROMPT)
    kinds = {node["class_type"]: node["inputs"] for node in prompt.values()}
    virtual = {"MarkdownNote"}
    assert set(kinds) == {node["type"] for node in workflow["nodes"]} - virtual
    for kind, inputs in MEANT[name].items():
        assert {key: kinds[kind][key] for key in inputs} == inputs
