"""A node with a drawn range in a real frontend, for the tests of its drawing."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path

from comfy_fixtures import ROOT, write_inputs, write_settings
from comfy_server import Server
from find_comfyui import fitting
from frontend import ALONE, run_to_end

KIND = "FoleyStageRangeProbe"
ONSETS = (0.5, 1.25, 2.0, 3.1)
SECONDS = 4.0
# The pack under its own name, as for tests, and beside its nodes those of probes.
_PACK = """
import importlib.util, sys
def load(name, path, **more):
    spec = importlib.util.spec_from_file_location(name, path, **more)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
pack = load("foleystage", r"{root}/__init__.py", submodule_search_locations=[r"{root}"])
probes = [load(name, r"{here}/" + name + ".py").Probe for name in {probes}]
WEB_DIRECTORY = "./web"
async def comfy_entrypoint():
    extension = await pack.comfy_entrypoint()
    nodes = await extension.get_node_list()
    extension.get_node_list = lambda: both(nodes)
    return extension
async def both(nodes):
    return [*nodes, *probes]
"""
STATE = """() => {
    const node = window.app.graph.nodes.find(n => n.foleyRange), view = node.foleyRange;
    const widget = name => node.widgets.find(w => w.name === name) ?? {};
    const {model, player, area} = view;
    return {text: widget("range").value, range: model.range, edge: model.edge,
        seconds: model.seconds, onsets: model.onsets, from: model.from, span: model.span,
        peaks: view.peaks.length, cue: view.cue, playing: player.playing, time: player.time,
        hidden: widget("range").hidden === true, words: widget("words").value,
        shown: view.times.textContent, empty: view.empty.textContent,
        note: view.note.hidden ? "" : view.note.textContent, width: area.offsetWidth,
        focused: document.activeElement?.getAttribute("aria-label"),
        scale: window.app.canvas.ds.scale, saved: node.serialize().widgets_values};
}"""
# A pixel is 15 ms here.
NEAR = 0.016
VIEW = "window.app.graph.nodes.find(n => n.foleyRange)?.foleyRange"
SHOWN = f"() => {VIEW}?.peaks.length > 0"


@functools.cache
def range_server() -> Server:
    """A server of its own, whose pack has the nodes that the tests draw on too."""
    base = Path(tempfile.mkdtemp(prefix="comfyui-"))
    pack = base / "custom_nodes" / "foleystage"
    pack.mkdir(parents=True)
    for name in ("input", "output", "temp", "user", "models"):
        (base / name).mkdir()
    probes = ["range_node", "timeline_node"]
    text = _PACK.format(root=ROOT, here=Path(__file__).parent, probes=probes)
    (pack / "__init__.py").write_text(text, encoding="utf-8")
    (pack / "web").symlink_to(ROOT / "web", target_is_directory=True)
    write_inputs(base / "input")
    write_settings(base / "user" / "default")
    server = Server(fitting().folder, base)
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    atexit.register(server.stop)
    return server


def draw_on(page, server, look, renderer="classic", theme="dark", text=""):
    """The line of a node that has run once and holds this text; nothing is drawn on it yet."""
    look(renderer, theme)
    page.evaluate(ALONE, [KIND, {"widgets_values": [SECONDS, text, "after"]}])
    run_to_end(page, server)
    page.wait_for_function(SHOWN, timeout=30_000)
    page.wait_for_timeout(300)
    page.errors.clear()
    return Line(page)


class Line:
    """The time line of the one node in the page."""

    def __init__(self, page):
        self.page = page
        self.box = page.locator(".foley-range-area").bounding_box()

    @staticmethod
    def text_in(page):
        """What stands in the node's input, whatever is shown of it."""
        return page.evaluate(STATE)["text"]

    @property
    def now(self):
        """What the drawing and the node say."""
        return self.page.evaluate(STATE)

    @property
    def range(self):
        """What stands in the node's input."""
        text = self.now["text"]
        return json.loads(text) if text else None

    def at(self, seconds, off=0.0):
        """The place of a moment, `off` pixels beside it."""
        now = self.now
        width = self.box["width"]
        across = (seconds - now["from"]) / now["span"] * width
        return self.box["x"] + across + off, self.box["y"] + self.box["height"] * 0.4

    def pixels(self, seconds):
        """How long a stretch is drawn."""
        return seconds / self.now["span"] * self.box["width"]

    def drag(self, first, last, *, end=True):
        """From one place to another, as a hand does."""
        mouse = self.page.mouse
        mouse.move(*first)
        mouse.down()
        mouse.move((first[0] + last[0]) / 2, first[1], steps=3)
        mouse.move(*last, steps=3)
        if end:
            mouse.up()

    def key(self, *names):
        for name in names:
            self.page.keyboard.press(name)


def ours(page):
    """What the console said of our files; the frontend has complaints of its own."""
    return [error for error in page.errors if "foleystage" in error]
