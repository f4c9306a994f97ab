"""A page with a takes list by itself, without ComfyUI."""

from __future__ import annotations

import base64
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
