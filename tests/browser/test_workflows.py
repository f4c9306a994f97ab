"""Every bundled workflow in the real frontend."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
# Said by the frontend of any graph: files it looks for and lives without.
HARMLESS = ("favicon", "user.css", "404", "net::ERR", "ResizeObserver")
OPEN = "async graph => { await window.app.loadGraphData(graph); }"
STATE = """() => window.app.graph.nodes.map(node => ({
    type: node.type, errors: !!node.has_errors,
    known: !!node.constructor.nodeData || !!node.isVirtualNode,
    loose: (node.inputs ?? []).filter(i => !i.link && !i.widget && i.shape !== 7).map(i => i.name)
}))"""
FRAME = """() => {
    const canvas = window.app.canvas, nodes = window.app.graph.nodes;
    const left = Math.min(...nodes.map(n => n.pos[0]));
    const top = Math.min(...nodes.map(n => n.pos[1] - 30));
    const right = Math.max(...nodes.map(n => n.pos[0] + n.size[0]));
    const bottom = Math.max(...nodes.map(n => n.pos[1] + n.size[1]));
    const scale = Math.min(1700 / (right - left), 860 / (bottom - top), 1);
    canvas.ds.scale = scale;
    canvas.ds.offset = [110 / scale - left, 80 / scale - top];
    canvas.setDirty(true, true);
}"""


def opened(page, path):
    page.errors.clear()
    page.evaluate(OPEN, json.loads(path.read_text(encoding="utf-8")))
    page.wait_for_timeout(500)
    page.keyboard.press("Escape")
    return page.evaluate(STATE)


def complaints(page):
    return [e for e in page.errors if not any(word in e for word in HARMLESS)]


@pytest.mark.slow
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_it_opens_whole(page, server, path):
    nodes = opened(page, path)
    assert len(nodes) == len(json.loads(path.read_text(encoding="utf-8"))["nodes"])
    for node in nodes:
        assert node["known"] and not node["errors"] and not node["loose"], node
    assert not page.locator(".comfy-missing-nodes").count()
    assert not complaints(page)
    folder = os.environ.get("FOLEYSTAGE_SCREENSHOTS")
    if folder:
        picture(page, server, Path(folder) / f"{path.stem.replace(' ', '_')}.png")


def picture(page, server, path):
    """The graph after a run, for the documentation."""
    page.evaluate("async () => { await window.app.queuePrompt(0, 1); }")
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        page.wait_for_timeout(500)
        queue = server.get("/queue")
        if not queue["queue_running"] and not queue["queue_pending"]:
            break
    page.wait_for_timeout(2000)
    page.evaluate(FRAME)
    page.wait_for_timeout(1000)
    page.screenshot(path=str(path))


@pytest.mark.slow
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_frontend_sends_what_the_server_accepts(page, server, path):
    opened(page, path)
    graph = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    reply = server.post("/prompt", {"prompt": graph})
    server.post("/queue", {"delete": [reply["prompt_id"]]})
    server.post("/interrupt", {})
    assert not reply["node_errors"]


def test_every_node_has_a_help_page(server):
    ours = [name for name in server.get("/object_info") if name.startswith("FoleyStage")]
    for name in ours:
        assert server.text(f"/extensions/foleystage/docs/{name}.md").startswith("# ")


@pytest.mark.slow
def test_takes_have_a_player_each(page):
    path = ROOT / "workflows" / "takes.json"
    opened(page, path)
    shown = page.evaluate("""() => {
        const node = window.app.graph.nodes.find(n => n.type === "FoleyStageTakes");
        const file = k => ({filename: `t${k}.flac`, subfolder: "", type: "temp"});
        node.onExecuted({audio: [1, 2, 3].map(file)});
        const lines = [...node.foleyTakes.children];
        lines[1].querySelector("button").click();
        return [lines.length, node.widgets.find(w => w.name === "pick").value];
    }""")
    assert shown == [3, 2]
