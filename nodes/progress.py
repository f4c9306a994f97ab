"""Progress bars and the cancel button, as the callbacks that core takes."""

from __future__ import annotations

from collections.abc import Callable

import comfy.model_management
import comfy.utils


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


def callbacks() -> dict[str, Callable]:
    """Both, under the names that core has for them."""
    return {"progress": progress_bar(), "cancelled": stop_if_cancelled}
