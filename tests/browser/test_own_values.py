"""Numbers that stand for what a model was published with are labelled so."""

from __future__ import annotations

import pytest
from frontend import ALONE, RENDERERS

LABEL_AT_FIRST = """([kind, name]) => window.LiteGraph.createNode(kind).widgets
    .find(w => w.name === name).label"""
LABEL = """name => {
    const widget = window.app.graph.nodes[0].widgets.find(w => w.name === name);
    return widget.label ?? widget.name;
}"""
# Nodes 2.0 settles a node's size late, which is nothing of the value's.
SAVED = """() => {
    const {size, ...saved} = window.app.graph.nodes[0].serialize();
    return saved;
}"""
SET = """([name, value]) => {
    const widget = window.app.graph.nodes[0].widgets.find(w => w.name === name);
    widget.value = value;
    widget.callback?.(value, window.app.canvas, window.app.graph.nodes[0]);
}"""
WIDGETS = [
    ("FoleyStageSampler", "cfg", -1, 4.5),
    ("FoleyStageSampler", "steps", 0, 25),
    ("FoleyStageQuick", "cfg", -1, 4.5),
    ("FoleyStageQuick", "steps", 0, 25),
    ("FoleyStageGuider", "cfg", -1, 4.5),
]


@pytest.mark.parametrize(("kind", "name", "own", "other"), WIDGETS)
@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_value_of_the_model_s_own_says_so(page, look, renderer, kind, name, own, other):
    look(renderer)
    said = f"{name} (the model's own)"
    assert page.evaluate(LABEL_AT_FIRST, [kind, name]) == said
    page.evaluate(ALONE, [kind, None])
    page.evaluate(SET, [name, own])
    assert page.evaluate(LABEL, name) == said
    before = page.evaluate(SAVED)
    page.evaluate(SET, [name, other])
    assert page.evaluate(LABEL, name) == name
    page.evaluate(SET, [name, own])
    page.wait_for_timeout(500)
    if renderer != "classic":
        assert page.get_by_text(said, exact=True).is_visible()
    after = page.evaluate(SAVED)
    assert after == before and "(the model" not in str(after)
    values = list(before["widgets_values"])
    names = page.evaluate("window.app.graph.nodes[0].widgets.map(w => w.name)")
    values[names.index(name)] = other
    page.evaluate(ALONE, [kind, {"widgets_values": values}])
    assert page.evaluate(LABEL, name) == name
