"""What every node says of itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from comfy_api.latest import io

ROOT = Path(__file__).resolve().parents[2]


def test_ids_are_prefixed_and_unique(nodes):
    assert len(nodes) == 39
    assert all(name.startswith("FoleyStage") for name in nodes)


def test_every_input_and_output_explains_itself(nodes):
    for name, node in nodes.items():
        schema = node.GET_SCHEMA()
        assert schema.description and schema.display_name, name
        for value in (*schema.inputs, *schema.outputs):
            assert value.tooltip, f"{name}: {value.id}"
        assert all(output.display_name for output in schema.outputs), name


def test_no_node_has_more_than_eight_widgets(nodes):
    for name, node in nodes.items():
        inputs = node.GET_SCHEMA().inputs
        widgets = [i for i in inputs if isinstance(i, io.WidgetInput) and not i.force_input]
        assert len(widgets) <= 8, name


def test_newer_fields_are_left_out_on_older_comfyuis(monkeypatch):
    from foleystage.nodes import common

    monkeypatch.setattr(common, "SCHEMA_FIELDS", set())
    texts = {"TITLE": "X", "ABOUT": "x", "OUTPUTS": [], "ALIASES": ("y",)}
    schema = type("X", (common.Node,), texts).define_schema()
    assert getattr(schema, "search_aliases", []) in ([], None)


def test_every_node_is_found_by_other_words(nodes, monkeypatch):
    from foleystage.nodes import common

    monkeypatch.setattr(common, "SCHEMA_FIELDS", {"search_aliases"})
    monkeypatch.setattr(common.io, "Schema", SimpleNamespace)
    for name, node in nodes.items():
        schema = node.define_schema()
        assert schema.search_aliases, name
        assert schema.display_name.lower() not in schema.search_aliases


def test_every_node_has_a_help_page_that_names_its_inputs(nodes):
    for name, node in nodes.items():
        page = (ROOT / "web" / "docs" / f"{name}.md").read_text(encoding="utf-8")
        for value in node.GET_SCHEMA().inputs:
            assert value.id == "audioUI" or f"| {value.id}" in page, f"{name}: {value.id}"


@pytest.mark.parametrize("field", ["licence", "Apache-2.0"])
def test_the_licence_of_the_weights_is_shown(nodes, field):
    loaders = ("Model", "VideoEncoder", "TextEncoder", "Codec", "Backbone", "Bridge")
    for name in (f"Load{kind}" for kind in loaders):
        tooltip = nodes[f"FoleyStage{name}"].GET_SCHEMA().inputs[0].tooltip
        assert field.lower() in tooltip.lower()


def test_what_a_model_is_sampled_with_is_its_own_by_default(nodes):
    defaults = {"cfg": -1.0, "steps": 0, "sampler_name": "the model's own"}
    for name in ("Quick", "Sampler", "Guider"):
        found = {
            i.id: i.default
            for i in nodes[f"FoleyStage{name}"].GET_SCHEMA().inputs
            if i.id in defaults
        }
        assert "cfg" in found and found.items() <= defaults.items()
    assert found.keys() == {"cfg"}, "of the last, Guider"
