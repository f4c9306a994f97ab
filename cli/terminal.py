"""What the commands write to a terminal."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from ..core.printable import printable

_WIDTH = 24
_LINE = 78
_WORTH_SAYING = 10.0  # seconds


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Whatever is printed in this block comes out safe, and nobody listening is no error.

    Control characters and what a stream's encoding lacks become escapes. A stream that is closed
    takes everything; one without a file gets one, so that no other file is opened in its place.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Safe(sys.stdout), _Safe(sys.stderr)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


class _Safe:
    """A text stream as `safe_streams` says. Line breaks are the writer's own, who makes what others
    named `printable`, and so is the return to the start of a line (Progress)."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        shown = printable(text, keep="\n\r\t").encode(self._encoding, "backslashreplace")
        self._unless_closed(self._stream.write, shown.decode(self._encoding))
        return len(text)

    def flush(self) -> None:
        self._unless_closed(self._stream.flush)

    def _unless_closed(self, act, *arguments: str) -> None:
        try:
            act(*arguments)
        except OSError:
            # What it still holds has to go somewhere, or Python complains at its end.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are safe to print."""

    def error(self, message: str):
        super().error(printable(message))


class LogFormatter(logging.Formatter):
    """A message in one line, safe to print."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record))


class Progress:
    """A line on the terminal that is redrawn; nothing where there is no terminal."""

    def __enter__(self) -> Progress:
        self._shown = sys.stderr.isatty()
        self._stage, self._first, self._since = "", 0, 0.0
        return self

    def __call__(self, stage: str, step: int, total: int) -> None:
        """`step` of `total`, whatever they count."""
        self._draw(f"{stage:<10}", step, total, f"{step}/{total}{self._left(stage, step, total)}")

    def bytes(self, stage: str, step: int, total: int) -> None:
        """Bytes done of all bytes; 0 when their number is not known."""
        whole = f" of {size_text(total)}" if total else ""
        self._draw(stage, step, total, size_text(step) + whole)

    def say(self, text: str) -> None:
        """A line on stderr, above the one that is redrawn."""
        self._clear()
        print(printable(text), file=sys.stderr)

    def __exit__(self, *_: object) -> None:
        self._clear()

    def _clear(self) -> None:
        if self._shown:
            print("\r" + " " * _LINE + "\r", end="", file=sys.stderr, flush=True)

    def _left(self, stage: str, step: int, total: int) -> str:
        """How long the stage will still take, where that is worth saying."""
        now = time.monotonic()
        if stage != self._stage or step < self._first:
            self._stage, self._first, self._since = stage, step, now
        made = step - self._first
        left = (now - self._since) * (total - step) / made if made else 0.0
        return f", {time_text(left)} left" if left >= _WORTH_SAYING else ""

    def _draw(self, stage: str, step: int, total: int, figures: str) -> None:
        if self._shown:
            filled = round(_WIDTH * step / max(total, 1)) if total else 0
            bar = "#" * filled + "." * (_WIDTH - filled)
            line = f"{stage} [{bar}] {figures}"[:_LINE]
            print(f"\r{line:<{_LINE}}", end="", file=sys.stderr, flush=True)


def time_text(seconds: float) -> str:
    """A time as a person reads it."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def size_text(size: int) -> str:
    """Bytes as a person reads them."""
    if size >= 1e9:
        return f"{size / 1e9:.2f} GB"
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
