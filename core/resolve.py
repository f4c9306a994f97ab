"""What a request means for a system: its task, and whether all that the task needs is there."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from .errors import FoleyError
from .media import Source
from .request import Request
from .system import System
from .tables import SYSTEMS
from .tasks import TASKS

log = logging.getLogger(__name__)

_WITHOUT: Mapping[str, str] = {
    "picture": "a video; name one",
    "words": "words; give a prompt",
    "reference": "a reference sound; name one",
}


def task_of(system: System, source: Source | None, request: Request) -> str:
    """The name of the task; says so where something that is given has no effect.

    Raises:
        FoleyError: the system does not do it, or something that it needs is missing, or too much.
    """
    name = request.task or _implied(source, request, system)
    if name not in system.row.tasks:
        able = [other for other, row in SYSTEMS.items() if name in row.tasks]
        raise FoleyError(
            f"{system.name} does not do {name} ({TASKS[name].title}); use one of: "
            f"{', '.join(able)}."
        )
    task = TASKS[name]
    given = {
        "picture": source is not None,
        "words": bool(request.prompt.strip()),
        "reference": request.reference is not None,
        "known": True,
    }
    for need in task.needs:
        if not given[need]:
            raise FoleyError(f"The task {name} ({task.title}) needs {_WITHOUT[need]}.")
    if request.reference is not None and not task.reference:
        raise FoleyError(f"The task {name} follows no reference sound; leave it away.")
    spans = {"extend": request.known, "edit": request.edit}
    for other, span in spans.items():
        if span is not None and other != name:
            raise FoleyError(
                f"A known part belongs to the task extend and a part to edit to the task edit, not "
                f"to {name}; leave it away or name that task."
            )
    if request.context is not None and not task.known:
        raise FoleyError(f"The task {name} goes on from no sound; leave the context away.")
    if task.known and request.offset:
        raise FoleyError(f"The task {name} keeps a sound in its place; leave the offset away.")
    if name == "tta" and source is not None:
        log.warning("The task tta follows the words alone; the picture has no effect.")
    return name


def _implied(source: Source | None, request: Request, system: System) -> str:
    """The task of a request that names none."""
    if request.edit is not None:
        return "edit"
    if request.known is not None or request.context is not None:
        return "extend"
    if request.reference is not None and system.row.takes_context:
        return "ac-vta"
    return "tta" if source is None and system.row.text else "vta"
