"""The command adapt."""

from __future__ import annotations

import logging
from argparse import Namespace
from pathlib import Path

from ..core.printable import printable
from .terminal import Progress

_MOST_STEPS = 10_000


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    p = commands.add_parser(
        "adapt", help="teach the bundled video encoder by videos of your own and their sound"
    )
    p.add_argument("folder", type=Path, help="folder of videos with sound, such as one series")
    p.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="weights (.safetensors) to write"
    )
    p.add_argument("--steps", type=int, metavar="N", help="steps of the training (default: 80)")
    p.add_argument("--seed", type=int, default=0, help="(default: 0)")
    p.set_defaults(run=_adapt)


def _adapt(options: Namespace) -> None:
    from ..core.batch.listing import videos_of
    from ..core.errors import FoleyError
    from ..core.loading import load_model
    from ..core.results.planning import plan_outputs
    from ..core.training import adapt

    steps = adapt.STEPS if options.steps is None else options.steps
    if not 1 <= steps <= _MOST_STEPS:
        raise FoleyError(f"--steps must be from 1 to {_MOST_STEPS}, not {steps}.")
    if not options.folder.is_dir():
        raise FoleyError(f"There is no folder '{options.folder}': check the path.")
    plan = plan_outputs(options.output, (".safetensors",), reads=[])
    videos, _ = videos_of(options.folder)
    system = load_model("ac_foley_mini")
    with system.store.using("video") as encoder:
        clips = _read(videos, encoder)
        settings = {"steps": steps, "seed": options.seed}
        with Progress() as progress:
            if len(clips) > 1:
                before, after = adapt.judged(
                    encoder, clips, progress=lambda *at: progress("judging", *at), **settings
                )
            made = adapt.adapt(
                encoder, clips, progress=lambda *at: progress("learning", *at), **settings
            )
    adapt.save_adapted(made, plan.takes[0], steps, len(clips))
    options.left = "the file is written"
    if len(clips) > 1:
        print(_verdict(before, after))
    print(
        printable(
            f"{plan.takes[0]}  (of {len(clips)} clips; generate --part video={plan.takes[0]})"
        )
    )


def _read(videos, encoder) -> list:
    """What can be learned from; one line for each video that is of no use."""
    from ..core.errors import FoleyError
    from ..core.training import adapt

    clips, seconds = [], 0.0
    with Progress() as progress:
        for number, path in enumerate(videos):
            progress("looking and listening", number, len(videos))
            if seconds >= adapt.MOST_SECONDS:
                logging.warning(
                    "The first %.0f minutes are enough: %d videos are left out.",
                    adapt.MOST_SECONDS / 60,
                    len(videos) - number,
                )
                break
            try:
                clip = adapt.read_own(path, encoder)
            except FoleyError as error:
                logging.warning("%s", printable(f"{path.name}: {error}"))
                continue
            if clip is None:
                logging.warning(
                    "%s", printable(f"{path.name}: hardly anything begins in its sound.")
                )
                continue
            clips.append(clip)
            seconds += clip.seconds
    if not clips:
        raise FoleyError(
            "No video of the folder has a sound with hits in it: give videos with their own sound."
        )
    return clips


def _verdict(before, after) -> str:
    """What it was worth, in words."""
    better = "" if after.mean() > before.mean() else " It did not help: give more of the same kind."
    return (
        f"Clips that were not learned from, {len(before)} in turn: F1 of onsets (100 ms) above "
        f"chance {before.mean():+.2f} before, {after.mean():+.2f} after.{better}"
    )
