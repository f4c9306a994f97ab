"""A cue sheet edited on its timeline by pointer and wheel, in both renderers."""

from __future__ import annotations

import functools

import pytest
from frontend import RENDERERS
from range_page import ours
from timeline_page import HITS, SECONDS, SEEN, VIEW, show_timeline, timeline_server

pytestmark = pytest.mark.slow

TOGETHER = f"""() => {{
    const {{clock}} = {VIEW}.player;
    return clock.playing && clock.seen && clock.time > 1.8 && clock.video.videoWidth > 0
        && Math.abs(clock.time - clock.video.currentTime) < 0.045;
}}"""


@pytest.fixture(scope="module")
def server():
    return timeline_server()


@pytest.fixture
def drawn(page, server, look):
    """drawn(renderer, theme, text): the lanes of a node that has run once."""
    return functools.partial(show_timeline, page, server, look)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_it_shows_what_is_seen_and_writes_nothing(drawn, renderer):
    now = drawn(renderer).now
    assert now["text"] == "" and now["saved"] == [25, ""] and now["hidden"]
    assert now["hits"] == now["seen"] == SEEN
    assert now["seconds"] == now["span"] == SECONDS and now["film"] == 12 * 96


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_click_adds_a_hit_as_hard_as_it_is_high(page, drawn, renderer):
    lanes = drawn(renderer)
    lanes.click(lanes.dot(2.6, 0.4))
    hits = lanes.sheet["hits"]
    # The first edit writes down all that are seen.
    assert [hit for hit in hits if hit in SEEN] == SEEN and len(hits) == 5
    assert hits[3]["time"] == pytest.approx(2.6, abs=lanes.near)
    assert hits[3]["strength"] == pytest.approx(0.4, abs=0.03)
    now = lanes.now
    assert now["chosen"] == {"lane": "hits", "entry": hits[3]}
    assert now["focused"] == "Hit" and now["said"].endswith("strength 0.40")
    assert not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_hit_is_dragged_sideways_in_time_and_up_and_down_in_strength(page, drawn, renderer):
    lanes = drawn(renderer)
    lanes.drag(lanes.dot(1.25, 0.7), lanes.dot(1.6, 0.66))
    moved = lanes.sheet["hits"][1]
    # The picture is that of the hit.
    assert lanes.now["cue"] == moved["time"]
    assert moved == {"time": pytest.approx(1.6, abs=lanes.near), "strength": 0.7}
    lanes.drag(lanes.dot(2.01, 0.5), lanes.dot(2.03, 0.95))
    harder = lanes.sheet["hits"][2]
    assert harder == {"time": 2.01, "strength": pytest.approx(0.95, abs=0.03)}
    # Back near to where it was seen it snaps there, but not with Shift.
    lanes.drag(lanes.dot(moved["time"], 0.7), lanes.dot(1.25, 0.7, off=5))
    assert lanes.sheet["hits"][1]["time"] == 1.25
    page.keyboard.down("Shift")
    lanes.drag(lanes.dot(1.25, 0.7), lanes.dot(1.25, 0.7, off=6))
    page.keyboard.up("Shift")
    beside = 1.25 + 6 * SECONDS / lanes.box["width"]
    assert lanes.sheet["hits"][1]["time"] == pytest.approx(beside, abs=lanes.near)
    assert not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_seen_hit_stays_as_a_ghost_and_comes_back(page, drawn, renderer):
    lanes = drawn(renderer)
    lanes.click(lanes.dot(1.25, 0.7))
    assert lanes.sheet == {}
    lanes.key("Delete")
    assert lanes.sheet["hits"] == [SEEN[0], {**SEEN[1], "removed": True}, *SEEN[2:]]
    assert lanes.now["focused"] == "Removed hit"
    page.locator(".foley-timeline-remove").click()
    assert lanes.sheet["hits"] == SEEN
    # One that nobody saw is gone.
    lanes.click(lanes.dot(2.6, 0.5))
    page.locator(".foley-timeline-remove").click()
    assert lanes.sheet["hits"] == SEEN
    page.locator(".foley-timeline-as-seen").click()
    assert lanes.now["text"] == "" and page.locator(".foley-timeline-as-seen").is_hidden()


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_prompt_is_drawn_and_written(page, drawn, renderer):
    lanes = drawn(renderer)
    lanes.drag(lanes.at("prompts", 0.2), lanes.at("prompts", 1.7))
    page.keyboard.type("glass on wood")
    assert lanes.now["field"] == "prompt"
    page.locator(".foley-timeline [data-name=negative]").fill("music")
    page.locator(".foley-timeline [data-name=guidance]").fill("4.5")
    page.keyboard.press("Enter")
    (prompt,) = lanes.sheet["prompts"]
    about = {"prompt": "glass on wood", "negative": "music", "guidance": 4.5}
    assert prompt == {
        "start": pytest.approx(0.2, abs=lanes.near),
        "end": pytest.approx(1.7, abs=lanes.near),
        **about,
    }
    assert lanes.now["focused"] == "prompt: glass on wood"
    # The next one ends where this one begins.
    lanes.drag(lanes.at("prompts", 3.0), lanes.at("prompts", 1.0))
    first, second = lanes.sheet["prompts"]
    assert second["start"] == first["end"]
    # Another click on the first shows its words again.
    lanes.click(lanes.at("prompts", 0.8))
    assert page.locator(".foley-timeline [data-name=prompt]").input_value() == "glass on wood"
    page.locator(".foley-timeline [data-name=guidance]").fill("")
    assert "guidance" not in lanes.sheet["prompts"][0]
    lanes.click(lanes.at("prompts", 0.8))
    lanes.key("Delete")
    assert lanes.sheet["prompts"] == [second] and not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_ranges_are_dragged_by_edges_and_middle_and_never_overlap(page, drawn, renderer):
    takes = '[{"start": 0.2, "end": 1.0, "take": 2}, {"start": 2.4, "end": 3.4, "take": 4}]'
    text = f'{{"format": "foleystage cues", "version": 1, "seconds": 4, "takes": {takes}}}'
    lanes = drawn(renderer, text=text)
    lanes.drag(lanes.at("takes", 1.0), lanes.at("takes", 1.8))
    assert lanes.sheet["takes"][0]["end"] == pytest.approx(1.8, abs=lanes.near)
    lanes.drag(lanes.at("takes", 2.9), lanes.at("takes", 2.0))
    first, second = lanes.sheet["takes"]
    assert second == {"start": first["end"], "end": pytest.approx(first["end"] + 1), "take": 4}
    lanes.drag(lanes.at("takes", 3.2), lanes.at("takes", 3.8))
    new = lanes.sheet["takes"][2]
    assert new["take"] == 3 and new["start"] == pytest.approx(3.2, abs=lanes.near)
    page.locator(".foley-timeline [data-name=take]").fill("7")
    assert lanes.sheet["takes"][2]["take"] == 7
    # An edge snaps to just before a hit, which is then inside.
    lanes.drag(lanes.at("takes", 0.2), lanes.at("takes", HITS[0] - 0.08, off=4))
    assert lanes.sheet["takes"][0]["start"] == pytest.approx(HITS[0] - 0.08, abs=1e-3)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_mutes_and_levels_are_drawn(page, drawn, renderer):
    lanes = drawn(renderer)
    lanes.drag(lanes.at("mutes", 3.3), lanes.at("mutes", 3.8))
    (mute,) = lanes.sheet["mutes"]
    assert mute == {
        "start": pytest.approx(3.3, abs=lanes.near),
        "end": pytest.approx(3.8, abs=lanes.near),
    }
    # The line of the level lies at 0 dB, a quarter from the top.
    line = (lanes.now["boxes"]["levels"]["height"] - 8) / 4 + 4
    share = line / lanes.now["boxes"]["levels"]["height"]
    lanes.click(lanes.at("levels", 0.8, share))
    assert lanes.sheet["levels"] == [{"time": pytest.approx(0.8, abs=lanes.near), "gain": 0}]
    lanes.drag(lanes.at("levels", 1.6, share), lanes.at("levels", 1.7, 0.75))
    one, other = lanes.sheet["levels"]
    assert one["gain"] == 0 and other["time"] == pytest.approx(1.7, abs=lanes.near)
    assert -27 < other["gain"] < -24
    page.locator(".foley-timeline [data-name=gain]").fill("-6")
    page.keyboard.press("Enter")
    assert lanes.sheet["levels"][1]["gain"] == -6
    lanes.key("Delete")
    assert lanes.sheet["levels"] == [one] and not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_escape_during_a_drag_leaves_everything_as_it_was(page, drawn, renderer):
    lanes = drawn(renderer)
    for first, last in (
        (lanes.dot(1.25, 0.7), lanes.dot(1.6, 0.7)),
        (lanes.at("takes", 1.0), lanes.at("takes", 2.0)),
    ):
        lanes.drag(first, last, end=False)
        lanes.key("Escape")
        page.mouse.up()
        assert lanes.now["text"] == "" and lanes.now["hits"] == SEEN
    assert not page.evaluate(f"{VIEW}.model.sheet.takes.length")


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_wheel_zooms_and_scrolls_the_line_alone(page, drawn, renderer):
    lanes = drawn(renderer)
    page.mouse.move(*lanes.at("film", 2.0))
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(200)
    now = lanes.now
    assert now["span"] == pytest.approx(SECONDS / 1.0015**400, rel=0.01)
    assert now["from"] + now["span"] / 2 == pytest.approx(2.0, abs=0.02)
    page.keyboard.down("Shift")
    page.mouse.wheel(0, 80)
    page.keyboard.up("Shift")
    page.wait_for_timeout(100)
    assert lanes.now["from"] > now["from"] and lanes.now["scale"] == 1
    # A pixel is less time now.
    lanes.drag(lanes.at("takes", 2.2), lanes.at("takes", 2.5))
    assert lanes.sheet["takes"][0]["end"] == pytest.approx(2.5, abs=lanes.near)
    page.locator(".foley-timeline-fit").click()
    page.wait_for_timeout(100)
    assert (lanes.now["from"], lanes.now["span"]) == (0, SECONDS)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_it_is_played_from_anywhere_with_its_picture(page, drawn, renderer):
    lanes = drawn(renderer)
    lanes.click(lanes.at("ruler", 1.6))
    now = lanes.now
    assert now["cue"] == pytest.approx(1.6, abs=lanes.near) and now["focused"] == "Playhead"
    page.locator(".foley-timeline-play").click()
    page.wait_for_function(TOGETHER, timeout=10_000)
    # A click elsewhere goes on there.
    lanes.click(lanes.at("film", 0.4))
    page.wait_for_timeout(300)
    assert lanes.now["playing"] and 0.3 < lanes.now["time"] < 1.4
    page.locator(".foley-timeline-play").click()
    now = lanes.now
    assert not now["playing"] and now["cue"] == pytest.approx(now["time"], abs=0.05)
    assert now["text"] == "" and not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_drag_is_true_at_any_zoom_of_the_graph(page, drawn, renderer):
    lanes = drawn(renderer)
    page.evaluate("""() => {
        const {canvas} = window.app;
        Object.assign(canvas.ds, {scale: 1.4, offset: [60, 0]});
        canvas.setDirty(true, true);
    }""")
    page.wait_for_timeout(700)
    lanes.drag(lanes.at("takes", 0.8), lanes.at("takes", 2.6))
    (take,) = lanes.sheet["takes"]
    assert take["start"] == pytest.approx(0.8, abs=lanes.near)
    assert take["end"] == pytest.approx(2.6, abs=lanes.near)
    lanes.click(lanes.dot(2.8, 0.5))
    assert lanes.sheet["hits"][3]["strength"] == pytest.approx(0.5, abs=0.03)
