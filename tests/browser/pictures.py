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


# A hundredth of a second of silence.
SILENT = "data:audio/wav;base64,UklGRigAAABXQVZFZm10IBIAAAABAAEARKwAAIhYAQACABAAAABkYXRhAgAAAAEA"
# An edited sheet, so that there is something to see.
EDITED = """audio => {
    const {foleyTimeline: view, widgets} = window.app.graph.nodes[0];
    const hits = [[0.6, 0.9], [1.8, 0.5], [3.1, 0.7], [4.4, 0.8], [6.2, 0.6]];
    const curve = hits.map(([time]) => Array.from({length: 400}, (_, k) =>
        Math.exp(-((((k + 0.5) / 50 - time) / 0.06) ** 2))));
    const peaks = Array.from({length: 1600}, (_, k) => {
        const loud = hits.map(([time, strength]) =>
            k < 200 * time ? 0 : strength * Math.exp((time - k / 200) / 0.12));
        const high = Math.max(...loud) * (0.6 + 0.4 * Math.sin(37 * k));
        return [-high, high];
    });
    const values = curve[0].map((_, k) => Math.max(...curve.map(one => one[k])));
    view.show({seconds: 8, hits, curve: {rate: 50, start: 0, values}, film: null, frames: null,
        peaks, audio, picture: null, cues: ""});
    const field = widgets.find(w => w.name === "cues");
    field.value = JSON.stringify({format: "foleystage cues", version: 1, seconds: 8,
        prompts: [{start: 0, end: 3.6, prompt: "sword on shield"},
            {start: 3.6, end: 7, prompt: "glass breaks"}],
        hits: hits.map(([time, strength], k) => ({time, strength, removed: k === 2}))
            .concat({time: 5.3, strength: 0.4}),
        takes: [{start: 1.2, end: 2.6, take: 2}], mutes: [{start: 7, end: 8}],
        levels: [{time: 2, gain: 0}, {time: 4, gain: -9}, {time: 6, gain: 0}]});
    field.callback(field.value);
}"""


def test_nodes(page, kinds):
    configure(page, PLAIN)
    for kind in kinds:
        show_alone(page, kind, 760 if kind == "FoleyStageTimeline" else 340)
        if kind == "FoleyStageTimeline":
            page.evaluate(EDITED, SILENT)
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
