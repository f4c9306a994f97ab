"""Which files a run will write, known and refused before anything is made."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import FoleyError
from ..leftovers import is_temporary
from ..media.files import check_place, check_suffix, check_writable, refuse_same_file


@dataclass(frozen=True)
class OutputPlan:
    """takes: a file each. plots: of each take, or none."""

    takes: tuple[Path, ...]
    plots: tuple[Path, ...] = ()


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
    plan = OutputPlan(_numbered(output, takes), () if plot is None else _numbered(plot, takes))
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


def _numbered(output: str | os.PathLike[str], takes: int) -> tuple[Path, ...]:
    """`out.mp4` for one take, `out_1.mp4`, `out_2.mp4`, ... for several."""
    path = Path(output)
    if takes == 1:
        return (path,)
    return tuple(path.with_stem(f"{path.stem}_{number + 1}") for number in range(takes))
