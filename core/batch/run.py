"""A batch from its clips to its manifest."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import CancelCheck, FoleyError
from ..loading import load_model, pick_device
from ..media.files import refusing
from ..resolve import task_of
from ..system import System
from .cluster import on_cluster
from .jobs import Clip, Settings, groups_of
from .making import Maker, Outcome, noted
from .manifest import MANIFEST, Manifest, Record
from .processes import in_processes

MOST_PROCESSES = 256


@dataclass
class Tally:
    """How far a batch is. total: its clips. skipped: those that were done before. made, failed: by
    this run. stopped: why it could not go on, a sentence."""

    total: int
    skipped: int = 0
    made: int = 0
    failed: int = 0
    stopped: str = ""

    @property
    def done(self) -> int:
        """Clips that are there."""
        return self.skipped + self.made

    def progress(self) -> str:
        """Some words for a person."""
        return f"{self.done} of {self.total} clips are done"


def run_batch(
    clips: Sequence[Clip],
    settings: Settings,
    *,
    processes: int = 1,
    cluster: bool = False,
    told: Callable[[Record | None, Tally], None] = lambda record, tally: None,
    loaded: Callable[[System], None] = lambda system: None,
    cancelled: CancelCheck | None = None,
) -> Tally:
    """Make the clips that are not done, and enter what became of each in the manifest.

    A clip is done when the manifest says so of the same request and its files are there; what
    failed is tried again. What a clip meets costs that clip alone, but a full disk stops the run.

    processes: that make clips at once; 1 is this one. cluster: by Ray, see `cluster.on_cluster`;
    then 0 is as many as it has room for. told(record, tally): before the first clip without a
    record, then after each. loaded(system): called once where this process makes the clips.

    Raises:
        FoleyError: a folder that cannot be written to, or is by another run; a system that cannot
            be loaded or does not do what is asked.
        Cancelled: as asked.
    """
    least = 0 if cluster else 1
    if not least <= processes <= MOST_PROCESSES:
        raise FoleyError(
            f"The number of processes must be {least} to {MOST_PROCESSES}, not {processes}."
        )
    if not cluster:
        _check(clips, settings)
    place = settings.out / MANIFEST
    was_there = settings.out.exists()
    with refusing(place):
        settings.out.mkdir(parents=True, exist_ok=True)
    with _gone_if_empty(settings.out, was_there), Manifest(settings.out) as manifest:
        left = [clip for clip in clips if not _is_done(clip, settings, manifest)]
        tally = Tally(len(clips), skipped=len(clips) - len(left))
        told(None, tally)
        if not left:
            return tally
        if cluster:
            outcomes = on_cluster(left, settings, processes)
        elif processes == 1:
            outcomes = _here(left, settings, cancelled, loaded)
        else:
            groups = groups_of(left, processes)
            outcomes = in_processes(groups, settings, processes, cancelled)
        with closing(outcomes):
            _enter(outcomes, manifest, tally, told)
    return tally


@contextmanager
def _gone_if_empty(folder: Path, was_there: bool) -> Iterator[None]:
    """Deletes a folder that nothing came into, unless it was there before."""
    try:
        yield
    finally:
        if not was_there:
            with suppress(OSError):
                folder.rmdir()


def _check(clips: Sequence[Clip], settings: Settings) -> None:
    """FoleyError where the system is not there, or is asked for what it does not do."""
    system = load_model(settings.model, pick_device(settings.device), settings.loading)
    for request, clip in {clip.request: clip for clip in clips}.items():
        try:
            with noted():  # it is said of the clip
                task_of(system, clip.source, request)
        except FoleyError as error:
            raise FoleyError(f"{clip.said}{error}") from None


def _is_done(clip: Clip, settings: Settings, manifest: Manifest) -> bool:
    last = manifest.last(clip.output)
    same = last is not None and last.status == "done" and last.key == settings.key(clip)
    return same and all(path.is_file() for path in settings.files(clip))


def _here(
    clips: Sequence[Clip],
    settings: Settings,
    cancelled: CancelCheck | None,
    loaded: Callable[[System], None],
) -> Generator[Outcome, None, None]:
    with closing(Maker(settings, cancelled, loaded)) as maker:
        for group in groups_of(clips, 1):
            yield from maker(group)


def _enter(
    outcomes: Iterable[Outcome],
    manifest: Manifest,
    tally: Tally,
    told: Callable[[Record | None, Tally], None],
) -> None:
    """Enters outcomes in the manifest until there are no more, or one stops the run."""
    for outcome in outcomes:
        record = outcome.record
        if record is None:
            raise FoleyError(outcome.stops)
        tally.made += record.status == "done"
        tally.failed += record.status == "failed"
        tally.stopped = outcome.stops
        try:
            manifest.add(record)
        except FoleyError as error:  # no room for a line; what was made stands in a journal
            tally.stopped = tally.stopped or str(error)
        told(record, tally)
        if tally.stopped:
            return
