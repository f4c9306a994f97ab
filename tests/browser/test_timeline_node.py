"""A timeline in its graph: saved, copied, undone, linked, run and removed."""

from __future__ import annotations

import functools
import json

import pytest
from frontend import ALONE, RENDERERS, configure, run_to_end, speak
from range_page import ours
from timeline_page import FEED, KIND, SHOWN, VIEW, Lanes, timeline_server
from timeline_page import show_timeline as show

pytestmark = pytest.mark.slow

TEXT = '{"format":"foleystage cues","version":1,"seconds":4,"takes":[{"start":1,"end":2,"take":3}]}'
FIELD = "window.app.graph.nodes.find(n => n.foleyTimeline).widgets.find(w => w.name === 'cues')"


@pytest.fixture(scope="module")
def server():
    return timeline_server()


@pytest.fixture
def drawn(page, server, look):
    """drawn(renderer, theme, text): the lanes of a node that has run once."""
    return functools.partial(show, page, server, look)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_an_edited_sheet_is_run_and_comes_out_whole(page, server, drawn, renderer):
    lanes = drawn(renderer)
    lanes.click(lanes.dot(2.6, 0.4))
    lanes.drag(lanes.at("takes", 1.0), lanes.at("takes", 2.0))
    text = lanes.now["text"]
    page.evaluate("""() => {
        const {graph} = window.app, node = graph.nodes.find(n => n.foleyTimeline);
        const shown = window.LiteGraph.createNode("PreviewAny");
        graph.add(shown);
        shown.pos = [0, 5000];
        window.lastNumber = graph.last_node_id;
        node.connect(0, shown, 0);
    }""")
    entry = run_to_end(page, server)
    assert entry["status"]["status_str"] == "success"
    sent = [box["inputs"] for box in entry["prompt"][2].values() if box["class_type"] == KIND]
    assert sent[0]["cues"] == text and sent[0]["fps"] == 25
    made = [out["text"][0] for out in entry["outputs"].values() if "text" in out]
    assert json.loads(made[0]) == json.loads(text)
    assert lanes.now["text"] == text and not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_saved_graph_keeps_its_sheet(page, drawn, renderer):
    lanes = drawn(renderer)
    lanes.click(lanes.dot(2.6, 0.4))
    text = lanes.now["text"]
    saved = page.evaluate("JSON.stringify(window.app.graph.serialize())")
    page.evaluate("window.app.graph.clear()")
    page.evaluate("saved => window.app.loadGraphData(JSON.parse(saved))", saved)
    page.wait_for_function(f"!!{VIEW}", timeout=10_000)
    page.wait_for_timeout(500)
    now = lanes.now
    assert now["text"] == text and now["saved"] == [25, text]
    assert now["hits"] == json.loads(text)["hits"] and not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_copied_node_has_the_sheet_too(page, drawn, renderer):
    lanes = drawn(renderer, text=TEXT)
    page.evaluate("""() => {
        const {canvas, graph} = window.app;
        canvas.selectItems([graph.nodes.find(n => n.foleyTimeline)]);
        canvas.copyToClipboard();
        canvas.pasteFromClipboard();
    }""")
    count = "window.app.graph.nodes.filter(n => n.foleyTimeline).length"
    page.wait_for_function(f"{count} === 2", timeout=10_000)
    text, takes = page.evaluate("""() => {
        const node = window.app.graph.nodes.filter(n => n.foleyTimeline)[1];
        const text = node.widgets.find(w => w.name === "cues").value;
        return [text, node.foleyTimeline.model.sheet.takes];
    }""")
    assert text == TEXT and takes == json.loads(TEXT)["takes"]
    page.evaluate("""() => {
        const {graph} = window.app;
        graph.remove(graph.nodes.filter(n => n.foleyTimeline)[1]);
    }""")
    assert lanes.now["text"] == TEXT


@pytest.mark.parametrize("renderer", RENDERERS)
def test_an_edit_is_one_step_of_the_graph_s_undo(page, drawn, renderer):
    lanes = drawn(renderer, text=TEXT)
    page.wait_for_timeout(300)
    lanes.drag(lanes.at("takes", 2.0), lanes.at("takes", 2.6))
    assert lanes.sheet["takes"][0]["end"] == pytest.approx(2.6, abs=lanes.near)
    page.wait_for_timeout(300)
    lanes.drag(lanes.at("mutes", 3.3), lanes.at("mutes", 3.8))
    page.wait_for_timeout(300)
    # Outside of the timeline the keys are the graph's.
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(5, 500)
    lanes.key("Control+z")
    page.wait_for_function(f"!{FIELD}.value.includes('mutes')", timeout=5000)
    page.wait_for_timeout(500)
    assert lanes.sheet["takes"][0]["end"] == pytest.approx(2.6, abs=lanes.near)
    lanes.key("Control+z")
    page.wait_for_function(f"{FIELD}.value.includes('\"end\":2,')", timeout=5000)
    page.wait_for_timeout(500)
    now = lanes.now
    assert now["text"] == TEXT
    assert page.evaluate(f"{VIEW}.model.sheet.takes") == json.loads(TEXT)["takes"]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_sheet_over_a_wire_is_shown_and_cannot_be_edited(page, server, look, drawn, renderer):
    lanes = drawn(renderer)
    page.evaluate(
        """text => {
        const {graph} = window.app, node = graph.nodes.find(n => n.foleyTimeline);
        const other = window.LiteGraph.createNode("PrimitiveString");
        graph.add(other);
        other.pos = [0, 5000];
        window.lastNumber = graph.last_node_id;
        other.widgets[0].value = text;
        other.connect(0, node, node.inputs.findIndex(i => i.name === "cues"));
    }""",
        TEXT,
    )
    page.wait_for_timeout(300)
    assert lanes.now["note"] == "The cue sheet comes over a wire."
    run_to_end(page, server)
    page.wait_for_function(f"{VIEW}.model.sheet.takes.length === 1", timeout=10_000)
    lanes.drag(lanes.at("takes", 2.0), lanes.at("takes", 2.6))
    lanes.click(lanes.dot(2.6, 0.4))
    assert lanes.now["text"] == ""
    assert page.evaluate(f"{VIEW}.model.sheet.takes") == json.loads(TEXT)["takes"]
    # It is played all the same.
    lanes.click(lanes.at("ruler", 1.0))
    lanes.key(" ")
    page.wait_for_function(f"{VIEW}.player.playing && {VIEW}.player.time > 1.1", timeout=10_000)
    lanes.key(" ")
    page.evaluate("""() => {
        const node = window.app.graph.nodes.find(n => n.foleyTimeline);
        node.disconnectInput(node.inputs.findIndex(i => i.name === "cues"));
    }""")
    page.wait_for_timeout(300)
    assert lanes.now["note"] == "" and not page.evaluate(f"{VIEW}.model.sheet.takes.length")
    lanes.drag(lanes.at("takes", 2.0), lanes.at("takes", 2.6))
    assert lanes.sheet["takes"][0]["take"] == 2


@pytest.mark.parametrize("renderer", RENDERERS)
def test_before_the_first_run_a_sheet_can_be_edited(page, look, renderer):
    look(renderer)
    page.evaluate(ALONE, [KIND, {"widgets_values": [25, TEXT]}])
    page.locator(".foley-timeline-area").wait_for(state="visible")
    page.wait_for_timeout(500)
    lanes = Lanes(page)
    now = lanes.now
    assert now["empty"] == "Run once to see the video." and now["span"] == 10
    lanes.drag(lanes.at("takes", 2.0), lanes.at("takes", 4.0))
    assert lanes.sheet["takes"][0]["end"] == pytest.approx(4.0, abs=lanes.near)
    # All of it lies on the node.
    assert page.evaluate("""() => {
        const [node] = window.app.graph.nodes, {scale, offset} = window.app.canvas.ds;
        const box = document.querySelector(".foley-timeline").getBoundingClientRect();
        const shown = window.app.canvas.canvas.getBoundingClientRect();
        return box.bottom <= shown.y + (node.pos[1] + node.size[1] + offset[1]) * scale + 1;
    }""")


def test_without_features_the_first_hit_says_what_it_means(page, drawn):
    lanes = drawn(probe=False)
    now = lanes.now
    assert now["seen"] is None and now["note"] == ""
    lanes.click(lanes.at("hits", 1.0))
    assert len(lanes.sheet["hits"]) == 1
    assert lanes.now["note"].startswith("Only the hits that are listed are heard")
    page.locator(".foley-timeline-play").click()
    page.wait_for_function(f"{VIEW}.player.playing && {VIEW}.player.time > 0.3", timeout=10_000)
    page.locator(".foley-timeline-play").click()
    assert not ours(page)


def test_a_text_that_is_no_sheet_is_said_and_replaced_by_an_edit(page, server, look):
    look("classic")
    page.evaluate(ALONE, [KIND, {"widgets_values": [25, "1.2 to 3"]}])
    page.evaluate(FEED, ["bounce.mp4", True])
    entry = run_to_end(page, server)
    assert "The cue sheet cannot be read: it is no JSON." in json.dumps(entry["status"])
    page.keyboard.press("Escape")
    # Its lanes are seen all the same.
    page.wait_for_function(SHOWN, timeout=30_000)
    page.evaluate("window.app.canvas.ds.offset = [300, 60]; window.app.canvas.setDirty(true, true)")
    page.wait_for_timeout(500)
    lanes = Lanes(page)
    assert lanes.now["note"].startswith("The text that was here is no cue sheet")
    lanes.drag(lanes.at("mutes", 1.0), lanes.at("mutes", 2.0))
    assert list(lanes.sheet) == ["mutes"] and lanes.now["note"] == ""
    lanes.key("Control+z")
    assert lanes.now["text"] == "1.2 to 3"


def test_cues_after_the_end_are_said(drawn):
    lanes = drawn(text=TEXT.replace('"end":2', '"end":9'))
    assert lanes.now["note"] == "Some cues lie after the end."


def test_a_removed_node_falls_silent(page, drawn):
    drawn()
    page.locator(".foley-timeline-play").click()
    page.wait_for_function(VIEW + ".player.time > 0.2", timeout=10_000)
    page.evaluate("""() => {
        const node = window.app.graph.nodes.find(n => n.foleyTimeline);
        window.sounds = [...node.foleyTimeline.player.clock.sounds];
        window.app.graph.remove(node);
    }""")
    assert page.evaluate("window.sounds.every(s => s.paused && !s.hasAttribute('src'))")


@pytest.mark.parametrize("opened", [False, True])
def test_nodes_2_0_show_the_lanes_or_the_field(page, look, opened):
    look("classic")
    try:
        page.evaluate(ALONE, [KIND, {"widgets_values": [25, TEXT]}])
        saved = page.evaluate("JSON.stringify(window.app.graph.serialize())")
        configure(page, {"Comfy.VueNodes.Enabled": True})
        if opened:
            page.evaluate("saved => window.app.loadGraphData(JSON.parse(saved))", saved)
        page.wait_for_timeout(2000)
        node = page.locator(".lg-node", has_text="Foley Timeline")
        label = node.get_by_text("cues", exact=True)
        # The output has that name too.
        shown = page.evaluate(f"{VIEW}.element.isConnected")
        assert label.count() == (1 if shown else 2)
    finally:
        configure(page, {"Comfy.VueNodes.Enabled": False})


def test_it_speaks_the_language_of_the_frontend(page, look):
    look("classic")
    try:
        speak(page, "zh")
        page.evaluate(ALONE, [KIND, None])
        page.locator(".foley-timeline").wait_for(state="visible")
        assert page.locator(".foley-timeline").get_attribute("aria-label") == "时间线"
        assert page.locator(".foley-timeline-label").first.inner_text() == "撞击"
    finally:
        speak(page, "en")
