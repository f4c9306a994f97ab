"""What the command generate offers to choose between takes: a ranking, and more like one."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.ranking import Ranked
    from ..core.request import Request, Takes


def add_options(group) -> None:
    """Adds them to a group of argparse."""
    group.add_argument(
        "--rank",
        action="store_true",
        help="list the takes from the best to the worst, and why: hits in time with the picture, "
        "level, clipping, and what CLAP says of the prompt where its weights are on this machine; "
        "files keep the numbers of their takes",
    )
    group.add_argument(
        "--keep", type=int, metavar="N", help="with --rank: write only the N best takes"
    )
    group.add_argument(
        "--like",
        type=int,
        metavar="N",
        help="make takes like take N of this seed: --seed 5 --takes 4 --like 3",
    )
    group.add_argument(
        "--variation",
        type=float,
        metavar="V",
        help="with --like: how far from it, from 0, that take itself, to 1, nothing of it "
        "(default: 0.3)",
    )


def check_options(options: Namespace) -> None:
    """FoleyError for what goes with nothing that is asked for."""
    from ..core.errors import FoleyError

    if options.variation is not None and options.like is None:
        raise FoleyError("--variation is about takes like another; name that one with --like.")
    if options.keep is None:
        return
    if not options.rank:
        raise FoleyError("--keep writes the best takes; add --rank, which tells them.")
    if not 1 <= options.keep <= options.takes:
        raise FoleyError(
            f"--keep must be 1 to {options.takes}, the number of takes, not {options.keep}."
        )


def likeness(options: Namespace) -> dict[str, int | float]:
    """The fields of a request."""
    given = {"like": options.like, "variation": options.variation}
    return {name: value for name, value in given.items() if value is not None}


def ranked(options: Namespace, request: Request, takes: Takes) -> list[Ranked]:
    """The takes that are kept, the best first."""
    from ..core.media import probe
    from ..core.ranking import agreement_with, rank, seen_by_mini

    chance = takes.chance
    unseen = options.video is None or request.task == "tta" or probe(options.video).is_picture
    if chance is None and not unseen:
        chance = seen_by_mini(options.video, takes.start, takes.seconds)
    in_sound = request.context is not None or request.known or request.edit
    found = rank(
        takes.waveforms,
        takes.sample_rate,
        chance=chance,
        offset=request.offset,
        asked=None if in_sound else request.loudness,
        loudness=takes.loudness,
        agreement=agreement_with(request.prompt, takes.waveforms, takes.sample_rate),
    )
    return found[: options.keep]
