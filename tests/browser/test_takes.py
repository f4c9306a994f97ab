"""The takes list on its node, in every renderer and theme of the real frontend."""

from __future__ import annotations

import itertools

import pytest
from frontend import ALONE, RENDERERS, speak
from graphs import node, whole

pytestmark = pytest.mark.slow

# A new number each time: the frontend keeps the values of a number that was there before.
# The server's own inputs stand for takes: they need no run.
FILL = """([takes, picture, ranking]) => {
    const file = filename => ({filename, subfolder: "", type: "input"});
    const [node] = window.app.graph.nodes;
    node.onExecuted({takes: takes.map(file), picture: picture.map(file), ranking});
}"""
PLAYER = """() => {
    const node = window.app.graph.nodes.find(n => n.type === "FoleyStageTakes");
    const {clock, picked} = node.foleyTakes;
    return {picked, playing: clock.playing, seen: clock.seen, index: clock.index,
        time: clock.time, picture: clock.video.currentTime, count: clock.sounds.length,
        wide: clock.video.videoWidth, pick: node.widgets.find(w => w.name === "pick").value,
        saved: node.serialize().widgets_values};
}"""
# Picture and sound of the same moment: nobody sees 45 ms (ITU-R BT.1359).
TOGETHER = """() => {
    const {clock} = window.app.graph.nodes.find(n => n.type === "FoleyStageTakes").foleyTakes;
    return clock.playing && clock.time > 0.2 && clock.video.currentTime > 0.2
        && Math.abs(clock.time - clock.video.currentTime) < 0.045;
}"""
SOUNDING = """() => {
    const {clock} = window.app.graph.nodes.find(n => n.type === "FoleyStageTakes").foleyTakes;
    return clock.playing && clock.time > 0.2;
}"""
# Whether this renderer shows DOM widgets at all: early Vue nodes did not.
# Least contrast (WCAG 2) of all words in the list, and what makes them fade.
CONTRAST = """() => {
    const list = document.querySelector(".foley-takes");
    const light = colour => {
        const parts = colour.match(/[\\d.]+/g).map(Number);
        if (parts.length > 3 && parts[3] < 1) throw new Error(`${colour} is not opaque`);
        const [r, g, b] = parts.map(c => c / 255)
            .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = e => {
        const colour = getComputedStyle(e).backgroundColor;
        return colour === "rgba(0, 0, 0, 0)" ? ground(e.parentElement) : colour;
    };
    const parts = [...list.querySelectorAll("button, .foley-takes-time")];
    const ratios = parts.map(e => {
        const [low, high] = [light(getComputedStyle(e).color), light(ground(e))]
            .sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    });
    let faded = 1;
    for (let e = list; e; e = e.parentElement) faded *= Number(getComputedStyle(e).opacity);
    const sizes = parts.map(e => e.getBoundingClientRect().height);
    return {least: Math.min(...ratios), count: parts.length, faded, low: Math.min(...sizes)};
}"""
THEMES = ("dark", "light")
EVEN = {"off": 0.0, "clips": False, "silent": False}
RANKING = (
    {"take": 3, **EVEN, "hits": 13, "in_time": 13, "late_ms": 0.0, "extra": 0},
    {"take": 1, **EVEN, "off": -4.0, "hits": 13, "in_time": 12, "late_ms": 12.0, "extra": 2},
    {"take": 2, **EVEN, "clips": True, "hits": 13, "in_time": 8, "late_ms": 0.0, "extra": 0},
)


@pytest.fixture
def filled(page, look):
    """filled(renderer, theme): a node with three takes and their picture."""

    def fill(
        renderer: str = "classic",
        theme: str = "dark",
        picture: str | None = "clip.mp4",
        ranking: tuple[dict, ...] = (),
    ):
        look(renderer, theme)
        page.evaluate(ALONE, ["FoleyStageTakes", None])
        shown = [picture] if picture else []
        page.evaluate(FILL, [["reference.wav"] * 3, shown, list(ranking)])
        page.locator(".foley-takes-numbers button").nth(2).wait_for(state="visible")
        page.wait_for_timeout(500)

    return fill


def player(page):
    return page.evaluate(PLAYER)


def ours(page):
    """What the console said of our files; the frontend has complaints of its own."""
    return [error for error in page.errors if "foleystage" in error]


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("picture", ["clip.mp4", None])
def test_a_number_plays_its_take_and_sets_the_pick(page, filled, renderer, picture):
    filled(renderer, picture=picture)
    page.locator(".foley-takes-numbers button").nth(1).click()
    page.wait_for_function(TOGETHER if picture else SOUNDING, timeout=10_000)
    now = player(page)
    assert (now["pick"], now["picked"], now["index"], now["count"]) == (2, 2, 1, 3)
    assert now["seen"] == bool(picture) and now["wide"] == (128 if picture else 0)
    assert not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_field_of_the_pick_moves_the_list(page, filled, renderer):
    filled(renderer)
    page.evaluate("""() => {
        const pick = window.app.graph.nodes[0].widgets.find(w => w.name === "pick");
        pick.value = 3;
        pick.callback(3);
    }""")
    now = player(page)
    assert now["picked"] == 3 and now["index"] == 2 and not now["playing"]


@pytest.mark.parametrize(
    ("renderer", "theme"), list(itertools.product(RENDERERS, THEMES)), ids=" ".join
)
def test_all_words_are_legible(page, filled, renderer, theme):
    filled(renderer, theme)
    shown = page.evaluate(CONTRAST)
    assert shown["count"] == 6 and shown["faded"] == 1
    assert shown["least"] >= 4.5
    assert shown["low"] >= 12


@pytest.mark.parametrize(
    ("renderer", "theme"), list(itertools.product(RENDERERS, THEMES)), ids=" ".join
)
def test_ranks_and_reasons_are_legible_and_inside_the_node(page, filled, renderer, theme):
    filled(renderer, theme, ranking=RANKING)
    buttons = page.locator(".foley-takes-numbers button")
    assert [text[0] for text in buttons.all_inner_texts()] == ["3", "1", "2"]
    assert "12 ms late" in buttons.nth(1).inner_text()
    shown = page.evaluate(CONTRAST)
    assert shown["count"] == 6 and shown["faded"] == 1 and shown["least"] >= 4.5
    outer = page.locator(".foley-takes").bounding_box()
    inner = page.locator(".foley-takes-bar").bounding_box()
    assert inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1
    assert page.locator(".foley-takes-stage").bounding_box()["height"] >= 80
    buttons.nth(1).click()
    assert player(page)["pick"] == 1
    assert not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_saved_node_holds_its_own_values_alone(page, server, filled, renderer):
    filled(renderer)
    page.locator(".foley-takes-numbers button").nth(1).click()
    assert player(page)["saved"] == [2, 0, 25]
    sent = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    (inputs,) = (entry["inputs"] for entry in sent.values())
    assert inputs == {"pick": 2, "start": 0, "fps": 25}


# What version 0.1 saved, on the canvas and under Nodes 2.0.
@pytest.mark.parametrize("saved", [[3], [3, ""]], ids=["canvas", "nodes 2.0"])
@pytest.mark.parametrize("renderer", RENDERERS)
def test_an_older_graph_opens_with_its_pick(page, look, renderer, saved):
    look(renderer)
    page.evaluate(ALONE, ["FoleyStageTakes", {"widgets_values": saved}])
    page.wait_for_timeout(300)
    now = player(page)
    assert now["pick"] == now["picked"] == 3 and now["saved"] == [3, 0, 25]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_keys_over_the_list_do_not_reach_the_canvas(page, filled, renderer):
    filled(renderer)
    page.evaluate("document.activeElement.blur()")
    page.locator(".foley-takes-time").hover()
    page.keyboard.down(" ")
    panning = page.evaluate("window.app.canvas.read_only")
    page.keyboard.up(" ")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    now = player(page)
    assert now["playing"] and now["pick"] == 2 and not panning


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_wheel_zooms_the_graph_over_the_list_too(page, filled, renderer):
    filled(renderer)
    page.locator(".foley-takes-time").hover()
    page.mouse.wheel(0, 120)
    page.wait_for_function("window.app.canvas.ds.scale < 1", timeout=5000)


def test_keys_beside_the_list_reach_the_canvas(page, filled):
    filled()
    box = page.locator(".foley-takes").bounding_box()
    page.mouse.click(box["x"] + box["width"] + 200, box["y"])
    page.keyboard.down(" ")
    panning = page.evaluate("window.app.canvas.read_only")
    page.keyboard.up(" ")
    page.keyboard.press("2")
    now = player(page)
    assert panning and not now["playing"] and now["pick"] == 1


def test_results_that_the_frontend_kept_are_shown_again(page, look):
    look("classic")
    number = page.evaluate(ALONE, ["FoleyStageTakes", None])
    file = {"filename": "reference.wav", "subfolder": "", "type": "input"}
    kept = {str(number): {"takes": [file] * 2}}
    page.evaluate("kept => { window.app.nodeOutputs = kept; }", kept)
    assert player(page)["count"] == 2
    page.evaluate("window.app.nodeOutputs = {}")
    assert not ours(page)


def test_a_removed_node_falls_silent(page, filled):
    filled()
    page.locator(".foley-takes-numbers button").first.click()
    page.evaluate("""() => {
        const [node] = window.app.graph.nodes;
        window.gone = node.foleyTakes.clock;
        window.sounds = [...window.gone.sounds];
        window.app.graph.remove(node);
    }""")
    assert page.evaluate("window.sounds.every(s => s.paused && !s.hasAttribute('src'))")


def test_the_list_speaks_the_language_of_the_frontend(page, look):
    look("classic")
    try:
        speak(page, "zh")
        page.evaluate(ALONE, ["FoleyStageTakes", None])
        page.locator(".foley-takes").wait_for(state="visible")
        assert page.locator(".foley-takes").get_attribute("aria-label") == "各条声音"
    finally:
        speak(page, "en")


def test_takes_of_a_run_play_under_their_video(page, server, look):
    look("classic")
    graph = whole(takes=2)
    graph["takes"] = node("Takes", audio=["decode", 0], video=["video", 0], pick=1)
    graph["takes"]["inputs"] |= {"start": ["decode", 1], "fps": 25.0}
    graph["mux"]["inputs"]["audio"] = ["takes", 0]
    page.evaluate("graph => window.app.loadApiJson(graph, 'takes')", graph)
    page.evaluate("async () => { await window.app.queuePrompt(0, 1); }")
    page.wait_for_function(
        "window.app.graph.nodes.find(n => n.type === 'FoleyStageTakes')"
        "?.foleyTakes?.clock.sounds.length === 2",
        timeout=120_000,
    )
    page.evaluate("""() => {
        const {canvas, graph} = window.app;
        const node = graph.nodes.find(n => n.type === "FoleyStageTakes");
        Object.assign(canvas.ds, {scale: 1, offset: [300 - node.pos[0], 200 - node.pos[1]]});
        canvas.setDirty(true, true);
    }""")
    page.locator(".foley-takes-numbers button").nth(1).click()
    page.wait_for_function(TOGETHER, timeout=10_000)
    now = player(page)
    assert now["playing"] and now["seen"] and now["wide"] == 128 and now["pick"] == 2
    assert not ours(page)
