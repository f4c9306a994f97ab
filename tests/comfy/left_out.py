"""Tests that this Python cannot run: said at the end of the run, which fails for them."""

from __future__ import annotations

import pytest
from find_comfyui import ComfyUI, fitting, opted_out


class LeftOut:
    """A pytest plugin that knows which folders were left out, and why."""

    NAME = "left-out"

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.fails = False

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session) -> None:
        quiet = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if self.fails and session.exitstatus in quiet:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter) -> None:
        terminalreporter.section("tests that did not run", red=self.fails, yellow=not self.fails)
        for folder, reason in self.reasons.items():
            terminalreporter.line(f"{folder}: {reason}")


def leave_out(config, folder: str, reason: str, *, fails: bool = True) -> None:
    """Notes that a folder's tests cannot run; called from `pytest_configure` of its conftest.

    fails: whether the run fails for it, unless the environment allows to be without a ComfyUI.
    """
    plugins = config.pluginmanager
    if not plugins.has_plugin(LeftOut.NAME):
        plugins.register(LeftOut(), LeftOut.NAME)
    plugin = plugins.get_plugin(LeftOut.NAME)
    plugin.reasons[folder] = reason
    plugin.fails |= fails and not opted_out()


def comfyui_or_reason() -> tuple[ComfyUI | None, str]:
    """The ComfyUI of these tests, or None and what to do about it."""
    try:
        return fitting(), ""
    except LookupError as error:
        return None, str(error)
