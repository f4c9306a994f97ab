"""The command download."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from ..core.printable import printable
from .terminal import Progress


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    download = commands.add_parser("download", help="fetch weights that the command `models` lists")
    download.add_argument("names", nargs="+", metavar="NAME")
    download.add_argument(
        "--folder",
        type=Path,
        help="where to put them (default: the first folder of FOLEYSTAGE_MODELS, or the cache)",
    )
    download.set_defaults(run=_download, left="what came is kept, and the next try goes on there")


def _download(options: Namespace) -> None:
    from ..core.weights.registry import entry
    from ..core.weights.store import download, find

    rows = [entry(name) for name in options.names]
    for row in rows:
        print(f"{row.name}: {row.licence.terms}", file=sys.stderr)
        with Progress() as progress:
            path = download(
                row.name,
                lambda step, total, name=row.name: progress.bytes(name, step, total),
                folder=options.folder,
            )
        print(printable(str(path)))
        if find(row.name) is None:
            print(
                f"foleystage: to be found there, set FOLEYSTAGE_MODELS={options.folder}",
                file=sys.stderr,
            )
