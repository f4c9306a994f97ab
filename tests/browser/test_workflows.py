"""Every bundled workflow in the real frontend."""

from __future__ import annotations

from pathlib import Path

import pytest
from frontend import open_workflow, overlaps, run_to_end

ROOT = Path(__file__).resolve().parents[2]
TRAINED = (ROOT / "core/weights/minis/ac_foley_mini.safetensors").is_file()
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
# Files that the frontend asks for and lives without, whatever the graph is.
OPTIONAL = ("favicon.ico", "user.css", "/api/userdata")
STATE = """() => window.app.graph.nodes.map(node => ({
    type: node.type, errors: !!node.has_errors,
    known: !!node.constructor.nodeData || !!node.isVirtualNode,
    loose: (node.inputs ?? []).filter(i => !i.link && !i.widget && i.shape !== 7).map(i => i.name)
}))"""


def complaints(page, server):
    """What the console said, less files that are optional or of other hosts."""
    return [error for error in page.errors if not is_harmless(error, server)]


def is_harmless(error, server):
    if "Failed to load resource" not in error:
        return "ResizeObserver" in error
    here = f"127.0.0.1:{server.port}/" in error
    return not here or any(name in error for name in OPTIONAL)


def test_the_pack_s_scripts_start_without_a_complaint(page):
    assert not [error for error in page.errors_at_start if "foleystage" in error]


@pytest.mark.slow
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_it_opens_whole(page, server, path):
    workflow = open_workflow(page, path)
    nodes = page.evaluate(STATE)
    assert len(nodes) == len(workflow["nodes"])
    for node in nodes:
        assert node["known"] and not node["errors"] and not node["loose"], node
    assert not page.locator(".comfy-missing-nodes").count()
    assert not complaints(page, server)
    assert not overlaps(page)


@pytest.mark.slow
@pytest.mark.skipif(not TRAINED, reason="the bundled minis are not in this checkout")
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_it_runs_as_it_is(page, server, path):
    open_workflow(page, path)
    status = run_to_end(page, server)["status"]
    assert status["status_str"] == "success" and status["completed"], status
    page.wait_for_timeout(500)
    assert not complaints(page, server)


def test_every_node_has_a_help_page(server):
    ours = [name for name in server.get("/object_info") if name.startswith("FoleyStage")]
    for name in ours:
        assert server.text(f"/extensions/foleystage/docs/{name}.md").startswith("# ")
