"""The command train."""

from __future__ import annotations

import logging
from argparse import Namespace
from pathlib import Path

from ..core.printable import printable

_MOST_THREADS = 1024


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    train = commands.add_parser("train", help="train a bundled recipe")
    train.add_argument("recipe", help="name of a recipe, or a path to one (.json)")
    train.add_argument(
        "--folder",
        type=Path,
        default=Path("runs"),
        help="where runs and caches are kept (default: runs)",
    )
    train.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    train.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    train.add_argument(
        "--accumulate",
        type=int,
        default=1,
        metavar="N",
        help="take each batch in N parts, where it does not fit (default: 1)",
    )
    train.set_defaults(
        run=_train, left="its last checkpoint is kept, and the same command goes on there"
    )


def _train(options: Namespace) -> None:
    import torch

    from ..core.errors import FoleyError
    from ..core.loading import pick_device
    from ..core.training.recipes import run_recipe

    if not 0 <= options.threads <= _MOST_THREADS:
        raise FoleyError(
            f"--threads must be from 1 to {_MOST_THREADS}, or 0 for all, not {options.threads}."
        )
    if options.threads:
        torch.set_num_threads(options.threads)
    logging.getLogger().setLevel(logging.INFO)
    device = pick_device(options.device)
    for path in run_recipe(options.recipe, options.folder, device, accumulate=options.accumulate):
        print(printable(str(path)))
