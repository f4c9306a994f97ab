"""The command generate."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from ..core.printable import printable
from . import choosing
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
from .resume import forget_sections, kept_sections
from .terminal import Progress


def add_command(commands) -> None:
    """Adds it to argparse's subparsers."""
    p = commands.add_parser("generate", help="make a sound for a video, a picture or words alone")
    p.add_argument(
        "video", nargs="?", help="video or picture file; without one, the prompt alone is followed"
    )
    p.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="video (.mp4, .mov, .mkv, .webm) or sound (.wav, .flac) to write",
    )
    p.set_defaults(run=_generate)
    wishes = p.add_argument_group("what it sounds like")
    add_wishes(wishes)
    wishes.add_argument(
        "--cues",
        metavar="JSON",
        help="cue sheet: prompts, hits, mutes, takes and levels at times; the command `cues` "
        "writes one of what is seen",
    )
    add_task(p.add_argument_group("what is asked"))
    add_window(p.add_argument_group("which part of the video"))
    written = p.add_argument_group("what is written")
    add_output(written)
    choosing.add_options(written)
    written.add_argument(
        "--stems",
        action="store_true",
        help="hits that have a material or reference of their own in the cue sheet also in tracks "
        "of their own (.mkv, .mov)",
    )
    written.add_argument(
        "--plot", metavar="PNG", help="draw frames, motion, waveform and spectrogram"
    )
    add_model(p.add_argument_group("the system"))


def _generate(options: Namespace) -> None:
    from ..core.cues import read_cues
    from ..core.media.files import write_together
    from ..core.pipeline import generate
    from ..core.results.planning import plan_takes
    from ..core.results.writing import write_take

    request = replace(
        request_of(options),
        cues=None if options.cues is None else read_cues(options.cues),
        stems=options.stems,
        **choosing.likeness(options),
    )
    request.check()
    choosing.check_options(options)
    loading = loading_of(options)
    plan = plan_takes(
        options.video,
        options.output,
        request,
        mix=options.mix,
        picture=options.picture,
        plot=options.plot,
        reads=[*filter(None, [options.cues]), options.model, *loading.files.values()],
    )
    with Progress() as progress:
        progress("loading", 0, 1)
        from ..core.loading import load_model, pick_device

        system = load_model(options.model, pick_device(options.device), loading)
        suit_threads(system)
        with kept_sections(options) as store:
            takes = generate(options.video, system, request, store=store, progress=progress)
        reasons = dict.fromkeys(range(len(takes.waveforms)), "")
        if options.rank:
            progress("ranking", 0, 1)
            ranked = choosing.ranked(options, request, takes)
            reasons = {one.take - 1: f"  {one.reason}" for one in ranked}
        with write_together():
            for done, index in enumerate(reasons):
                progress("writing", done, len(reasons))
                path = plan.takes[index]
                write_take(options.video, takes, index, path, options.mix, options.picture)
            for done, index in enumerate(reasons if plan.plots else ()):
                progress("drawing", done, len(reasons))
                _plot(options, takes, index, plan.plots[index])
    forget_sections(options)
    options.left = "all files are written"
    for index, reason in reasons.items():
        figures = f"({takes.seconds:.2f} s, {takes.loudness[index]:.1f} LUFS)"
        print(printable(f"{plan.takes[index]}  {figures}{reason}"))


def _plot(options: Namespace, takes, index: int, path: Path) -> None:
    from ..core.results.plot import plot_take

    words = f"   “{options.prompt}”" if options.prompt else ""
    plot_take(
        options.video,
        takes.waveforms[index],
        takes.sample_rate,
        path,
        start=takes.start,
        chance=takes.chance,
        title=f"{Path(options.video).name}   seed {options.seed}{words}",
    )
