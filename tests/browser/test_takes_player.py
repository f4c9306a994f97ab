"""The takes list by itself, in a page without ComfyUI."""

from __future__ import annotations

import json

import pytest
from takes_page import TOGETHER, button, state, until


def test_a_number_is_picked_and_heard_with_the_picture(show):
    page = show()
    button(page, 2).click()
    now = until(page, f"clock.time > 0.3 && {TOGETHER}")
    assert now["picks"] == [2] and now["sounding"] == [1]
    assert now["moving"] and now["muted"]
    assert button(page, 2).get_attribute("aria-checked") == "true"


@pytest.mark.parametrize("picture", ["picture", None])
def test_another_take_goes_on_at_the_same_moment(show, picture):
    page = show(picture)
    page.locator(".foley-takes").focus()
    page.keyboard.press(" ")
    until(page, "clock.time > 0.5")
    switched = page.evaluate("""() => {
        const {clock} = window.player, before = clock.time;
        document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {key: "3", bubbles: true}));
        return [before, clock.time];
    }""")
    now = until(page, f"clock.time > {switched[0]} + 0.3 && (!clock.seen || {TOGETHER})")
    assert abs(switched[1] - switched[0]) < 0.02
    assert now["sounding"] == [2] and now["index"] == 2 and now["picks"] == [3]


def test_the_picture_follows_through_many_switches(show):
    page = show()
    page.locator(".foley-takes").focus()
    page.keyboard.press("1")
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowRight", "2"):
        page.wait_for_timeout(250)
        page.keyboard.press(key)
    now = until(page, TOGETHER)
    assert now["playing"] and now["sounding"] == [1]
    assert now["picks"] == [2, 3, 2, 1, 2]


def test_arrows_go_round_and_keep_silent_what_is_silent(show):
    page = show()
    page.locator(".foley-takes").focus()
    page.keyboard.press("ArrowLeft")
    now = state(page)
    assert now["picked"] == 3 and not now["playing"] and not now["sounding"]
    page.keyboard.press("ArrowRight")
    assert state(page)["picked"] == 1


def test_space_plays_and_pauses(show):
    page = show()
    button(page, 1).focus()
    page.keyboard.press(" ")
    assert until(page, "clock.time > 0.2")["playing"]
    page.keyboard.press(" ")
    now = state(page)
    assert not now["playing"] and not now["sounding"] and not now["moving"]
    page.wait_for_timeout(200)
    later = until(page, TOGETHER)
    assert later["time"] == pytest.approx(now["time"], abs=0.02)


def test_seeking_takes_the_picture_along(show):
    page = show()
    page.evaluate("window.player.clock.seek(2.5)")
    now = until(page, TOGETHER)
    assert now["time"] == pytest.approx(2.5, abs=0.02)


def test_at_the_end_both_begin_again(show):
    page = show()
    page.evaluate("window.player.clock.seek(3.6); window.player.clock.play()")
    now = until(page, f"clock.time > 0.2 && clock.time < 3 && {TOGETHER}")
    assert now["playing"] and now["moving"]


def test_without_the_loop_it_stops_at_the_end(show):
    page = show()
    page.locator(".foley-takes-loop").click()
    page.evaluate("window.player.clock.seek(3.7); window.player.clock.play()")
    now = until(page, "!clock.playing")
    assert not now["moving"]
    assert now["time"] == pytest.approx(now["duration"], abs=0.02)
    page.locator(".foley-takes-play").click()
    until(page, "clock.time > 0 && clock.time < 1")


def test_a_shorter_picture_stays_on_its_last_frame(show):
    page = show("short")
    page.evaluate("window.player.clock.seek(2.8); window.player.clock.play()")
    now = until(page, "clock.time > 3.2")
    assert now["playing"] and now["sounding"] == [0]
    assert now["picture"] == pytest.approx(3.0, abs=0.05)


def test_keys_act_with_the_pointer_over_the_list(show):
    page = show()
    page.locator(".foley-takes").hover(position={"x": 200, "y": 100})
    page.keyboard.press("2")
    now = state(page)
    assert now["picks"] == [2] and now["keys"] == []


def test_keys_elsewhere_are_left_alone(show):
    page = show()
    page.locator("#beside").focus()
    for key in ("2", "ArrowRight", " "):
        page.keyboard.press(key)
    now = state(page)
    assert now["keys"] == ["2", "ArrowRight", " "] and not now["picks"] and not now["playing"]


def test_typing_under_the_pointer_is_left_alone(show):
    page = show()
    page.locator(".foley-takes").hover(position={"x": 200, "y": 100})
    page.locator("#typed").focus()
    page.keyboard.type("2 takes")
    assert page.locator("#typed").input_value() == "2 takes"
    assert not state(page)["picks"]
    page.locator("#typed").fill("")


def test_keys_that_are_not_the_lists_go_on_to_others(show):
    page = show()
    page.locator(".foley-takes").focus()
    for key in ("Control+Enter", "Control+2", "q", "Delete", "0", "Shift+ArrowRight"):
        page.keyboard.press(key)
    now = state(page)
    heard = [k for k in now["keys"] if k not in ("Control", "Shift")]
    assert heard == ["Enter", "2", "q", "Delete", "0", "ArrowRight"] and not now["picks"]


def test_a_number_without_a_take_picks_nothing(show):
    page = show()
    page.locator(".foley-takes").focus()
    page.keyboard.press("9")
    now = state(page)
    assert not now["picks"] and now["keys"] == [] and not now["playing"]


def test_the_slider_keeps_its_arrows(show):
    page = show()
    page.locator(".foley-takes-position").focus()
    page.keyboard.press("ArrowRight")
    now = state(page)
    assert not now["picks"] and now["time"] == pytest.approx(0.01, abs=0.005)


def test_a_pick_from_outside_says_nothing_back(show):
    page = show()
    page.evaluate("window.player.setPick(3)")
    now = state(page)
    assert now["index"] == 2 and now["picks"] == [] and not now["playing"]
    page.evaluate("window.player.setPick(40)")
    assert page.locator(".foley-takes [aria-checked=true]").count() == 0


def test_two_lists_do_not_sound_at_once(show):
    page = show()
    page.evaluate("""async () => {
        const {TakesPlayer} = await import("./takes_player.js");
        window.other = new TakesPlayer();
        document.body.append(window.other.element);
        window.other.show(window.player.clock.sounds.map(s => s.src));
        window.player.clock.play();
        window.other.clock.play();
    }""")
    playing = page.evaluate("[window.player.clock.playing, window.other.clock.playing]")
    page.evaluate("window.other.end(); window.other.element.remove()")
    assert playing == [False, True]


def test_a_lost_take_and_an_unplayable_picture_are_said(show):
    page = show()
    page.evaluate("window.player.show(['/gone.flac'], '/gone.mp4')")
    page.wait_for_function("window.player.note.textContent.includes('run the graph again')")
    page.evaluate(
        "takes => window.player.show(takes, '/gone.mp4')",
        page.evaluate("window.urls"),
    )
    page.wait_for_function("window.player.note.textContent.includes('picture cannot be played')")
    button(page, 1).click()
    until(page, "clock.time > 0.1")
    assert not page.locator(".foley-takes-stage").is_visible()


def test_before_the_first_run_it_says_what_to_do(show):
    page = show()
    page.evaluate("window.player.show([])")
    assert "Run the graph" in state(page)["note"]
    assert not page.locator(".foley-takes-bar").is_visible()
    page.locator(".foley-takes").focus()
    page.keyboard.press("1")
    page.keyboard.press(" ")
    assert not state(page)["playing"]


def test_an_ended_list_is_silent_and_deaf(show):
    page = show()
    page.locator(".foley-takes").focus()
    page.keyboard.press("1")
    page.evaluate("window.player.end()")
    page.keyboard.press("2")
    now = state(page)
    assert not now["playing"] and now["keys"] == ["2"] and now["picks"] == []


def test_everything_has_a_name_for_screen_readers(show):
    page = show()
    unnamed = page.evaluate("""() => [...document.querySelectorAll(
        ".foley-takes, .foley-takes button, .foley-takes input, .foley-takes [role=radiogroup]")]
        .filter(e => !e.getAttribute("aria-label")).map(e => e.outerHTML)""")
    assert unnamed == []
    assert json.loads(
        page.evaluate("""() => JSON.stringify([...document.querySelectorAll(
        ".foley-takes-numbers button")].map(b => b.tabIndex))""")
    ) == [0, -1, -1]


def test_the_focus_is_seen(show):
    page = show()
    page.locator("#beside").focus()
    page.keyboard.press("Tab")
    style = "e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth"
    assert page.locator(".foley-takes").evaluate(style) == "solid2px"
    page.keyboard.press("Tab")
    assert button(page, 1).evaluate(style) == "solid2px"
