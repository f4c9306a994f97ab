"""One real ComfyUI server for all tests, with this checkout as a custom node."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from find_comfyui import ABSENT, usable  # noqa: E402

if usable():
    from comfy_fixtures import base, server  # noqa: F401
else:
    collect_ignore_glob = ["test_*.py"]
    print(f"\n{ABSENT}", file=sys.stderr)
