"""A real browser in front of the real server."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "comfy"), str(Path(__file__).parent)]

from left_out import comfyui_or_reason, leave_out  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = "NO BROWSER: install Debian's chromium and playwright to run these tests."


def browser_path() -> str | None:
    """A Chromium on this machine; FOLEYSTAGE_BROWSER names another one."""
    named = os.environ.get("FOLEYSTAGE_BROWSER")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


COMFYUI, REASON = comfyui_or_reason()
BROWSER = browser_path() and importlib.util.find_spec("playwright")
if COMFYUI and BROWSER:
    from comfy_fixtures import server  # noqa: F401
    from takes_page import blank, files, show  # noqa: F401 - fixtures
else:
    collect_ignore_glob = ["test_*.py"]


def pytest_configure(config):
    if not COMFYUI:
        leave_out(config, "tests/browser", REASON)
    elif not BROWSER:
        leave_out(config, "tests/browser", NO_BROWSER, fails=False)


@pytest.fixture(scope="module")
def bare_page():
    """A page of a browser without ComfyUI."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser.new_page(viewport={"width": 800, "height": 600})
        browser.close()


def _with_source(line) -> str:
    return f"{line.text} ({line.location.get('url', '')})"


# Not for the session: while it runs, Playwright's event loop is in the way of other tests'.
@pytest.fixture(scope="module")
def page(server):  # noqa: F811
    """ComfyUI's frontend, loaded and ready.

    `page.errors` are what the console said, `page.errors_at_start` until the page was ready.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(f"{error} ({error.stack})"))
        page.on(
            "console",
            lambda line: page.errors.append(_with_source(line)) if line.type == "error" else None,
        )
        page.goto(f"http://127.0.0.1:{server.port}/", timeout=120_000)
        page.wait_for_function(
            "!!window.LiteGraph?.registered_node_types?.FoleyStageQuick", timeout=120_000
        )
        page.wait_for_function("!!(window.app?.graph && window.app?.canvas)", timeout=60_000)
        page.keyboard.press("Escape")
        page.errors_at_start = tuple(page.errors)
        yield page
        browser.close()


@pytest.fixture(scope="module")
def kinds(server):  # noqa: F811
    """Ids of our nodes."""
    return sorted(name for name in server.get("/object_info") if name.startswith("FoleyStage"))


@pytest.fixture
def look(page):
    """look(renderer, theme) sets the frontend, or skips what it cannot show."""

    from frontend import PROBE, configure

    def set_up(renderer: str, theme: str = "dark"):
        vue = renderer != "classic"
        configure(page, {"Comfy.ColorPalette": theme, "Comfy.VueNodes.Enabled": vue})
        page.wait_for_timeout(500)
        if vue:
            page.evaluate(PROBE)
            page.wait_for_timeout(1500)
            if not page.evaluate("window.probe.isConnected"):
                pytest.skip("this frontend's Vue nodes show no DOM widgets")
        page.errors.clear()

    yield set_up
    page.mouse.move(0, 0)
    page.evaluate("window.app.graph.clear()")
    configure(page, {"Comfy.ColorPalette": "dark", "Comfy.VueNodes.Enabled": False})
