"""A Foley Timeline in a real frontend, for the tests of its lanes."""

from __future__ import annotations

import functools
import json

import torch
from frontend import ALONE, run_to_end
from range_page import range_server

KIND = "FoleyStageTimeline"
SECONDS = 4.0
HITS = (0.51, 1.25, 2.01, 3.11)
STRENGTHS = (0.9, 0.7, 0.5, 0.6)
SEEN = [{"time": t, "strength": s} for t, s in zip(HITS, STRENGTHS, strict=True)]
# Nodes that give it a video, and the hits that are seen in it with their sound.
FEED = """([video, probe]) => {
    const {graph} = window.app, [node] = graph.nodes;
    const join = (other, slot, name) =>
        other.connect(slot, node, node.inputs.findIndex(i => i.name === name));
    const add = (kind, y) => {
        const other = window.LiteGraph.createNode(kind);
        graph.add(other);
        other.pos = [0, y];
        window.lastNumber = graph.last_node_id;
        return other;
    };
    if (video) {
        const loader = add("LoadVideo", 3000);
        loader.widgets.find(w => w.name === "file").value = video;
        join(loader, 0, "video");
    }
    if (probe) {
        const seen = add("FoleyStageSeenProbe", 4000);
        join(seen, 0, "features");
        join(seen, 1, "audio");
    }
}"""
VIEW = "window.app.graph.nodes.find(n => n.foleyTimeline)?.foleyTimeline"
SHOWN = f"() => !!{VIEW}?.heard"
STATE = """() => {
    const node = window.app.graph.nodes.find(n => n.foleyTimeline), view = node.foleyTimeline;
    const field = node.widgets.find(w => w.name === "cues");
    const {model, player, area, painter} = view;
    return {text: field.value, hidden: field.hidden === true, seen: model.seen, hits: model.hits,
        seconds: model.seconds, from: model.from, span: model.span, cue: view.cue,
        playing: player.playing, time: player.time, boxes: painter.boxes,
        chosen: model.chosen, note: view.note.hidden ? "" : view.note.textContent,
        empty: view.empty.textContent, width: area.offsetWidth, height: area.offsetHeight,
        focused: document.activeElement?.getAttribute("aria-label"),
        said: document.activeElement?.getAttribute("aria-valuetext"),
        field: document.activeElement?.dataset?.name, film: view.film?.image.naturalWidth ?? 0,
        scale: window.app.canvas.ds.scale, saved: node.serialize().widgets_values};
}"""


@functools.cache
def timeline_server():
    """The server with the probes, and a video of four seconds in which something bounces."""
    from foleystage.core.media import encode_frames

    server = range_server()
    frames = torch.zeros(100, 180, 320, 3, dtype=torch.uint8)
    frames[..., 2] = torch.arange(180)[:, None] // 2 + 40
    for index in range(100):
        last = max((hit for hit in (-0.3, *HITS) if 25 * hit <= index), default=-0.3)
        after = min((hit for hit in (*HITS, 4.3) if 25 * hit > index), default=4.3)
        share = (index / 25 - last) / (after - last)
        top = round(130 - 400 * share * (1 - share))
        frames[index, max(top, 4) : max(top, 4) + 40, 60 + index : 100 + index] = 230
    encode_frames(frames, 25.0, server.base / "input" / "bounce.mp4")
    return server


def show_timeline(
    page, server, look, renderer="classic", theme="dark", text="", video="bounce.mp4", probe=True
):
    """The lanes of a node that has run once and holds this text."""
    look(renderer, theme)
    page.evaluate(ALONE, [KIND, {"widgets_values": [25, text]}])
    page.evaluate(FEED, [video, probe])
    run_to_end(page, server)
    page.wait_for_function(SHOWN, timeout=30_000)
    page.wait_for_timeout(500)
    page.evaluate("window.app.canvas.ds.offset = [300, 60]; window.app.canvas.setDirty(true, true)")
    page.wait_for_timeout(300)
    page.errors.clear()
    return Lanes(page)


class Lanes:
    """The lanes of the one timeline in the page."""

    def __init__(self, page):
        self.page = page

    @property
    def box(self):
        return self.page.locator(".foley-timeline-area").bounding_box()

    @property
    def now(self):
        """What the drawing and the node say."""
        return self.page.evaluate(STATE)

    @property
    def sheet(self):
        """What stands in the node's input, without what every sheet has."""
        text = self.now["text"]
        if not text:
            return {}
        sheet = json.loads(text)
        assert (sheet.pop("format"), sheet.pop("version")) == ("foleystage cues", 1)
        assert sheet.pop("seconds") == SECONDS
        return sheet

    def at(self, lane, seconds, share=0.5, off=0.0):
        """The place of a moment in a lane, `share` of its height from its top, `off` beside it."""
        now, box = self.now, self.box
        scale = box["width"] / now["width"]
        place = now["boxes"][lane]
        across = (seconds - now["from"]) / now["span"] * box["width"]
        down = (place["top"] + share * place["height"]) * scale
        return box["x"] + across + off, box["y"] + down

    def dot(self, seconds, strength, off=0.0):
        """The place of a hit's dot."""
        now, box = self.now, self.box
        scale = box["width"] / now["width"]
        place = now["boxes"]["hits"]
        down = place["top"] + place["height"] - 1 - strength * (place["height"] - 10)
        across = (seconds - now["from"]) / now["span"] * box["width"]
        return box["x"] + across + off, box["y"] + down * scale

    @property
    def near(self):
        """A pixel in seconds, and a little."""
        now = self.now
        return 1.1 * now["span"] / self.box["width"] + 0.001

    def drag(self, first, last, *, end=True):
        """From one place to another, as a hand does."""
        mouse = self.page.mouse
        mouse.move(*first)
        mouse.down()
        mouse.move((first[0] + last[0]) / 2, (first[1] + last[1]) / 2, steps=3)
        mouse.move(*last, steps=3)
        if end:
            mouse.up()
            self.page.wait_for_timeout(100)

    def click(self, place):
        self.page.mouse.click(*place)
        self.page.wait_for_timeout(100)

    def key(self, *names):
        for name in names:
            self.page.keyboard.press(name)
        self.page.wait_for_timeout(100)
