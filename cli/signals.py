"""What a signal that stops a command does: the command ends in order, whichever signal it is."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
_SOON = 0.02  # seconds after which a stop that had to wait is tried again


class Stopped(KeyboardInterrupt):
    """A signal asked for the end. status: what a shell expects then, 128 and the signal's number:
    130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.status = 128 + number


@contextlib.contextmanager
def stoppable(asked: list[int], *, to_the_end: bool) -> Iterator[None]:
    """Signals that stop a process raise Stopped in this block, as soon as it can be broken off; a
    second one ends the process at once, as one ends its children.

    asked: gains the number of the signal that was heeded. to_the_end: the process ends after the
    block, and a signal on that way ends it without a word; otherwise what handled the signals
    before does so again. What was ignored stays so (nohup).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _STOPPING if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    hook, waiting, owner = sys.unraisablehook, False, os.getpid()

    def handle(handler) -> None:
        for number in before:
            signal.signal(number, handler)

    def stop(number: int, frame: FrameType | None) -> None:
        if waiting or os.getpid() != owner:
            _leave(number)
        if _has_to_finish(frame):
            stop_soon(number)
        else:
            handle(signal.SIG_DFL)
            asked.append(number)
            raise Stopped(number)

    def stop_soon(number: int) -> None:
        nonlocal waiting
        waiting = True
        threading.Timer(_SOON, again, (number,)).start()

    def again(number: int) -> None:
        nonlocal waiting
        waiting = False
        if hasattr(signal, "pthread_kill"):  # which wakes the main thread where it waits
            signal.pthread_kill(threading.main_thread().ident, number)
        else:
            signal.raise_signal(number)

    def unraisable(lost) -> None:
        if isinstance(lost.exc_value, Stopped):  # in a destructor, or what is called at a fork
            handle(stop)
            stop_soon(lost.exc_value.number)
        else:
            hook(lost)

    try:
        sys.unraisablehook = unraisable
        handle(stop)
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, _leave if to_the_end else handler)


def _leave(number: int, _: object = None) -> None:
    os._exit(128 + number)


def _has_to_finish(frame: FrameType | None) -> bool:
    """Whether something is going on that must not be broken off: the import of a module, at which
    torch aborts, or what a module of our own says is to be finished (HOLDS_SIGNALS)."""
    while frame is not None:
        imports = frame.f_code.co_filename == "<frozen importlib._bootstrap>"
        if imports or "HOLDS_SIGNALS" in frame.f_globals:
            return True
        frame = frame.f_back
    return False
