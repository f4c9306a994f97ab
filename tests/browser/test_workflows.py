"""Every bundled workflow in the real frontend."""

from __future__ import annotations

from pathlib import Path

import pytest
from frontend import open_workflow, overlaps

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
# Said by the frontend of any graph: files it looks for and lives without.
HARMLESS = ("favicon", "user.css", "404", "net::ERR", "ResizeObserver")
STATE = """() => window.app.graph.nodes.map(node => ({
    type: node.type, errors: !!node.has_errors,
    known: !!node.constructor.nodeData || !!node.isVirtualNode,
    loose: (node.inputs ?? []).filter(i => !i.link && !i.widget && i.shape !== 7).map(i => i.name)
}))"""


def complaints(page):
    return [e for e in page.errors if not any(word in e for word in HARMLESS)]


@pytest.mark.slow
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_it_opens_whole(page, server, path):
    workflow = open_workflow(page, path)
    nodes = page.evaluate(STATE)
    assert len(nodes) == len(workflow["nodes"])
    for node in nodes:
        assert node["known"] and not node["errors"] and not node["loose"], node
    assert not page.locator(".comfy-missing-nodes").count()
    assert not complaints(page)
    assert not overlaps(page)


@pytest.mark.slow
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_frontend_sends_what_the_server_accepts(page, server, path):
    open_workflow(page, path)
    graph = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    reply = server.post("/prompt", {"prompt": graph})
    server.post("/queue", {"delete": [reply["prompt_id"]]})
    server.post("/interrupt", {})
    assert not reply["node_errors"]


def test_every_node_has_a_help_page(server):
    ours = [name for name in server.get("/object_info") if name.startswith("FoleyStage")]
    for name in ours:
        assert server.text(f"/extensions/foleystage/docs/{name}.md").startswith("# ")
