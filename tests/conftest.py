"""Makes the repository root importable as `foleystage`, and `tests/golden` as plain modules."""

from __future__ import annotations

import importlib.machinery
import signal
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _alias_package(name: str, root: Path) -> None:
    # This tree is tested even when an installed copy of the package exists elsewhere.
    spec = importlib.machinery.ModuleSpec(name, loader=None, is_package=True)
    spec.submodule_search_locations = [str(root)]
    package = types.ModuleType(name)
    package.__path__ = [str(root)]
    package.__package__ = name
    package.__spec__ = spec
    package.__file__ = str(root / "__init__.py")
    for loaded in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
        del sys.modules[loaded]
    sys.modules[name] = package


_alias_package("foleystage", ROOT)
sys.path.insert(0, str(ROOT / "tests" / "golden"))


@pytest.fixture
def heed_interrupts():
    """For `preexec_fn`: what runs tests in the background has its children ignore Ctrl-C."""
    return lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
