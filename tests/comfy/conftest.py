"""One real ComfyUI server for all tests, with this checkout as a custom node."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from left_out import comfyui_or_reason, leave_out  # noqa: E402

COMFYUI, REASON = comfyui_or_reason()
if COMFYUI:
    from comfy_fixtures import base, server  # noqa: F401
else:
    collect_ignore_glob = ["test_*.py"]


def pytest_configure(config):
    if not COMFYUI:
        leave_out(config, "tests/comfy", REASON)
