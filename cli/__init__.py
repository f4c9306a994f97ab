"""The command `foleystage`, one file a command."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from . import augment, convert, download, evaluate, generate, models, scene, train

_COMMANDS = (generate, models, download, convert, train, augment, evaluate, scene)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when done, 2 on bad input, 130 when stopped."""
    from ..core.errors import Cancelled, FoleyError

    options = _parser().parse_args(arguments)
    logging.basicConfig(
        format="%(message)s", level=logging.INFO if options.verbose else logging.WARNING
    )
    try:
        options.run(options)
    except FoleyError as error:
        print(f"foleystage: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Cancelled):
        print(f"\nfoleystage: stopped; {options.left}.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("foleystage", description="Gives silent video its sound.")
    parser.add_argument("--verbose", action="store_true", help="say what is done")
    parser.set_defaults(left="nothing was written")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_command(commands)
    return parser
