"""The command cues."""

from __future__ import annotations

from argparse import Namespace

from ..core.printable import printable
from .terminal import Progress

_SYSTEM = "ac_foley_mini"  # whose encoder sees hits


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    p = commands.add_parser(
        "cues", help="write what is seen of a video as a cue sheet, to edit and to play"
    )
    p.add_argument("video", help="video file")
    p.add_argument(
        "-o", "--output", required=True, metavar="JSON", help="cue sheet (.json) to write"
    )
    p.add_argument("--start", type=float, default=0.0, metavar="S", help="first second")
    p.add_argument("--seconds", type=float, metavar="S", help="length (default: to the end)")
    p.set_defaults(run=_cues)


def _cues(options: Namespace) -> None:
    from ..core.cues import write_cues
    from ..core.loading import load_model
    from ..core.media.request import check_window
    from ..core.results.planning import plan_outputs
    from ..core.seen_cues import seen_cues

    check_window(options.start, options.seconds)
    plan = plan_outputs(options.output, (".json",), reads=[options.video])
    with Progress() as progress:
        sheet = seen_cues(
            options.video,
            load_model(_SYSTEM),
            start=options.start,
            seconds=options.seconds,
            progress=lambda step, total: progress("looking", step, total),
        )
        write_cues(plan.takes[0], sheet)
    options.left = "the file is written"
    print(printable(f"{plan.takes[0]}  ({len(sheet.hits or ())} hits)"))
