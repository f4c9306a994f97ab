"""Which files a run will write, known and refused before anything is made."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import FoleyError
from ..leftovers import is_temporary
from ..media import Source, probe
from ..media.files import check_place, check_suffix, check_writable, refuse_same_file
from ..media.formats import SOUND_FILES, VIDEO_FILES
from ..media.limits import check_level
from ..media.mixing import check_stem_file
from ..media.mux import PictureMode, check_copy
from ..media.source import describe, file_name
from ..request import Request


@dataclass(frozen=True)
class OutputPlan:
    """takes: a file each. plots: of each take, or none."""

    takes: tuple[Path, ...]
    plots: tuple[Path, ...] = ()


def plan_takes(
    source: Source | None,
    output: str | os.PathLike[str],
    request: Request,
    *,
    mix: float | None = None,
    picture: PictureMode = "copy",
    plot: str | os.PathLike[str] | None = None,
    reads: Iterable[str | os.PathLike[str]] = (),
) -> OutputPlan:
    """The files that the takes of a request are written to, before any work is done.

    mix, picture: as of `write_take`. reads: files that are read beside those of the request; names
    of systems do no harm.

    Raises:
        FoleyError: what `plan_outputs` refuses, a source without motion that is to become a video,
            a mix without a sound of the source's own, a picture that cannot be copied.
    """
    info = None if source is None else probe(source)
    suffixes = (*VIDEO_FILES, *SOUND_FILES)
    suffix = Path(output).suffix.lower()
    if info is None or info.is_picture:
        suffixes = tuple(SOUND_FILES)
        kind = "Words" if info is None else "A picture"
        if suffix in VIDEO_FILES:
            raise FoleyError(
                f"{kind} alone cannot become a video; let the output's name end in "
                f"{' or '.join(SOUND_FILES)}."
            )
        if mix is not None or plot or request.start:
            raise FoleyError(
                f"{kind} alone cannot be mixed, plotted or started in; leave --mix, --plot and "
                "--start away."
            )
    if request.stems:
        if request.cues is None:
            raise FoleyError("Stems are the hits of a cue sheet: name one with --cues.")
        check_stem_file(output)
    if source is not None and info is not None:
        if mix is not None:
            _check_mix(source, request, mix, info.has_audio, suffix in SOUND_FILES)
        if suffix in VIDEO_FILES and picture == "copy":
            check_copy(source, output)
    named = (source, request.reference, request.context)
    files = (None if isinstance(one, tuple) else file_name(one) for one in named)
    return plan_outputs(
        output,
        suffixes,
        takes=request.takes,
        plot=plot,
        reads=[*(name for name in files if name is not None), *reads],
    )


def _check_mix(
    source: Source, request: Request, mix: float, has_audio: bool, to_sound_file: bool
) -> None:
    if to_sound_file:
        raise FoleyError("--mix needs a video to write; a sound file holds the new sound alone.")
    check_level(mix, "level of the original sound")
    if not has_audio:
        raise FoleyError(
            f"{describe(source)} has no sound of its own to mix with; leave --mix away."
        )
    of_its_own = request.edit or request.known or request.task in ("extend", "edit")
    if of_its_own and request.context is None:
        raise FoleyError(
            "The video's own sound is what is extended or edited, so it cannot be mixed in as "
            "well; leave --mix away."
        )


def plan_outputs(
    output: str | os.PathLike[str],
    suffixes: Collection[str],
    *,
    takes: int = 1,
    plot: str | os.PathLike[str] | None = None,
    reads: Iterable[str | os.PathLike[str]] = (),
) -> OutputPlan:
    """The files of a run that makes `takes` and draws them to `plot`, if at all. reads: every file
    that it reads. Nothing is written.

    Raises:
        FoleyError: a suffix that is not among `suffixes`, or of a plot not .png; a file that is
            read, or written twice; a place where none can be written.
    """
    check_suffix(output, suffixes)
    if plot is not None:
        check_suffix(plot, (".png",))
    plan = OutputPlan(numbered(output, takes), () if plot is None else numbered(plot, takes))
    reads, written = list(reads), [*plan.takes, *plan.plots]
    for path in reads:
        if is_temporary(os.path.basename(path)):
            raise FoleyError(f"'{path}' is what a run that died has left: give another file.")
    for path in written:
        for read in reads:
            refuse_same_file(read, path)
        check_place(path)
    # Names in other cases are one file to some disks.
    places = [(os.path.realpath(path.parent), path.name.casefold()) for path in written]
    for path, place in zip(written, places):
        if places.count(place) > 1:
            raise FoleyError(f"'{path}' would be written twice: give another name for the plot.")
    for path in {path.parent: path for path in written}.values():
        check_writable(path)
    return plan


def numbered(output: str | os.PathLike[str], takes: int) -> tuple[Path, ...]:
    """The file of each take: `out.mp4` for one, `out_1.mp4`, `out_2.mp4`, ... for several."""
    path = Path(output)
    if takes == 1:
        return (path,)
    return tuple(path.with_stem(f"{path.stem}_{number + 1}") for number in range(takes))
