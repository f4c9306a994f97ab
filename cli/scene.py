"""The command scene."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..core.printable import printable


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    scene = commands.add_parser(
        "scene", help="render a synthetic scene to a video with its true sound"
    )
    scene.add_argument("seed", type=int)
    scene.add_argument("-o", "--output", required=True, type=Path)
    scene.add_argument("--kind", default="", help="kind of event (default: the seed's own)")
    scene.add_argument("--seconds", type=float, default=8.0)
    scene.add_argument("--height", type=int, default=360)
    scene.add_argument("--clean", action="store_true", help="plain filming instead of hard")
    scene.add_argument("--silent", action="store_true", help="the picture alone")
    scene.set_defaults(run=_scene)


def _scene(options: Namespace) -> None:
    from ..core.scenes.files import write_scene

    happened = write_scene(
        options.seed,
        options.output,
        kind=options.kind,
        seconds=options.seconds,
        height=options.height,
        hard=not options.clean,
        silent=options.silent,
    )
    options.left = "the file is written"
    print(printable(happened))
