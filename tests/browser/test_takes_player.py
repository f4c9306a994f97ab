"""The takes list by itself, in a page without ComfyUI."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

WEB = Path(__file__).resolve().parents[2] / "web"
ORIGIN = "http://takes.test"
PAGE = """<!doctype html><title>takes</title><body style="margin:0">
<textarea id=typed></textarea><button id=beside>beside</button>
<div id=here style="width:400px;height:400px;margin-top:60px"></div></body>"""
OPEN = """async ([takes, picture, ranking]) => {
    const {TakesPlayer} = await import("./takes_player.js");
    const blob = async ({type, data}) => URL.createObjectURL(
        await (await fetch(`data:${type};base64,${data}`)).blob());
    window.picks = [];
    window.keys = [];
    window.player?.end();
    window.player = new TakesPlayer({onPick: number => window.picks.push(number)});
    document.getElementById("here").replaceChildren(window.player.element);
    const urls = await Promise.all(takes.map(blob));
    window.urls = urls;
    window.player.show(urls, picture ? await blob(picture) : null, ranking);
}"""
READY = """() => {
    const {clock} = window.player;
    const media = clock.seen ? [clock.video, ...clock.sounds] : clock.sounds;
    return media.every(m => m.readyState >= 3);
}"""
STATE = """() => {
    const {clock, picked} = window.player;
    return {index: clock.index, picked, picks: [...window.picks], keys: [...window.keys],
        playing: clock.playing, time: clock.time, duration: clock.duration, seen: clock.seen,
        picture: clock.video.currentTime, moving: !clock.video.paused, muted: clock.video.muted,
        sounding: clock.sounds.flatMap((s, i) => s.paused ? [] : [i]),
        note: window.player.note.textContent};
}"""
# Picture and sound of the same moment: nobody sees 45 ms (ITU-R BT.1359).
TOGETHER = "Math.abs(clock.time - clock.video.currentTime) < 0.045"
SECONDS = 4.0


def media(path: Path) -> dict[str, str]:
    kind = "video/mp4" if path.suffix == ".mp4" else "audio/flac"
    return {"type": kind, "data": base64.b64encode(path.read_bytes()).decode()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three takes of 4 s, their picture, and one that is a second shorter."""
    from foleystage.core.media import encode_frames, write_audio

    folder = tmp_path_factory.mktemp("takes")
    time = torch.arange(int(SECONDS * 22050)) / 22050
    takes = []
    for index in range(3):
        takes.append(folder / f"{index}.flac")
        write_audio(takes[-1], 0.2 * torch.sin(time * (900 + 300 * index))[None], 22050)
    frames = torch.zeros(100, 48, 64, 3, dtype=torch.uint8)
    for index in range(100):
        frames[index, :, : 1 + index * 63 // 99] = 200
    encode_frames(frames, 25.0, folder / "picture.mp4", keyframe_every=25)
    encode_frames(frames[:75], 25.0, folder / "short.mp4", keyframe_every=25)
    return {
        "takes": [media(path) for path in takes],
        "picture": media(folder / "picture.mp4"),
        "short": media(folder / "short.mp4"),
    }


@pytest.fixture(scope="module")
def blank(bare_page):
    """The page, which serves our modules."""

    def serve(route):
        name = route.request.url.removeprefix(ORIGIN + "/")
        if name.endswith(".js"):
            route.fulfill(path=WEB / name, content_type="text/javascript")
        else:
            route.fulfill(body=PAGE, content_type="text/html")

    bare_page.route(f"{ORIGIN}/**", serve)
    bare_page.goto(f"{ORIGIN}/")
    bare_page.evaluate("addEventListener('keydown', e => window.keys?.push(e.key))")
    return bare_page


@pytest.fixture
def show(blank, files):
    """Opens a list: show(picture) -> the page."""

    def opened(picture: str | None = "picture", takes: int = 3, ranking: Sequence[dict] = ()):
        blank.mouse.move(0, 0)
        blank.locator("#beside").focus()
        shown = files[picture] if picture else None
        blank.evaluate(OPEN, [files["takes"][:takes], shown, list(ranking)])
        blank.wait_for_function(READY)
        return blank

    yield opened
    blank.evaluate("() => window.player?.end()")


def state(page):
    return page.evaluate(STATE)


def until(page, condition):
    """Waits for what the list's clock comes to; a busy machine may take a while."""
    page.wait_for_function(
        f"() => {{ const {{clock}} = window.player; return {condition}; }}", timeout=10_000
    )
    return state(page)


def button(page, number):
    return page.locator(f".foley-takes-numbers button:nth-child({number})")


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


def figures(take, *, off=0.0, clips=False, silent=False, **sync):
    return {"take": take, "off": off, "clips": clips, "silent": silent, **sync}


RANKING = [
    figures(3, hits=8, in_time=8, late_ms=3.0, extra=0),
    figures(1, off=-3.4, hits=8, in_time=7, late_ms=12.4, extra=2),
    figures(2, clips=True, hits=8, in_time=5, late_ms=0.0, extra=0),
]


def test_ranked_takes_stand_in_their_order_with_the_reason(show):
    page = show(ranking=RANKING)
    assert page.locator(".foley-takes-numbers button").all_inner_texts() == [
        "3\nall 8 hits in time; level even",
        "1\n7 of 8 hits in time, 12 ms late, 2 too many; 3 LU quieter",
        "2\nmisses 3 of 8 hits; level even; clips",
    ]
    label = "Take 3, place 1: all 8 hits in time; level even"
    assert button(page, 1).get_attribute("aria-label") == label
    boxes = [button(page, n).bounding_box() for n in (1, 2, 3)]
    assert boxes[0]["y"] < boxes[1]["y"] < boxes[2]["y"]


def test_ranked_takes_are_picked_by_their_numbers(show):
    page = show(None, ranking=RANKING)
    button(page, 2).click()
    assert state(page)["index"] == 0
    page.keyboard.press("2")
    now = state(page)
    assert now["picked"] == 2 and now["sounding"] == [1]
    assert button(page, 3).get_attribute("aria-checked") == "true"


def test_arrows_step_through_the_ranking(show):
    page = show(None, ranking=RANKING)
    page.evaluate("window.player.setPick(3)")
    page.locator(".foley-takes").focus()
    for expected in (1, 2, 3):
        page.keyboard.press("ArrowDown")
        assert state(page)["picked"] == expected
    page.keyboard.press("ArrowUp")
    assert state(page)["picked"] == 2


def test_pick_0_follows_the_best(show):
    page = show(None, ranking=RANKING)
    page.evaluate("window.player.setPick(0)")
    now = state(page)
    assert (now["index"], now["picks"]) == (2, [])
    assert button(page, 1).get_attribute("aria-checked") == "true"


def test_a_ranking_of_other_takes_is_left_aside(show):
    page = show(None, ranking=RANKING[:2])
    assert page.locator(".foley-takes-numbers button").all_inner_texts() == ["1", "2", "3"]


REASONS = [
    (7, 8, 12.4, 0, 0.4, False),
    (7, 8, -11.6, 2, 0.0, True),
    (5, 8, 9.0, 0, -3.4, False),
    (0, 8, 30.0, 1, 2.6, False),
    (1, 1, 0.0, 0, -1.0, False),
    (0, 0, None, 0, 1.2, True),
    (None, 0, None, 0, 0.0, False),
    (2, 2, 10.0, 0, -math.inf, False),
]


def test_the_list_says_what_the_command_line_says(show):
    from foleystage.core.ranking import Ranked, Sync

    page, said, told = show(), [], []
    for in_time, hits, late, extra, off, clips in REASONS:
        sync = None if in_time is None else Sync(0.5, hits, in_time, late, extra)
        said.append(Ranked(1, -20.0, off, clips, sync).reason)
        silent = math.isinf(off)
        told.append(figures(1, off=0.0 if silent else off, clips=clips, silent=silent))
        if sync is not None:
            told[-1] |= {"hits": hits, "in_time": in_time, "late_ms": late or 0.0, "extra": extra}
    ours = """async told => {
        const {wordsOf} = await import("./words.js");
        return ["en", "zh"].map(locale => told.map(wordsOf(locale).reason));
    }"""
    english, chinese = page.evaluate(ours, told)
    assert english == said
    assert chinese[0] == "8 次撞击中 7 次合拍，晚 12 毫秒；音量平稳"
    assert not any(word in text for text in chinese for word in ("undefined", "hits"))
