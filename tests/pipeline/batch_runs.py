"""Runs of `foleystage batch` that can be killed: in children of a process that has imported all.

As a script, `batch_runs.py ROOT`, it is that process: a line of JSON asks for a run; two lines
answer, its process and its exit status.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
POINTS = ("before the journal", "before the name", "before the line", "in the line")


class Runs:
    """Starts runs in `folder`, one at a time. printed: the file of what the last one printed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.printed = folder, folder / "printed"
        self._server = subprocess.Popen(
            [sys.executable, __file__, str(ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert self._server.stdout.readline() == "ready\n"

    def __call__(
        self,
        *arguments: str,
        number: int = 0,
        when: float | Callable[[], bool] = 0.0,
        point: str = "",
        clip: int = 0,
    ) -> int:
        """Exit status of a run; it gets the signal `number` after `when` seconds, or as soon as
        `when()`, or kills itself at a point of its clip number `clip`."""
        self.printed.write_text("")
        asked = [["batch", *arguments], str(self.folder), str(self.printed), point, clip]
        print(json.dumps(asked), file=self._server.stdin, flush=True)
        process = int(self._server.stdout.readline())
        if number:
            if callable(when):
                until = time.monotonic() + 30
                while not when() and time.monotonic() < until:
                    time.sleep(0.005)
            else:
                time.sleep(when)
            os.kill(process, number)  # of a child that is not waited for before it is asked after
        print(file=self._server.stdin, flush=True)
        return int(self._server.stdout.readline())

    def close(self) -> None:
        self._server.communicate()


def _serve() -> None:
    from foleystage.cli import main

    print("ready", flush=True)
    for line in sys.stdin:
        arguments, folder, printed, point, clip = json.loads(line)
        child = os.fork()
        if not child:
            os.chdir(folder)
            for stream in (1, 2):
                os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
            _die_at(point, clip)
            sys.argv = ["foleystage", *arguments]
            raise SystemExit(main())
        print(child, flush=True)
        sys.stdin.readline()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _die_at(point: str, clip: int) -> None:
    """Has this process kill itself at one of POINTS."""
    from foleystage.core.batch import manifest
    from foleystage.core.media.files import Sink

    left = clip

    def deadly(owner: type, name: str, half: bool = False) -> None:
        act = getattr(owner, name)

        def replaced(self, *given):
            nonlocal left
            if left == 0:
                if half:
                    line = given[0].line()
                    os.write(self._file.fileno(), line[: len(line) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return act(self, *given)

        setattr(owner, name, replaced)

    if point == POINTS[0]:
        deadly(manifest.Journal, "add")
    elif point == POINTS[1]:
        deadly(Sink, "move")
    elif point:
        deadly(manifest.Manifest, "add", half=point == POINTS[3])


if __name__ == "__main__":
    package = types.ModuleType("foleystage")
    package.__path__ = [sys.argv[1]]
    sys.modules["foleystage"] = package
    importlib.import_module("foleystage.cli.batch")
    importlib.import_module("foleystage.core.batch.run")
    importlib.import_module("foleystage.core.batch.listing")
    _serve()
