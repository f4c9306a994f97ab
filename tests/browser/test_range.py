"""A range drawn on a node's waveform by pointer, wheel and keys, in both renderers."""

from __future__ import annotations

import functools
import itertools

import pytest
from frontend import ALONE, RENDERERS
from range_page import KIND, NEAR, ONSETS, SECONDS, VIEW, Line, draw_on, range_server

pytestmark = pytest.mark.slow

# Least contrasts (WCAG 2) of words, and of what is drawn on the canvas, with its ground.
CONTRASTS = """() => {
    const view = window.app.graph.nodes[0].foleyRange, {canvas, model, area} = view;
    const light = colour => {
        const [r, g, b] = colour.slice(0, 3).map(c => c / 255)
            .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (one, other) => {
        const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const parts = colour => colour.match(/[\\d.]+/g).map(Number);
    const {backgroundColor, color} = getComputedStyle(view.element);
    const ground = parts(backgroundColor), context = canvas.getContext("2d");
    const scale = canvas.width / area.offsetWidth;
    const pixel = (time, off, y) => {
        const x = Math.floor((model.place(time, area.offsetWidth) + off) * scale);
        const [r, g, b, a] = context.getImageData(x, Math.floor(y * scale), 1, 1).data;
        return [r, g, b].map((c, i) => (c * a + ground[i] * (255 - a)) / 255);
    };
    const middle = 18 + (area.offsetHeight - 19) / 2;
    return {
        words: ratio(parts(color), ground),
        wave: ratio(pixel(0.51, 1, middle - 3), ground),
        range: ratio(pixel(2.02, 1, middle - 3), pixel(1.9, 0, middle - 20)),
        edge: ratio(pixel(2.5, 0, 24), ground),
    };
}"""


@pytest.fixture(scope="module")
def server():
    return range_server()


@pytest.fixture
def drawn(page, server, look):
    """drawn(renderer, theme, text): the line of a node that has run once."""
    return functools.partial(draw_on, page, server, look)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_edges_and_middle_are_dragged(drawn, renderer):
    line = drawn(renderer, text='{"start": 0.8, "stop": 2.6}')
    line.drag(line.at(2.6), line.at(3.6))
    assert line.range == {"start": 0.8, "stop": pytest.approx(3.6, abs=NEAR)}
    # Over the other edge: the range turns round.
    line.drag(line.at(line.range["stop"]), line.at(0.3))
    assert line.range == {"start": pytest.approx(0.3, abs=NEAR), "stop": 0.8}
    # No onset is near to where either edge comes.
    line.drag(line.at(0.55), line.at(2.65))
    moved = line.range
    assert moved["start"] == pytest.approx(2.4, abs=2 * NEAR)
    assert moved["stop"] - moved["start"] == pytest.approx(0.5, abs=NEAR)
    assert line.now["edge"] == "start"


@pytest.mark.parametrize("renderer", RENDERERS)
def test_edges_snap_to_onsets_but_not_with_shift(page, drawn, renderer):
    line = drawn(renderer)
    assert line.now["onsets"] == pytest.approx(ONSETS, abs=0.003)
    first, last = line.now["onsets"][1:3]
    line.drag(line.at(first, -5), line.at(last, 5))
    assert line.range == {"start": first, "stop": last}
    page.keyboard.down("Shift")
    line.drag(line.at(last), line.at(last, 6))
    page.keyboard.up("Shift")
    beside = line.range
    assert beside["start"] == first
    assert beside["stop"] == pytest.approx(last + 6 / line.pixels(1), abs=NEAR)
    # The whole of it: here its start meets an onset, and its length stays.
    middle = (first + beside["stop"]) / 2
    target = line.now["onsets"][0] + middle - first
    line.drag(line.at(middle), line.at(target, 4))
    moved = line.range
    assert moved["start"] == line.now["onsets"][0]
    assert moved["stop"] - moved["start"] == pytest.approx(beside["stop"] - first, abs=0.0011)
    line.drag(line.at(3.5), line.at(SECONDS, -4))
    assert line.range["stop"] == SECONDS


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("way", ["double-click", "Escape", "button"])
def test_a_range_is_cleared(page, drawn, renderer, way):
    line = drawn(renderer)
    line.drag(line.at(0.8), line.at(2.6))
    assert line.range
    if way == "double-click":
        page.mouse.dblclick(*line.at(1.6))
    elif way == "Escape":
        line.key("Escape")
    else:
        page.locator(".foley-range-clear").click()
    now = line.now
    assert now["text"] == "" and now["range"] is None and now["saved"] == [SECONDS, "", "after"]
    assert page.locator(".foley-range-clear").is_hidden()


@pytest.mark.parametrize("renderer", RENDERERS)
def test_escape_during_a_drag_leaves_the_range_as_it_was(page, drawn, renderer):
    line = drawn(renderer, text='{"start": 0.8, "stop": 2.6}')
    line.drag(line.at(2.6), line.at(3.5), end=False)
    assert line.now["range"]["stop"] == pytest.approx(3.5, abs=NEAR)
    line.key("Escape")
    page.mouse.up()
    assert line.range == line.now["range"] == {"start": 0.8, "stop": 2.6}


@pytest.mark.parametrize("renderer", RENDERERS)
def test_keys_move_the_edges(page, drawn, renderer):
    line = drawn(renderer, text='{"start": 1.0, "stop": 2.5}')
    page.mouse.move(0, 0)
    page.locator(".foley-range-area").focus()
    line.key("Tab")
    assert line.now["focused"] == "Start of the range" and line.now["edge"] == "start"
    line.key("ArrowRight", "ArrowRight", "ArrowLeft")
    assert line.range == {"start": 1.01, "stop": 2.5}
    line.key("Tab")
    assert line.now["focused"] == "End of the range"
    line.key("Shift+ArrowRight", "ArrowLeft")
    assert line.range == {"start": 1.01, "stop": 2.59}
    line.key("Shift+Tab", "Shift+ArrowLeft")
    assert line.range == {"start": 0.91, "stop": 2.59}
    handle = page.locator(".foley-range-edge").first
    assert handle.get_attribute("aria-valuenow") == "0.91"
    line.key("Escape")
    assert line.range is None and line.now["focused"] == "Waveform"
    # Without a range arrows move the playhead, and I and O set the edges there.
    line.key("Shift+ArrowRight", "Shift+ArrowRight", "i", "Escape", *["Shift+ArrowRight"] * 3, "o")
    assert line.range == {"start": 0, "stop": 0.3}
    assert page.evaluate("window.app.graph.nodes.length") == 1


@pytest.mark.parametrize("renderer", RENDERERS)
def test_edges_stop_at_each_other_and_at_the_ends(page, drawn, renderer):
    line = drawn(renderer, text='{"start": 0.05, "stop": 0.08}')
    page.locator(".foley-range-area").focus()
    line.key("Tab", "Shift+ArrowRight")
    assert line.range == {"start": 0.07, "stop": 0.08}
    line.key("Shift+ArrowLeft")
    assert line.range == {"start": 0, "stop": 0.08}
    line.key("Tab", *["Shift+ArrowRight"] * 40)
    assert line.range == {"start": 0, "stop": SECONDS}


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_wheel_zooms_and_scrolls_the_line_alone(page, drawn, renderer):
    line = drawn(renderer)
    page.mouse.move(*line.at(2.0))
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(200)
    now = line.now
    assert now["span"] == pytest.approx(SECONDS / 1.0015**400, rel=0.01)
    assert now["from"] + now["span"] / 2 == pytest.approx(2.0, abs=0.02)
    page.mouse.wheel(50, 0)
    page.wait_for_timeout(100)
    assert line.now["from"] > now["from"] and line.now["span"] == now["span"]
    # A pixel is less time now.
    line.drag(line.at(2.1), line.at(2.3))
    assert line.range["start"] == pytest.approx(2.1, abs=0.009)
    page.mouse.wheel(0, 4000)
    page.wait_for_timeout(100)
    now = line.now
    assert (now["from"], now["span"], now["scale"]) == (0, SECONDS, 1)
    page.locator(".foley-range-times").hover()
    page.mouse.wheel(0, 120)
    page.wait_for_function("window.app.canvas.ds.scale < 1", timeout=5000)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_drag_is_true_at_any_zoom_of_the_graph(page, drawn, renderer):
    line = drawn(renderer)
    page.evaluate("""() => {
        const {canvas} = window.app;
        Object.assign(canvas.ds, {scale: 1.6, offset: [60, 40]});
        canvas.setDirty(true, true);
    }""")
    page.wait_for_timeout(700)
    line = Line(page)
    line.drag(line.at(0.8), line.at(2.6))
    assert line.range == {
        "start": pytest.approx(0.8, abs=NEAR),
        "stop": pytest.approx(2.6, abs=NEAR),
    }
    assert page.evaluate(f"{VIEW}.canvas.width") == pytest.approx(1.6 * line.now["width"], abs=2)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_before_the_first_run_the_line_is_empty_and_can_be_drawn_on(page, look, renderer):
    look(renderer)
    page.evaluate(ALONE, [KIND, None])
    page.locator(".foley-range-area").wait_for(state="visible")
    page.wait_for_timeout(500)
    line = Line(page)
    now = line.now
    assert now["empty"] == "Run once to see the sound." and now["span"] == 10
    assert page.locator(".foley-range-play").is_hidden()
    line.drag(line.at(2.0), line.at(6.0))
    assert line.range["stop"] == pytest.approx(6.0, abs=0.05)
    # All of it lies on the node.
    assert page.evaluate("""() => {
        const [node] = window.app.graph.nodes, {scale, offset} = window.app.canvas.ds;
        const box = document.querySelector(".foley-range").getBoundingClientRect();
        const shown = window.app.canvas.canvas.getBoundingClientRect();
        return box.bottom <= shown.y + (node.pos[1] + node.size[1] + offset[1]) * scale + 1;
    }""")


@pytest.mark.parametrize(
    ("renderer", "theme"), list(itertools.product(RENDERERS, ["dark", "light"]))
)
def test_the_drawing_stands_out_from_its_ground(page, drawn, renderer, theme):
    line = drawn(renderer, theme, text='{"start": 1.25, "stop": 2.5}')
    least = page.evaluate(CONTRASTS)
    # WCAG 2.1, 1.4.11: 3 for what is drawn, 4.5 for words.
    assert least["words"] >= 4.5
    assert least["wave"] >= 3 and least["range"] >= 3 and least["edge"] >= 3
    assert line.now["shown"] == "1.250 – 2.500 s (1.250 s)"
    fits = "() => { const t = document.querySelector('.foley-range-times');"
    assert page.evaluate(fits + " return t.scrollWidth <= t.clientWidth; }")
