"""What tests and pictures ask of the frontend in the page."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Nothing but the graph: no map of it, no tools, no frame counter, no badges.
PLAIN = {
    "Comfy.Graph.CanvasMenu": False,
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "Comfy.NodeBadge.NodeSourceBadgeMode": "None",
}
RUN_SECONDS = 300
# Below this scale ComfyUI leaves out all words; and what a picture has at most, in pixels.
_LEGIBLE, _LARGEST = 0.6, (1716, 1716)
_SET = "([key, value]) => window.app.extensionManager.setting.set(key, value)"
_OPEN = "([graph, name]) => window.app.loadGraphData(graph, true, true, name)"
# Newer frontends remember widgets by the number of their node, so numbers are not used twice.
_ALONE = """([kind, width]) => {
    const {graph, canvas} = window.app, last = graph.last_node_id;
    graph.clear();
    graph.last_node_id = last;
    const node = window.LiteGraph.createNode(kind);
    graph.add(node);
    node.pos = [0, 0];
    node.setSize([Math.max(node.computeSize()[0], width), node.size[1]]);
    canvas.deselectAll?.();
}"""
# The one node, selected and in the middle of the window, where no side bar covers it.
_SELECT = """() => {
    const {canvas, graph} = window.app;
    canvas.ds.scale = 1;
    canvas.ds.offset = [600, 300];
    canvas.selectItems([graph.nodes[0]]);
    canvas.setDirty(true, true);
}"""
# Brings the graph into view at a scale of at most `most`; its box in the window, in CSS pixels.
_FRAME = """([most, margin]) => {
    const {canvas, graph} = window.app, shown = canvas.canvas.getBoundingClientRect();
    const boxes = graph.nodes.map(node => node.getBounding());
    const left = Math.min(...boxes.map(b => b[0])), top = Math.min(...boxes.map(b => b[1]));
    const right = Math.max(...boxes.map(b => b[0] + b[2]));
    const bottom = Math.max(...boxes.map(b => b[1] + b[3]));
    const room = [shown.width - 140 - 2 * margin, shown.height - 120 - 2 * margin];
    const scale = Math.min(room[0] / (right - left), room[1] / (bottom - top), most);
    canvas.ds.scale = scale;
    canvas.ds.offset = [(100 + margin) / scale - left, (100 + margin) / scale - top];
    canvas.setDirty(true, true);
    return {scale, x: shown.x + 100, y: shown.y + 100,
            width: (right - left) * scale + 2 * margin,
            height: (bottom - top) * scale + 2 * margin};
}"""
_OVERLAPS = """() => {
    const boxes = window.app.graph.nodes.map(n => [n.title, ...n.getBounding()]);
    const apart = (a, b) => a[1] + a[3] <= b[1] || b[1] + b[3] <= a[1]
        || a[2] + a[4] <= b[2] || b[2] + b[4] <= a[2];
    return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => !apart(a, b))
        .map(b => `${a[0]} and ${b[0]}`));
}"""
# A node by itself, with saved values where they are given; its number is a new one.
ALONE = """([kind, saved]) => {
    const {graph, canvas} = window.app;
    graph.clear();
    graph.last_node_id = window.lastNumber ?? 0;
    const node = window.LiteGraph.createNode(kind);
    graph.add(node);
    window.lastNumber = graph.last_node_id;
    if (saved) node.configure({...node.serialize(), ...saved});
    node.pos = [0, 0];
    Object.assign(canvas.ds, {scale: 1, offset: [300, 200]});
    canvas.setDirty(true, true);
    return node.id;
}"""
PROBE = """() => {
    window.app.graph.clear();
    const node = window.LiteGraph.createNode("PreviewAny");
    window.probe = document.createElement("div");
    node.addDOMWidget("probe", "probe", window.probe, {getMinHeight: () => 40}).serialize = false;
    window.app.graph.add(node);
    node.pos = [0, 0];
    window.app.canvas.setDirty(true, true);
}"""
# The first node, one where there is none: the workflow that is opened again has another.
_MARK = """() => {
    const {graph} = window.app;
    if (!graph.nodes.length) graph.add(window.LiteGraph.createNode("PreviewAny"));
    window.marked = graph.nodes[0];
}"""
_OPENED_AGAIN = "window.app.graph.nodes[0] !== window.marked"
RENDERERS = ("classic", "nodes 2.0")


def configure(page: Any, settings: Mapping[str, Any]) -> None:
    """Changes settings of the frontend."""
    for key, value in settings.items():
        page.evaluate(_SET, [key, value])


def speak(page: Any, locale: str) -> None:
    """Changes the language, and waits for the workflow that the frontend then opens again."""
    page.evaluate(_MARK)
    configure(page, {"Comfy.Locale": locale})
    page.wait_for_function(_OPENED_AGAIN, timeout=60_000)
    page.wait_for_timeout(300)


def open_workflow(page: Any, path: Path) -> dict[str, Any]:
    """Opens a workflow under its own name; what the file holds."""
    workflow = json.loads(path.read_text(encoding="utf-8"))
    page.errors.clear()
    page.evaluate(_OPEN, [workflow, path.stem])
    page.wait_for_timeout(500)
    page.keyboard.press("Escape")
    return workflow


def run_to_end(page: Any, server: Any) -> dict[str, Any]:
    """Presses Run; what the history says of the graph when it has ended.

    Raises:
        TimeoutError: the server was not done after RUN_SECONDS.
    """
    before = set(server.get("/history"))
    page.evaluate("async () => { await window.app.queuePrompt(0, 1); }")
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        # The page's own clock: while it is waited for, the frontend goes on.
        page.wait_for_timeout(300)
        for prompt_id, entry in server.get("/history").items():
            if prompt_id not in before:
                return entry
    raise TimeoutError(f"nothing ended within {RUN_SECONDS} s: {page.errors}")


def overlaps(page: Any) -> list[str]:
    """Pairs of nodes that lie on each other."""
    return page.evaluate(_OVERLAPS)


def show_alone(page: Any, kind: str, width: int) -> None:
    """A graph of one node, at least so wide."""
    page.evaluate(_ALONE, [kind, width])
    page.wait_for_timeout(200)


def open_help(page: Any, kind: str) -> None:
    """The help page of a node, by the Info button over the selected node."""
    show_alone(page, kind, 340)
    page.evaluate(_SELECT)
    page.get_by_test_id("info-button").click()


def picture(page: Any, path: Path, *, scale: float, margin: int, quality: int) -> None:
    """The graph and `margin` pixels around it, as a picture of the kind that `path` names."""
    from PIL import Image

    window = page.viewport_size
    clip = page.evaluate(_FRAME, [scale, margin])
    if clip["scale"] < _LEGIBLE:
        larger = _LEGIBLE / clip["scale"]
        page.set_viewport_size({side: round(size * larger) for side, size in window.items()})
        page.wait_for_timeout(500)
        clip = page.evaluate(_FRAME, [scale, margin])
    del clip["scale"]
    page.wait_for_timeout(700)
    shot = Image.open(io.BytesIO(page.screenshot(clip=clip, timeout=120_000))).convert("RGB")
    page.set_viewport_size(window)
    shot.thumbnail(_LARGEST, Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    shot.save(path, quality=quality, method=6)
