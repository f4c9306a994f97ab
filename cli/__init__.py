"""The command `foleystage`, one file a command."""

from __future__ import annotations

from collections.abc import Sequence

# All else is imported later: a signal before `main` heeds it ends in a traceback.
from .signals import Stopped, stoppable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    arguments: None takes those of the process, which is to end with the status that comes back.

    Returns 0 when done, 1 when clips of a batch failed, 2 on bad input (after one sentence); when
    stopped 128 and the signal's number: 130 by Ctrl-C, 143 by SIGTERM. Nobody reading what is
    printed changes nothing.
    """
    asked: list[int] = []
    try:
        with stoppable(asked, to_the_end=arguments is None):
            return _run(arguments)
    except BaseException:  # Stopped, or what a library made of it
        if not asked:
            raise
        return 128 + asked[0]


def _run(arguments: Sequence[str] | None) -> int:
    import logging
    import sys

    from ..core.errors import Cancelled, FoleyError
    from ..core.printable import printable
    from .terminal import LogFormatter, safe_streams

    with safe_streams():
        options = _parser().parse_args(arguments)
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(LogFormatter("%(message)s"))
        level = logging.INFO if options.verbose else logging.WARNING
        logging.basicConfig(handlers=[handler], level=level)
        try:
            return options.run(options) or 0
        except FoleyError as error:
            print(f"foleystage: {printable(str(error))}", file=sys.stderr)
            return 2
        except (KeyboardInterrupt, Cancelled) as stopped:
            print(f"\nfoleystage: stopped; {options.left}.", file=sys.stderr)
            return stopped.status if isinstance(stopped, Stopped) else 130


def _parser():
    from . import (
        adapt,
        augment,
        batch,
        convert,
        cues,
        download,
        evaluate,
        generate,
        models,
        scene,
        train,
    )
    from .terminal import Parser

    parser = Parser("foleystage", description="Gives silent video its sound.")
    parser.add_argument("--verbose", action="store_true", help="say what is done")
    parser.set_defaults(left="nothing was written")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    made = generate, cues, batch
    for command in (*made, models, download, convert, train, adapt, augment, evaluate, scene):
        command.add_command(commands)
    return parser
