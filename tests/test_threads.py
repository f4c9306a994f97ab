"""Threads that do not hold each other up."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from foleystage.core import threads

ROOT = Path(__file__).resolve().parents[1]

# Both threads of a team on one processor, which is where a busy neighbour drives them.
_ON_ONE_PROCESSOR = """
import os, time
import conftest, torch
from foleystage.core.threads import wait_briefly

torch.set_num_threads(2)
x = torch.zeros(1 << 16)
x.add_(1)
if {brief}:
    wait_briefly()
for thread in os.listdir("/proc/self/task"):
    os.sched_setaffinity(int(thread), {{min(os.sched_getaffinity(0))}})
began = time.process_time()
for _ in range(50):
    x.add_(1)
print((time.process_time() - began) / 50)
"""


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _seconds_an_operation(brief: bool) -> float:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", _ON_ONE_PROCESSOR.format(brief=brief)],
        env={**environment, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) != 2,
    reason="a machine of two processors with GNU's OpenMP",
)
def test_a_thread_that_waits_leaves_the_processor_to_the_other():
    assert _seconds_an_operation(brief=True) < 0.1 * _seconds_an_operation(brief=False)


def test_every_piece_is_done_once_and_each_by_one_thread(two_threads):
    done, counts, lock = [], set(), threading.Lock()

    def work(piece: int) -> None:
        with lock:
            done.append(piece)
            counts.add((torch.get_num_threads(), torch.is_grad_enabled()))

    threads.share_out(work, range(100))
    assert sorted(done) == list(range(100))
    assert counts == {(1, False)}
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_pieces_write_to_what_the_caller_made(two_threads, mode):
    with mode():
        out = torch.zeros(64)
        threads.share_out(lambda k: out[k : k + 1].add_(k), range(64))
    assert torch.equal(out, torch.arange(64.0))


def test_an_error_in_a_piece_is_the_callers(two_threads):
    def work(piece: int) -> None:
        if piece == 7:
            raise ValueError("seven")

    with pytest.raises(ValueError, match="seven"):
        threads.share_out(work, range(20))


def test_one_thread_alone_needs_no_help(two_threads, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(threads, "pool", lambda: pytest.fail("a pool was made"))
    done = []
    threads.share_out(done.append, range(5))
    assert done == list(range(5))
