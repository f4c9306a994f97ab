"""Help pages, their pictures and the second language in the real frontend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from frontend import configure, open_help, show_alone

ROOT = Path(__file__).resolve().parents[2]
READY = "!!window.LiteGraph?.registered_node_types?.FoleyStageQuick && !!window.app?.canvas"
LABELS = """() => {
    const [node] = window.app.graph.nodes;
    return {title: node.title, category: node.constructor.category,
            inputs: Object.fromEntries(node.inputs.map(i => [i.name, i.label ?? i.localized_name])),
            widgets: Object.fromEntries(node.widgets.map(w => [w.name, w.label])),
            outputs: node.outputs.map(o => o.label ?? o.localized_name)};
}"""


@pytest.mark.slow
def test_every_help_page_opens_with_its_picture(page, kinds):
    for kind in kinds:
        open_help(page, kind)
        shown = page.locator(f".node-help-content img[src$='{kind}.webp']")
        shown.wait_for(state="attached", timeout=10_000)
        page.wait_for_function(
            "kind => document.querySelector(`.node-help-content img[src$='${kind}.webp']`)"
            "?.naturalWidth > 100",
            arg=kind,
            timeout=10_000,
        )
        assert page.locator(".node-help-content table").count() >= 1, kind


@pytest.mark.slow
@pytest.mark.parametrize(
    "locale", sorted(p.name for p in (ROOT / "locales").iterdir() if p.name != "en")
)
def test_nodes_speak_the_language_of_the_frontend(page, locale):
    own = json.loads((ROOT / "locales" / locale / "nodeDefs.json").read_text(encoding="utf-8"))
    text = own["FoleyStageQuick"]
    try:
        configure(page, {"Comfy.Locale": locale})
        page.reload()
        page.wait_for_function(READY, timeout=120_000)
        page.keyboard.press("Escape")
        show_alone(page, "FoleyStageQuick", 340)
        labels = page.evaluate(LABELS)
        open_help(page, "FoleyStageQuick")
        title = page.locator(".node-help-content h1").first
        title.wait_for(timeout=20_000)
        assert title.inner_text() == text["display_name"]
    finally:
        configure(page, {"Comfy.Locale": "en"})
        page.reload()
        page.wait_for_function(READY, timeout=120_000)
    assert labels["title"] == text["display_name"]
    assert labels["outputs"] == [entry["name"] for entry in text["outputs"].values()]
    for name in ("video", "reference"):
        assert labels["inputs"][name] == text["inputs"][name]["name"]
    for name in ("prompt", "seed", "fps", "model"):
        assert labels["widgets"][name] == text["inputs"][name]["name"]
