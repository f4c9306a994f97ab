"""What `torchrun` starts in `test_processes`: the command line of this tree."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import conftest  # noqa: E402, F401 - makes this tree importable as foleystage
from foleystage.cli import main  # noqa: E402

raise SystemExit(main(sys.argv[1:]))
