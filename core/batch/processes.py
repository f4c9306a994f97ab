"""Several processes that make clips, and end with the one that began them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from ..errors import CancelCheck, FoleyError, stop_if
from ..leftovers import sweep
from ..threads import processors
from .jobs import Clip, Settings
from .making import Maker, Outcome, failed

Group = Sequence[Clip]

_LOOK = 0.1  # seconds after which a cancel is noticed
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def in_processes(
    groups: Sequence[Group], settings: Settings, count: int, cancelled: CancelCheck | None = None
) -> Generator[Outcome, None, None]:
    """The outcomes of all clips as they come, from at most `count` processes, each of which loads
    the system once. What is made when the iterator is closed ends at once; nothing half-written is
    left of it.

    Raises:
        Cancelled: as asked.
    """
    waiting, crew = deque(groups), [_Helper() for _ in range(min(count, len(groups)))]
    try:
        for index, helper in enumerate(crew):
            helper.start(settings, count, index)
        while any(helper.lives for helper in crew):
            stop_if(cancelled)
            for helper in _heard(crew):
                yield from _step(helper, waiting, settings)
    finally:
        for helper in crew:
            helper.kill()
        for folder in {(settings.out / c.output).parent for helper in crew for c in helper.clips}:
            sweep(folder)


class _Helper:
    """One process. clips: what it is at, and what it is to make next."""

    def __init__(self) -> None:
        self.clips: list[Clip] = []
        self.ready = False
        self.process: SpawnProcess | None = None
        self.pipe: Connection | None = None

    @property
    def lives(self) -> bool:
        return self.pipe is not None

    def start(self, settings: Settings, count: int, index: int) -> None:
        """Signals are for the process that began it to heed: it is born with them held back."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        arguments = theirs, settings, count, index
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.again = settings, count, index
        self.pipe, self.ready, self.clips = ours, False, []
        with _held_signals():
            self.process.start()
        theirs.close()

    def give(self, group: Group | None) -> None:
        """The next clips; None: there are no more."""
        if self.pipe is None:
            return
        with contextlib.suppress(OSError):  # its end is heard next
            self.pipe.send(group)
        self.clips = list(group or ())

    def kill(self) -> None:
        """Ends it at once, which is safe at any moment."""
        if self.pipe is None or self.process is None:
            return
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()
        self.pipe.close()
        self.pipe = None


def _heard(crew: Sequence[_Helper]) -> list[_Helper]:
    """Those that have something to say, which may be their end."""
    pipes = {helper.pipe: helper for helper in crew if helper.pipe is not None}
    return [pipes[pipe] for pipe in wait(list(pipes), _LOOK)]  # type: ignore[index]


def _step(helper: _Helper, waiting: deque[Group], settings: Settings) -> Iterator[Outcome]:
    """What a process says, and what it is given to do next."""
    try:
        outcome = helper.pipe.recv() if helper.pipe is not None else None
    except (EOFError, OSError):
        yield from _ended(helper, waiting, settings)
        return
    if outcome is not None:
        del helper.clips[:1]
        yield outcome
    helper.ready = True
    if not helper.clips:
        helper.give(waiting.popleft() if waiting else None)


def _ended(helper: _Helper, waiting: deque[Group], settings: Settings) -> Iterator[Outcome]:
    """After the end of a process: as it should, or in the middle of a clip, which fails."""
    lost, was_ready = helper.clips, helper.ready
    helper.kill()
    status = None if helper.process is None else helper.process.exitcode
    if not was_ready:
        yield Outcome(None, f"A process of the batch could not be started (status {status}).")
    elif lost:
        waiting.extendleft([lost[1:]] if lost[1:] else [])
        sweep((settings.out / lost[0].output).parent)
        reason = (
            f"The process that made it ended (status {status}), as it does where memory is short: "
            "use fewer processes, or a shorter part."
        )
        yield Outcome(failed(lost[0], settings, reason))
        if waiting:
            helper.start(*helper.again)


@contextlib.contextmanager
def _held_signals() -> Iterator[None]:
    """Signals that stop a command wait for the end of the block; a process that is begun in it
    never gets them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # which would let signals through when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {getattr(signal, name) for name in _SIGNALS})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Any, settings: Settings, count: int, index: int) -> None:
    """The work of one process of `count`: groups of clips in, an outcome of each clip out."""
    for name in _SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(max(1, processors() // count))
    if settings.device != "cpu" and torch.cuda.is_available():
        torch.cuda.set_device(index % torch.cuda.device_count())
    maker = Maker(settings)
    try:
        if maker.system.row.bundled:
            torch.set_num_threads(1)
    except FoleyError as error:
        pipe.send(Outcome(None, str(error)))
        return
    pipe.send(None)
    while (group := pipe.recv()) is not None:
        for outcome in maker(group):
            pipe.send(outcome)
    maker.close()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
