"""What the commands draw on a terminal."""

from __future__ import annotations

import sys

_WIDTH = 24
_LINE = 78


class Progress:
    """A line on the terminal that is redrawn; nothing where there is no terminal."""

    def __enter__(self) -> Progress:
        self._shown = sys.stderr.isatty()
        return self

    def __call__(self, stage: str, step: int, total: int) -> None:
        """`step` of `total`, whatever they count."""
        self._draw(f"{stage:<10}", step, total, f"{step}/{total}")

    def bytes(self, stage: str, step: int, total: int) -> None:
        """Bytes done of all bytes; 0 when their number is not known."""
        whole = f" of {size_text(total)}" if total else ""
        self._draw(stage, step, total, size_text(step) + whole)

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print("\r" + " " * _LINE + "\r", end="", file=sys.stderr, flush=True)

    def _draw(self, stage: str, step: int, total: int, figures: str) -> None:
        if self._shown:
            filled = round(_WIDTH * step / max(total, 1)) if total else 0
            bar = "#" * filled + "." * (_WIDTH - filled)
            line = f"{stage} [{bar}] {figures}"[:_LINE]
            print(f"\r{line:<{_LINE}}", end="", file=sys.stderr, flush=True)


def size_text(size: int) -> str:
    """Bytes as a person reads them."""
    if size >= 1e9:
        return f"{size / 1e9:.2f} GB"
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
