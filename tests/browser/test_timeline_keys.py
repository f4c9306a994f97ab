"""A cue sheet edited on its timeline by keys alone, in both renderers."""

from __future__ import annotations

import functools

import pytest
from frontend import RENDERERS
from range_page import ours
from timeline_page import HITS, SECONDS, SEEN, VIEW, show_timeline, timeline_server

pytestmark = pytest.mark.slow

TEXT = """{"format": "foleystage cues", "version": 1, "seconds": 4,
    "prompts": [{"start": 0.5, "end": 1.5, "prompt": "glass"}, {"start": 2, "end": 3}],
    "mutes": [{"start": 1, "end": 2}],
    "levels": [{"time": 1, "gain": -6}]}"""


@pytest.fixture(scope="module")
def server():
    return timeline_server()


@pytest.fixture
def drawn(page, server, look):
    """drawn(renderer, theme, text): the lanes of a node that has run once, its playhead chosen."""

    def draw(*given, **named):
        lanes = show_timeline(page, server, look, *given, **named)
        page.locator(".foley-timeline-handle").first.focus()
        return lanes

    return functools.wraps(show_timeline)(draw)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_tab_goes_from_one_to_the_next_and_page_down_from_lane_to_lane(drawn, renderer):
    lanes = drawn(renderer, text=TEXT)
    names = []
    for _ in range(9):
        names.append(lanes.now["focused"])
        lanes.key("Tab")
    empty = "prompt: no words yet"
    assert names == ["Playhead", *["Hit"] * 4, "prompt: glass", empty, "Muted", "Level"]
    lanes.key("Shift+Tab")
    assert lanes.now["focused"] == "Level" and lanes.now["said"] == "1.000 s, -6 dB"
    lanes.key("PageDown")
    assert lanes.now["focused"] == "Playhead"
    # The playhead has gone with the hits: the prompt that is nearest to the last one.
    lanes.key("PageDown", "PageDown")
    assert lanes.now["focused"] == empty and lanes.now["said"] == "2.000 – 3.000 s"
    lanes.key("PageUp", "PageUp")
    assert lanes.now["focused"] == "Playhead" and lanes.now["chosen"] is None


@pytest.mark.parametrize("renderer", RENDERERS)
def test_arrows_move_what_has_the_focus(drawn, renderer):
    lanes = drawn(renderer, text=TEXT)
    lanes.key("ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "ArrowLeft")
    assert lanes.now["cue"] == pytest.approx(0.2)
    lanes.key("End")
    assert lanes.now["cue"] == SECONDS
    lanes.key("Home", "Tab", "ArrowRight")
    assert lanes.sheet["hits"] == [{**SEEN[0], "time": 0.52}, *SEEN[1:]]
    # It keeps the focus where it passes another one.
    lanes.key("Tab", *["Shift+ArrowLeft"] * 8)
    assert [hit["time"] for hit in lanes.sheet["hits"]] == [0.45, 0.52, *HITS[2:]]
    assert lanes.now["said"].startswith("0.450 s")
    lanes.key("PageDown", "ArrowLeft", "Alt+Shift+ArrowRight")
    assert lanes.sheet["prompts"][0] == {"start": 0.49, "end": 1.59, "prompt": "glass"}
    # It stops at its neighbour.
    lanes.key(*["Shift+ArrowRight"] * 6)
    assert lanes.sheet["prompts"][0] == {"start": 0.9, "end": 2, "prompt": "glass"}


@pytest.mark.parametrize("renderer", RENDERERS)
def test_plus_and_minus_are_strength_and_level_and_zoom_the_rest(drawn, renderer):
    lanes = drawn(renderer, text=TEXT)
    lanes.key("+")
    assert lanes.now["span"] == pytest.approx(SECONDS / 1.5)
    lanes.key("-", "Tab", "-", "ArrowDown", "+", "-")
    assert lanes.sheet["hits"][0]["strength"] == 0.8
    lanes.key(*["+"] * 6)
    assert lanes.sheet["hits"][0]["strength"] == 1
    lanes.key("PageUp", "PageUp", "+", "ArrowUp")
    assert lanes.sheet["levels"] == [{"time": 1, "gain": -4}]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_n_and_insert_make_new_ones_at_the_playhead(page, drawn, renderer):
    lanes = drawn(renderer)
    lanes.key(*["Shift+ArrowRight"] * 9, "n")
    assert {"time": 0.9, "strength": 0.8} in lanes.sheet["hits"]
    # The names of the lanes make new ones too.
    page.locator(".foley-timeline-label", has_text="Takes").press("Enter")
    assert lanes.sheet["takes"] == [{"start": 0.9, "end": 1.9, "take": 2}]
    assert lanes.now["focused"] == "Take 2"
    page.locator(".foley-timeline-handle").first.focus()
    lanes.key("End", *["Shift+ArrowLeft"] * 3)
    page.locator(".foley-timeline-label", has_text="Prompts").press("Enter")
    page.keyboard.type("steps")
    lanes.key("Enter")
    assert lanes.sheet["prompts"] == [{"start": 3.7, "end": 4, "prompt": "steps"}]
    lanes.key("i")
    assert lanes.now["focused"] == "prompt: steps"
    page.evaluate(f"{VIEW}.seek(1.2)")
    lanes.key("Insert")
    assert lanes.sheet["prompts"][0] == {"start": 1.2, "end": 2.2}
    lanes.key("Escape")
    page.evaluate(f"{VIEW}.seek(2.5)")
    lanes.key("o")
    assert lanes.sheet["prompts"][0]["end"] == 2.5 and not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_delete_removes_and_puts_back(page, drawn, renderer):
    lanes = drawn(renderer, text=TEXT)
    lanes.key("Tab", "Tab", "Delete")
    assert lanes.sheet["hits"][1] == {**SEEN[1], "removed": True}
    lanes.key("Delete")
    assert lanes.sheet["hits"] == SEEN
    lanes.key("PageDown", "Backspace")
    assert lanes.sheet["prompts"] == [{"start": 2, "end": 3}]
    # The next one has the focus, and the node is still there.
    assert lanes.now["focused"] == "prompt: no words yet"
    lanes.key("Delete")
    assert "prompts" not in lanes.sheet and lanes.now["focused"] == "Playhead"
    lanes.key("Delete")
    assert page.evaluate("window.app.graph.nodes.length") == 3


@pytest.mark.parametrize("renderer", RENDERERS)
def test_edits_are_undone_and_done_again_one_by_one(page, drawn, renderer):
    lanes = drawn(renderer)
    texts = [""]
    for keys in (["Tab", "ArrowRight"], ["Delete"], ["PageDown", "n"]):
        lanes.key(*keys)
        texts.append(lanes.now["text"])
    page.locator(".foley-timeline-label", has_text="Prompts").press("Enter")
    page.keyboard.type("glass")
    page.keyboard.press("Enter")
    lanes.key("Control+z")
    # The words are one step, the range another one.
    assert "prompt" not in lanes.sheet["prompts"][0]
    lanes.key("Control+z")
    assert lanes.now["text"] == texts[3]
    view = page.evaluate_handle(VIEW)
    for text in reversed(texts[:3]):
        lanes.key("Control+z")
        assert lanes.now["text"] == text
    for text in texts[1:]:
        lanes.key("Control+Shift+z")
        assert lanes.now["text"] == text
    lanes.key("Control+z", "Control+y")
    assert lanes.now["text"] == texts[3]
    # The graph itself was not undone: it is the same node.
    page.wait_for_timeout(500)
    assert page.evaluate(f"view => view === {VIEW}", view) and lanes.now["text"] == texts[3]
    page.locator(".foley-timeline-undo").click()
    assert lanes.now["text"] == texts[2] and not ours(page)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_space_plays_and_enter_brings_the_playhead(page, drawn, renderer):
    lanes = drawn(renderer, text=TEXT)
    lanes.key("Tab", "Tab", "Enter")
    assert lanes.now["cue"] == HITS[1]
    lanes.key(" ")
    page.wait_for_function(f"{VIEW}.player.playing && {VIEW}.player.time > 1.4", timeout=10_000)
    lanes.key(" ")
    now = lanes.now
    assert not now["playing"] and now["cue"] == pytest.approx(now["time"], abs=0.05)
    # Again and again: what is chosen.
    page.locator(".foley-timeline-loop").click()
    lanes.click(lanes.at("mutes", 1.5))
    lanes.key(" ")
    page.wait_for_timeout(1500)
    assert lanes.now["playing"] and 0.98 <= lanes.now["time"] < 2.1
    lanes.key(" ")


def test_keys_in_a_field_are_the_field_s(page, drawn):
    lanes = drawn(text=TEXT)
    lanes.click(lanes.at("prompts", 1.0))
    before = lanes.now
    page.locator(".foley-timeline [data-name=prompt]").focus()
    page.keyboard.type(" n- io")
    lanes.key("Backspace", "ArrowLeft", "Delete")
    now = lanes.now
    assert lanes.sheet["prompts"][0]["prompt"] == "glass n- "
    assert (now["cue"], now["playing"]) == (before["cue"], False) and now["hits"] == SEEN
