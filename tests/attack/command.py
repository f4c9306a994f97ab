"""The command line as a process of its own, and what a folder holds."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# As `python -m foleystage` starts it, whatever the checkout's folder is called.
_RUNNER = (
    "import sys, types; package = types.ModuleType('foleystage'); "
    "package.__path__ = [sys.argv.pop(1)]; sys.modules['foleystage'] = package; "
    "from foleystage.cli import main; raise SystemExit(main())"
)
QUICK = ("--steps", "1", "--seconds", "0.5")


def start(folder: Path, *arguments: str | bytes, closed=(), **options) -> subprocess.Popen:
    """Starts `foleystage` in a folder; what it prints comes as bytes. closed: file descriptors that
    it is not given (1 is the standard output)."""

    def before() -> None:
        # What runs tests in the background has its children ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        for descriptor in closed:
            os.close(descriptor)

    command = [sys.executable, "-c", _RUNNER, str(ROOT), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    if os.name != "nt":
        options["preexec_fn"] = before
    return subprocess.Popen(command, cwd=folder, env=environment, **options)


def run(folder: Path, *arguments: str | bytes, **options) -> tuple[int, str, str]:
    """Runs `foleystage` in a folder; exit status, and what it printed."""
    process = start(folder, *arguments, **options)
    out, error = process.communicate(timeout=60)
    return process.returncode, *((t or b"").decode("utf-8", "replace") for t in (out, error))


def contents(folder: Path) -> dict[str, str]:
    """What each name in a folder stands for: the hash of a file, or its kind."""
    found = {}
    for entry in os.scandir(folder):
        mode = entry.stat(follow_symlinks=False).st_mode
        whole = stat.S_ISREG(mode) and Path(entry.path).read_bytes()
        kind = oct(stat.S_IFMT(mode)) if whole is False else hashlib.sha256(whole).hexdigest()
        found[entry.name] = kind
    return found
