"""Progress bars and the cancel button, as the callbacks that core takes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import comfy.model_management
import comfy.utils

from ..core.errors import Cancelled, stoppable


def stop_if_cancelled() -> bool:
    """`cancelled` for core: raises ComfyUI's own interruption, so the queue goes on as usual."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    return False


def progress_bar() -> Callable[[int, int], None]:
    """`progress(step, total)` for core: the bar on the running node."""
    bar = comfy.utils.ProgressBar(1)

    def show(step: int, total: int) -> None:
        bar.update_absolute(step, max(total, 1))

    return show


def interruptible(execute: Callable[..., Any]) -> Callable[..., Any]:
    """A node's `execute`, whose loading of weights the cancel button stops."""

    @functools.wraps(execute)
    def run(*given: Any, **named: Any) -> Any:
        try:
            with stoppable(comfy.model_management.processing_interrupted):
                return execute(*given, **named)
        except Cancelled:
            stop_if_cancelled()
            raise

    return run


def callbacks() -> dict[str, Callable]:
    """Both, under the names that core has for them."""
    return {"progress": progress_bar(), "cancelled": stop_if_cancelled}
