"""Every bundled workflow in the real frontend."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from frontend import PLAIN, configure, open_workflow, picture

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
# Said by the frontend of any graph: files it looks for and lives without.
HARMLESS = ("favicon", "user.css", "404", "net::ERR", "ResizeObserver")
STATE = """() => window.app.graph.nodes.map(node => ({
    type: node.type, errors: !!node.has_errors,
    known: !!node.constructor.nodeData || !!node.isVirtualNode,
    loose: (node.inputs ?? []).filter(i => !i.link && !i.widget && i.shape !== 7).map(i => i.name)
}))"""
DRAWN = """() => {
    const saved = window.app.graph.nodes.filter(n => n.type === "SaveVideo");
    const videos = [...document.querySelectorAll(".comfy-img-preview video")];
    return window.app.runningNodeId == null && videos.length >= saved.length
        && videos.every(video => video.readyState >= 2);
}"""
OVERLAPS = """() => {
    const boxes = window.app.graph.nodes.map(n => [n.title, ...n.getBounding()]);
    const apart = (a, b) => a[1] + a[3] <= b[1] || b[1] + b[3] <= a[1]
        || a[2] + a[4] <= b[2] || b[2] + b[4] <= a[2];
    return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => !apart(a, b))
        .map(b => `${a[0]} and ${b[0]}`));
}"""


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
    assert not page.evaluate(OVERLAPS)


@pytest.mark.slow
@pytest.mark.skipif("not __import__('os').environ.get('FOLEYSTAGE_PICTURES')", reason="on request")
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_pictures_after_a_run(page, server, path):
    configure(page, PLAIN)
    open_workflow(page, path)
    run_in(page, server)
    assert not page.evaluate(OVERLAPS)
    picture(page, IMAGES / f"{path.stem.replace(' ', '_')}.webp", scale=1, margin=16, quality=85)
    thumbnail(IMAGES / f"{path.stem.replace(' ', '_')}.webp", path.with_suffix(".jpg"))


def run_in(page, server):
    """Presses Run, and waits until everything is done and drawn."""
    page.evaluate("async () => { await window.app.queuePrompt(0, 1); }")
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        page.wait_for_timeout(500)
        queue = server.get("/queue")
        if not queue["queue_running"] and not queue["queue_pending"]:
            break
    page.wait_for_function(DRAWN, timeout=120_000)
    page.wait_for_timeout(1000)


def thumbnail(source, path):
    """A small copy, for the template browser."""
    from PIL import Image

    with Image.open(source) as whole:
        small = whole.convert("RGB")
        small.thumbnail((640, 640))
        small.save(path, quality=80)


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


@pytest.mark.slow
def test_takes_have_a_player_each(page):
    path = ROOT / "workflows" / "takes.json"
    open_workflow(page, path)
    shown = page.evaluate("""() => {
        const node = window.app.graph.nodes.find(n => n.type === "FoleyStageTakes");
        const file = k => ({filename: `t${k}.flac`, subfolder: "", type: "temp"});
        node.onExecuted({audio: [1, 2, 3].map(file)});
        const lines = [...node.foleyTakes.children];
        lines[1].querySelector("button").click();
        return [lines.length, node.widgets.find(w => w.name === "pick").value];
    }""")
    assert shown == [3, 2]
