"""The command augment."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .terminal import Progress


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    augment = commands.add_parser(
        "augment",
        help="make sounds that differ in one adverb (faster, further, growing louder) for training",
        description="Finds the sounds whose captions say how fast, near or loud they are, changes "
        "that, and writes the new sounds with new captions. What is there already is not made "
        "again.",
    )
    augment.add_argument("folder", type=Path, help="folder of the sounds, or of videos with sound")
    augment.add_argument(
        "--csv",
        required=True,
        type=Path,
        metavar="FILE",
        help="their captions: a header, a column of file names and one of captions",
    )
    augment.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        help="folder for the new sounds (.flac) and captions.csv (file, caption, source, "
        "operation)",
    )
    augment.add_argument(
        "--captions",
        type=Path,
        metavar="FILE",
        help="new captions, such as a language model wrote (CSV of source, operation, caption; at "
        "most 30 words); templates write what is not in it",
    )
    augment.add_argument(
        "--axes",
        nargs="+",
        default=["speed", "distance", "volume"],
        choices=("speed", "distance", "volume"),
        help="what is changed (default: all; distance needs pyroomacoustics)",
    )
    augment.add_argument("--seed", type=int, default=0)
    augment.set_defaults(
        run=_augment, left="what is finished is kept, and the same command goes on there"
    )


def _augment(options: Namespace) -> None:
    from ..core.training.augment import augment_folder

    with Progress() as progress:
        result = augment_folder(
            options.folder,
            options.csv,
            options.output,
            new_captions=options.captions,
            axes=options.axes,
            seed=options.seed,
            progress=lambda step, total: progress("sounds", step, total),
        )
    print(result.summary())
