"""A real browser in front of the real server."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "comfy"), str(Path(__file__).parent)]

from find_comfyui import ABSENT, usable  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = "NO BROWSER: the browser tests are skipped; install Debian's chromium and playwright."


def browser_path() -> str | None:
    """A Chromium on this machine; FOLEYSTAGE_BROWSER names another one."""
    named = os.environ.get("FOLEYSTAGE_BROWSER")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


if not usable() or not browser_path() or importlib.util.find_spec("playwright") is None:
    collect_ignore_glob = ["test_*.py"]
    print(f"\n{NO_BROWSER if usable() else ABSENT}", file=sys.stderr)
else:
    from comfy_fixtures import server  # noqa: F401


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


# Not for the session: while it runs, Playwright's event loop is in the way of other tests'.
@pytest.fixture(scope="module")
def page(server):  # noqa: F811
    """ComfyUI's frontend, loaded and ready; `page.errors` are what the console said."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on(
            "console",
            lambda line: page.errors.append(line.text) if line.type == "error" else None,
        )
        page.goto(f"http://127.0.0.1:{server.port}/", timeout=120_000)
        page.wait_for_function(
            "!!window.LiteGraph?.registered_node_types?.FoleyStageQuick", timeout=120_000
        )
        page.wait_for_function("!!(window.app?.graph && window.app?.canvas)", timeout=60_000)
        page.keyboard.press("Escape")
        yield page
        browser.close()


@pytest.fixture(scope="module")
def kinds(server):  # noqa: F811
    """Ids of our nodes."""
    return sorted(name for name in server.get("/object_info") if name.startswith("FoleyStage"))
