"""Every test on every ComfyUI: `make test`.

The whole suite runs on the newest ComfyUI that is found, in parts; the node, server and browser
tests also on each of the others, and the node tests once more with dynamic VRAM. Two runs go side
by side, each with its ComfyUI's own packages (environments.py); what they print is shown when all
have ended, that of the first part last. The status is 1 when any of them failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from environments import prepare
from find_comfyui import OPT_OUT, ROOT, find, newest_first, opted_out

LOGS = Path(sys.prefix) / "test-logs"
SIDE_BY_SIDE = 2
REPORT_SECONDS = 60
OF_COMFYUI = ("tests/nodes", "tests/comfy", "tests/browser")
NODES = "nodes, server, browser"
# Parts of the whole suite that are runs of their own, so that two cores are busy to the end.
PARTS = {
    NODES: OF_COMFYUI,
    "hostile input": ("tests/attack",),
    "training": ("tests/training",),
}
_PERCENT = re.compile(r"\[ *(\d+)%\]")


@dataclass
class Run:
    """One pytest process: what it runs, on which Python, and how it ended."""

    title: str
    python: Path
    folders: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    status: int | None = None

    @property
    def log(self) -> Path:
        """What it prints."""
        return LOGS / (re.sub(r"[^\w.]+", "-", self.title) + ".log")

    @property
    def printed(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    @property
    def progress(self) -> str:
        """Title and share done, for a line while it runs."""
        done = _PERCENT.findall(self.printed)
        return f"{self.title}: {done[-1] if done else 0} %"

    @property
    def result(self) -> str:
        """Title, counts and time, as its last line says them."""
        last = (self.printed.strip().splitlines() or ["nothing was run"])[-1].strip("= ")
        return f"{self.title}: {last}" + (f" (STATUS {self.status})" if self.status else "")

    def go(self) -> Run:
        """Runs it to its end."""
        command = [self.python, "-m", "pytest", "--color=no", *self.folders]
        variables = {"OMP_NUM_THREADS": "1", **os.environ, **self.environment}
        with self.log.open("w", encoding="utf-8") as log:
            self.status = subprocess.run(
                command, cwd=ROOT, env=variables, stdout=log, stderr=subprocess.STDOUT
            ).returncode
        return self


def plan() -> list[Run]:
    """The runs, the longest first.

    Raises:
        LookupError: there is no ComfyUI, and nobody allowed that.
        RuntimeError: what one of them needs could not be installed.
    """
    try:
        newest, *others = newest_first(find())
    except LookupError:
        if not opted_out() or os.environ.get("COMFYUI_PATH"):
            raise
        return [Run(f"whole suite without ComfyUI ({OPT_OUT})", Path(sys.executable), ("tests",))]

    def run_on(comfyui, title: str, folders: tuple[str, ...], **environment: str) -> Run:
        here = {"COMFYUI_PATH": str(comfyui.folder), "FOLEYSTAGE_DYNAMIC_VRAM": "0", **environment}
        return Run(f"{title} on {comfyui}", prepare(comfyui), folders, here)

    apart = [f"--ignore={folder}" for folders in PARTS.values() for folder in folders]
    # The longest first: two runs side by side then end at about the same time.
    runs = [run_on(newest, NODES, OF_COMFYUI)]
    runs += [run_on(other, NODES, OF_COMFYUI, FOLEYSTAGE_SOAK="0") for other in others]
    runs += [run_on(newest, "all but the parts", ("tests", *apart))]
    runs += [run_on(newest, title, folders) for title, folders in PARTS.items() if title != NODES]
    if newest.has_dynamic_vram:
        title = "nodes with dynamic VRAM"
        runs.append(run_on(newest, title, ("tests/nodes",), FOLEYSTAGE_DYNAMIC_VRAM="1"))
    return runs


def _run_all(runs: list[Run]) -> None:
    """Runs them, and says each minute how far they are."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        waiting = {pool.submit(run.go) for run in runs}
        try:
            while waiting:
                ended, waiting = wait(waiting, REPORT_SECONDS, FIRST_COMPLETED)
                for future in ended:
                    future.result()
                print("; ".join(run.progress for run in runs), flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def main() -> int:
    try:
        first, *others = runs = plan()
    except (LookupError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    LOGS.mkdir(exist_ok=True)
    for run in runs:
        run.log.unlink(missing_ok=True)
        print(f"{run.title}: {os.path.relpath(run.python)}, {os.path.relpath(run.log)}")
    _run_all(runs)
    for run in (*others, first):
        print(f"\n{run.title}\n{run.printed}")
    print("\n" + "; ".join(run.result for run in runs))
    return int(any(run.status != 0 for run in runs))


if __name__ == "__main__":
    sys.exit(main())
