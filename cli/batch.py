"""The command batch."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from ..core.printable import printable
from .options import (
    add_model,
    add_output,
    add_task,
    add_window,
    add_wishes,
    loading_of,
    request_of,
    suit_threads,
)
from .terminal import Progress


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    p = commands.add_parser(
        "batch",
        help="make a sound for each video of a folder, or of a table",
        description="Makes a sound for each video. What became of each stands in manifest.jsonl of "
        "the folder OUT. A run that was stopped goes on with the same command: what is done is "
        "skipped, what failed is tried again, and what is asked otherwise is made anew. A row of a "
        "table comes before an option. Exit status: 0, 1 when a clip failed, 2 for bad input.",
    )
    p.add_argument(
        "source",
        metavar="FOLDER|CSV",
        type=Path,
        help="folder of videos, with the folders in it; or a table with the column video, and any "
        "of prompt, negative, reference, cues, seed, start, seconds and output (a name in OUT), "
        "with paths relative to it",
    )
    p.add_argument("-o", "--output", required=True, type=Path, metavar="OUT", help="folder to fill")
    p.add_argument(
        "--format",
        default="",
        choices=("mp4", "m4v", "mov", "mkv", "webm", "wav", "flac"),
        help="of what is written (default: each video's own where that can be written, or mkv)",
    )
    p.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="clips that are made at once, each by a process that loads the system (default: 1; "
        "with --cluster one for each GPU, or each CPU where there are none)",
    )
    p.add_argument(
        "--cluster",
        action="store_true",
        help="make them on the machines of a Ray cluster (RAY_ADDRESS, or this machine alone), "
        "which all have this package and its weights, and see the videos and OUT under the same "
        'paths; needs pip install "foleystage[cluster]"',
    )
    p.set_defaults(run=_batch)
    add_wishes(p.add_argument_group("what they sound like"))
    add_task(p.add_argument_group("what is asked"))
    add_window(p.add_argument_group("which part of each video"))
    add_output(p.add_argument_group("what is written"))
    add_model(p.add_argument_group("the system"))


def _batch(options: Namespace) -> int:
    from ..core.batch.jobs import Settings
    from ..core.batch.listing import list_clips
    from ..core.batch.run import run_batch

    is_table = options.source.suffix.lower() == ".csv"
    settings = Settings(
        options.output,
        options.model,
        options.device,
        loading_of(options),
        options.mix,
        options.picture,
    )
    request = request_of(options, names_reference=is_table)
    listing = list_clips(options.source, settings, request, options.format)
    reasons: list[str] = []
    with Progress() as progress:

        def told(record, tally) -> None:
            options.left = f"{tally.progress()}; the same command goes on"
            if record is not None:
                name = _name_of(record)
                for note in record.notes:
                    progress.say(f"{name}: {note}")
                if record.status == "failed":
                    progress.say(f"foleystage: {name} failed: {record.reason}")
                    reasons.append(record.reason)
            progress("clips", tally.done + tally.failed, tally.total)

        processes = options.processes
        if processes is None:
            processes = 0 if options.cluster else 1
        tally = run_batch(
            listing.clips,
            settings,
            processes=processes,
            cluster=options.cluster,
            told=told,
            loaded=suit_threads,
        )
    if tally.stopped and tally.stopped not in reasons:
        print(f"foleystage: {printable(tally.stopped)}", file=sys.stderr)
    if tally.stopped:
        print(f"foleystage: stopped; {options.left}.", file=sys.stderr)
    print(_summary(tally, listing.others))
    return int(bool(tally.failed or tally.stopped))


def _name_of(record) -> str:
    """How a clip is called: by its video, and by its output where that has another name."""
    video, output = (Path(name).with_suffix("") for name in (record.input, record.output))
    return record.input if video == output else f"{record.input} ({record.output})"


def _summary(tally, others: int) -> str:
    """One line about a run that has ended."""
    found = [f"{tally.made} made"]
    if tally.skipped:
        found.append(f"{tally.skipped} done before")
    if tally.failed:
        found.append(f"{tally.failed} failed")
    if left := tally.total - tally.done - tally.failed:
        found.append(f"{left} left")
    line = f"{_counted(tally.total, 'clip')}: {', '.join(found)}"
    if others:
        line += f"; {_counted(others, 'other file')} {'was' if others == 1 else 'were'} left alone"
    return line


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
