"""The command models."""

from __future__ import annotations

import textwrap
from argparse import Namespace
from typing import Any

from .terminal import size_text


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    models = commands.add_parser(
        "models", help="list the systems, and all weights with their licence and place"
    )
    models.add_argument(
        "--json", action="store_true", help="as JSON, with streams, sampling and parts"
    )
    models.set_defaults(run=_models)


def _models(options: Namespace) -> None:
    from ..core.listing import describe_systems

    listing = describe_systems()
    if options.json:
        import json

        print(json.dumps(listing, indent=1, allow_nan=False))
        return
    from ..core.weights.store import download_folder

    print("Systems")
    for system in listing["systems"]:
        print(f"  {system['name']}  ({system['licence']['terms']})\n    {system['title']}")
    print("\nWeights")
    for row in listing["weights"]:
        print(textwrap.indent(_described(row), "  "))
    print(f"\nDownloads go to {download_folder()}; FOLEYSTAGE_MODELS names another folder.")


def _described(row: dict[str, Any]) -> str:
    """Two lines: what it is; where it is, or how to get it."""
    from ..core.weights.advice import command

    size = (row["size"] or "size not stated") if row["bytes"] is None else size_text(row["bytes"])
    facts = "; ".join((row["part"], size, row["licence"]["terms"]))
    if row["found"] is not None:
        where = row["found"]
    elif row["how"] == "bundled":
        where = f"not here: {row['file']} comes with FoleyStage; install it again"
    elif row["how"] == "by hand":
        where = f"not here: get {row['file']} by hand from {row['source']}"
    elif start := command():
        where = f"not here: {start} download {row['name']}"
    else:
        where = f"not here: get {row['file']} from {row['source']}"
    return f"{row['name']}  ({facts})\n  {where}"
