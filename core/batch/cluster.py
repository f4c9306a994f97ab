"""The same work on many machines, by Ray Data. Ray is imported here only."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Generator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..errors import FoleyError
from .jobs import SOUNDS, Clip, Settings, groups_of
from .making import Maker, Outcome
from .manifest import record_of


def on_cluster(
    clips: Sequence[Clip], settings: Settings, processes: int
) -> Generator[Outcome, None, None]:
    """The outcomes of all clips as they come, from actors of a Ray cluster, each of which loads the
    system once: the one that RAY_ADDRESS names, one that runs here, or else one of this machine.

    processes: actors; 0 is one for each GPU, or each CPU where there are none. All machines must
    have this package, and see the files of the batch under the same paths.

    Raises:
        FoleyError: Ray is not installed, or cannot be started.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise FoleyError('--cluster needs Ray; run: pip install "foleystage[cluster]"') from error
    begun = not ray.is_initialized()
    if begun:
        _begin(ray)
    try:
        room = ray.cluster_resources()
        gpus = int(room.get("GPU", 0)) if settings.device != "cpu" else 0
        count = processes or gpus or max(1, int(room.get("CPU", 1)))
        groups = groups_of([_placed(clip) for clip in clips], count)
        count = min(count, len(groups))
        numbers = ray.data.from_items(list(range(len(groups))), override_num_blocks=len(groups))
        made = numbers.flat_map(
            _Actor,
            fn_constructor_args=(_of_any_place(settings), groups),
            compute=ray.data.ActorPoolStrategy(size=count),
            num_gpus=min(1.0, gpus / count) if gpus else None,
        )
        for row in made.iter_rows():
            record = json.loads(row["record"])
            yield Outcome(record and record_of(record), row["stops"])
    finally:
        if begun:
            ray.shutdown()


def _begin(ray: Any) -> None:
    """Connects to a cluster; signals are handled as before."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if main else None
    try:
        ray.init(log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise FoleyError(f"Ray cannot be started ({error}): check RAY_ADDRESS.") from error
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # A block that is made again would make its clips again.
    context.actor_task_retry_on_errors = False


def _absolute(path: Any) -> str:
    return str(Path(path).absolute())


def _placed(clip: Clip) -> Clip:
    """A clip whose files are named as any folder sees them."""
    request = clip.request
    sounds: dict[str, Any] = {
        name: _absolute(sound)
        for name in SOUNDS
        if isinstance(sound := getattr(request, name), (str, Path))
    }
    request = replace(request, **sounds)
    return replace(clip, source=clip.source.absolute(), request=request)


def _of_any_place(settings: Settings) -> Settings:
    loading = settings.loading
    files = {role: Path(path).absolute() for role, path in loading.files.items()}
    cache = loading.feature_cache and loading.feature_cache.absolute()
    model = _absolute(settings.model) if Path(settings.model).is_file() else settings.model
    loading = replace(loading, files=files, feature_cache=cache)
    return replace(settings, out=settings.out.absolute(), model=model, loading=loading)


class _Actor:
    """A `Maker` as Ray Data calls it: with the number of a group, as `from_items` gives it."""

    def __init__(self, settings: Settings, groups: Sequence[Sequence[Clip]]) -> None:
        self._maker, self._groups = Maker(settings), groups

    def __call__(self, row: dict[str, Any]) -> list[dict[str, str]]:
        outcomes = self._maker(self._groups[row["item"]])
        return [
            {
                "record": json.dumps(outcome.record and asdict(outcome.record)),
                "stops": outcome.stops,
            }
            for outcome in outcomes
        ]
