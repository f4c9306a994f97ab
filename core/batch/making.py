"""One clip after another by one process: the same function wherever it runs."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..encoders.base import EncodedVideo
from ..errors import CancelCheck, Cancelled, DiskFull, FoleyError
from ..loading import load_model, pick_device
from ..media import Source
from ..media.files import refusing, write_together
from ..pipeline import generate
from ..request import Takes
from ..results.planning import OutputPlan, plan_takes
from ..results.writing import write_take
from ..system import System
from .jobs import Clip, Settings
from .manifest import Journal, Record

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """record: of a clip, None where it was not begun. stops: why no other can be made, a sentence
    that belongs to the record or, without one, to the batch."""

    record: Record | None
    stops: str = ""


class Maker:
    """Makes clips with a system that is loaded once, at the first.

    Called with clips it yields the outcome of each, in their order, and nothing after one that
    stops. Use `close` at the end.
    """

    def __init__(
        self,
        settings: Settings,
        cancelled: CancelCheck | None = None,
        loaded: Callable[[System], None] = lambda system: None,
    ) -> None:
        self.settings = settings
        self._cancelled, self._loaded = cancelled, loaded
        self._journal: Journal | None = None
        self._system: System | None = None

    @property
    def system(self) -> System:
        """It stays in memory. Raises FoleyError where it cannot be loaded."""
        if self._system is None:
            given = self.settings
            loading = replace(given.loading, keep=True)
            system = load_model(given.model, pick_device(given.device), loading)
            # All clips would fail for the same reason.
            for role in ("generator", "decoder"):
                with system.store.using(role):
                    pass
            self._loaded(system)
            self._system = _EncodingOnce(system.name, system.row, system.store, system.cache)
        return self._system

    def __call__(self, clips: Sequence[Clip]) -> Iterator[Outcome]:
        try:
            system = self.system
            if self._journal is None:
                self._journal = Journal(self.settings.out)
        except FoleyError as error:
            yield Outcome(None, str(error))
            return
        for clip in clips:
            with noted() as notes:
                outcome = self._make(clip, system, self._journal)
            if outcome.record is not None and notes:
                outcome = replace(outcome, record=replace(outcome.record, notes=tuple(notes)))
            yield outcome
            if outcome.stops:
                return

    def close(self) -> None:
        """Lets the manifest read the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _make(self, clip: Clip, system: System, journal: Journal) -> Outcome:
        try:
            return Outcome(make_clip(clip, system, self.settings, journal, self._cancelled))
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - what one clip meets must not cost the others
            if _is_stop(error):
                raise
            reason = str(error)
            if not isinstance(error, FoleyError):
                log.info("%s could not be made.", clip.name, exc_info=True)
                kind = type(error).__name__
                reason = f"It met an error of this program ({kind}: {error}): report it."
            stops = reason if isinstance(error, DiskFull) else ""
            return Outcome(failed(clip, self.settings, reason), stops)


def _is_stop(error: BaseException | None) -> bool:
    """Whether it is what a library made of a signal that stops the process."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def make_clip(
    clip: Clip,
    system: System,
    settings: Settings,
    journal: Journal,
    cancelled: CancelCheck | None = None,
) -> Record:
    """Makes and writes the takes of a clip, all of them or nothing; its record stands in the
    journal before they take their places.

    Raises:
        FoleyError: as of `plan_takes`, `generate` and `write_take`; DiskFull among them.
        Cancelled: as asked.
    """
    key = settings.key(clip)  # of the video as it is now, whatever becomes of it meanwhile
    target = settings.out / clip.output
    with refusing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    plan = plan_takes(
        clip.source,
        target,
        clip.request,
        mix=settings.mix,
        picture=settings.picture,
        reads=(settings.model, *settings.loading.files.values()),
    )
    takes = generate(clip.source, system, clip.request, cancelled=cancelled)
    record = _done(clip, settings, key, plan, takes)
    names = dict(zip(plan.takes, record.outputs))
    with write_together() as sinks:
        for index, path in enumerate(plan.takes):
            write_take(clip.source, takes, index, path, settings.mix, settings.picture)
        journal.add(record, {names[one.path]: one.stamp() for one in sinks if one.finished})
    return record


def _done(clip: Clip, settings: Settings, key: str, plan: OutputPlan, takes: Takes) -> Record:
    levels = (round(level, 2) if math.isfinite(level) else None for level in takes.loudness)
    return Record(
        clip.name,
        clip.output,
        "done",
        key,
        clip.request.seed,
        tuple(path.relative_to(settings.out).as_posix() for path in plan.takes),
        seconds=round(takes.seconds, 3),
        loudness=tuple(levels),
    )


def failed(clip: Clip, settings: Settings, reason: str) -> Record:
    """The record of a clip of which nothing is written."""
    return Record(
        clip.name, clip.output, "failed", settings.key(clip), clip.request.seed, reason=reason
    )


@dataclass(eq=False)
class _EncodingOnce(System):
    """A system that does not encode a part of a video again for the clip that comes next.

    encoded: what was made of the video `encoded_of`, by what was asked for.
    """

    encoded_of: Source | None = None
    encoded: dict[str, EncodedVideo] = field(default_factory=dict)

    def encode_video(self, source: Source, **options: Any) -> EncodedVideo:
        """See `system.encode_video`."""
        if self.encoded_of != source:
            self.encoded_of, self.encoded = source, {}
        asked = {k: v for k, v in options.items() if k not in ("progress", "cancelled")}
        key = repr(sorted(asked.items()))
        if key not in self.encoded:
            self.encoded[key] = super().encode_video(source, **options)
        return self.encoded[key]


class _Notes(logging.Handler):
    """Warnings as a list; what is less goes on as it would."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.said.append(record.getMessage())
        else:
            logging.getLogger().handle(record)


@contextlib.contextmanager
def noted() -> Iterator[list[str]]:
    """Collects what this package warns of in the block, instead of saying it."""
    logger, notes = logging.getLogger(__name__.partition(".")[0]), _Notes()
    propagated = logger.propagate
    logger.addHandler(notes)
    logger.propagate = False
    try:
        yield notes.said
    finally:
        logger.propagate = propagated
        logger.removeHandler(notes)
