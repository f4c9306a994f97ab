"""Makes the pictures of the documentation; pytest runs it when named: `make node-pictures`."""

from __future__ import annotations

from pathlib import Path

import pytest
from frontend import PLAIN, configure, open_workflow, overlaps, picture, run_to_end, show_alone
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
OF_NODES = ROOT / "web" / "docs" / "images"
OF_GRAPHS = ROOT / "docs" / "images"
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
DRAWN = """() => {
    const saved = window.app.graph.nodes.filter(n => n.type === "SaveVideo");
    const videos = [...document.querySelectorAll(".comfy-img-preview video")];
    return window.app.runningNodeId == null && videos.length >= saved.length
        && videos.every(video => video.readyState >= 2);
}"""


def test_nodes(page, kinds):
    configure(page, PLAIN)
    for kind in kinds:
        show_alone(page, kind, 340)
        picture(page, OF_NODES / f"{kind}.webp", scale=1.5, margin=12, quality=80)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_graphs_after_a_run(page, server, path):
    configure(page, PLAIN)
    open_workflow(page, path)
    run_to_end(page, server)
    page.wait_for_function(DRAWN, timeout=120_000)
    page.wait_for_timeout(1000)
    assert not overlaps(page)
    made = OF_GRAPHS / f"{path.stem.replace(' ', '_')}.webp"
    picture(page, made, scale=1, margin=16, quality=85)
    with Image.open(made) as whole:
        thumbnail = whole.convert("RGB")
        thumbnail.thumbnail((640, 640))
        thumbnail.save(path.with_suffix(".jpg"), quality=80)
