"""Fixtures of a hub on this machine, and where its files go."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fake_hub import folder, hub, row  # noqa: E402, F401
