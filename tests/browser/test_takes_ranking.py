"""The takes list with ranks and reasons, in a page without ComfyUI."""

from __future__ import annotations

import math

from takes_page import button, state


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
