"""How the processors are used beside other work on the machine.

torch shares one operation out among the threads of an OpenMP team, and each thread then waits for
the last. GNU's OpenMP lets it wait awake for about 8 ms (GOMP_SPINCOUNT, 300 000 turns) unless the
process has more OpenMP threads than processors (100 turns; libgomp's manual, "GOMP_SPINCOUNT").
Where another process takes a processor, a team's threads meet on the one that is left, and every
operation, however short, lasts until a waiting thread has had its turn: `benchmarks/contention.py`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")

# Operations on more elements than this are shared out (ATen's grain size).
_GRAIN = 32768
# Teams that may lie idle; a process whose team is this much smaller than the machine has room.
_MOST_TEAMS = 4
# Threads of Python that help each other: what they run is short, and Python lets one go at a time.
_MOST_WORKERS = 4

_lock = threading.Lock()
_idle_teams: list[threading.Thread] = []
_workers: ThreadPoolExecutor | None = None


def wait_briefly(device: str | torch.device = "cpu") -> None:
    """From now on threads of OpenMP in this process wait asleep for each other, not awake.

    Threads that sleep in teams of their own bring their number above that of the processors, the
    one setting of libgomp that a running process can change. Nothing is done where torch computes
    with one thread, or with so few that each has a processor to spare, nor for another device.
    """
    team = torch.get_num_threads()
    if team < 2 or torch.device(device).type != "cpu":
        return
    wanted = max(0, (processors() - team) // (team - 1) + 1)
    with _lock:
        if wanted > _MOST_TEAMS:
            return
        while len(_idle_teams) < wanted:
            ready = threading.Event()
            thread = threading.Thread(target=_hold_team, args=(ready,), daemon=True)
            thread.start()
            ready.wait()
            _idle_teams.append(thread)


def share_out(work: Callable[[Piece], None], pieces: Iterable[Piece]) -> None:
    """Runs work(piece) for every piece, in no order, on as many threads as torch computes with.

    Inside, every operation is computed by the one thread that asked for it, so that nothing waits
    before the end. `work` must not need gradients. Raises what `work` raises.
    """
    pieces = list(pieces)
    count = min(torch.get_num_threads(), _MOST_WORKERS, len(pieces))
    if count < 2:
        for piece in pieces:
            work(piece)
        return
    inference, rest = torch.is_inference_mode_enabled(), iter(pieces)

    def run() -> None:
        # Both modes are a thread's own.
        with torch.inference_mode(inference), torch.no_grad():
            for piece in rest:
                work(piece)

    runs = [pool().submit(run) for _ in range(count)]
    for done in runs:
        done.result()


def _hold_team(ready: threading.Event) -> None:
    torch.zeros(2 * _GRAIN).add_(1)
    ready.set()
    threading.Event().wait()


def processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pool() -> ThreadPoolExecutor:
    """Threads that compute alone, made at the first use."""
    global _workers
    with _lock:
        if _workers is None:
            before = torch.get_num_threads()
            started = threading.Barrier(_MOST_WORKERS)

            def compute_alone(_: int) -> None:
                started.wait()
                # Asked for once, because torch gives a new thread its number at the first question.
                torch.get_num_threads()
                torch.set_num_threads(1)

            _workers = ThreadPoolExecutor(_MOST_WORKERS, thread_name_prefix="foleystage")
            list(_workers.map(compute_alone, range(_MOST_WORKERS)))
            # Each thread keeps its own number; what new threads begin with is put back.
            torch.set_num_threads(before)
        return _workers
