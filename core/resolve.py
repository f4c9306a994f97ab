"""What a request means for a system: its task, what is encoded of the picture, and the sound that
is extended or edited."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .context import KnownSound, Span
from .encoders.base import EncodedVideo, Progress
from .errors import CancelCheck, FoleyError
from .generators.base import LENGTH_SLACK
from .media import Source, fit_length, probe, read_audio, window_seconds
from .media.masking import View
from .media.probe import VideoInfo, sound_seconds
from .media.source import describe
from .request import Request
from .system import System
from .tables import SYSTEMS
from .tasks import TASKS, counts_look

log = logging.getLogger(__name__)

_OFF = 0.25  # seconds that a sound may be shorter or longer than the video it goes with
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
    instead = request.reference is not None and system.row.hears_for_words
    if instead and request.prompt.strip():
        raise FoleyError(
            f"{system.name} hears a reference in the place of words: leave the prompt or the "
            "reference away."
        )
    given = {
        "picture": source is not None,
        "words": bool(request.prompt.strip()) or instead,
        "reference": request.reference is not None,
        "known": True,
    }
    for need in task.needs:
        # Without words and picture a take is what the system makes of nothing.
        if request.task and not given[need]:
            raise FoleyError(f"The task {name} ({task.title}) needs {_WITHOUT[need]}.")
    if request.reference is not None and not (task.reference or instead):
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
    unseen = source is None or not system.row.video
    alone = unseen and (request.reference is None or system.row.hears_for_words)
    return "tta" if alone and system.row.text else "vta"


def encode(
    source: Source | None,
    system: System,
    request: Request,
    task: str = "vta",
    lead: float = 0.0,
    mask: Source | None = None,
    view: View | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
    info: VideoInfo | None = None,
) -> EncodedVideo:
    """What a take is conditioned on of a source; for words alone its length.

    info: of the source, where it is known. lead: seconds that are made before the take. mask and
    view: what is to be seen, see `encode_video`.

    Raises:
        FoleyError: a window that cannot be, a picture for a system that follows motion alone.
    """
    if info is None and source is not None:
        info = probe(source)
    seconds = system.longest(take_seconds(info, system, request), request.long_takes)
    if source is None or info is None or info.is_picture:
        if source is None or task == "tta" or not system.row.video:
            return EncodedVideo({}, seconds, lead + seconds)
        left_out = left_out_of(system, request, task)
        return system.encode_image(source, seconds=seconds, mask=mask, view=view, left_out=left_out)
    if lead > seconds - LENGTH_SLACK:
        raise FoleyError(
            f"The reference of {lead:.2f} s stands before the take, and has to be shorter than its "
            f"{seconds:.2f} s: give a shorter one, or make a longer take."
        )
    if not (TASKS[task].motion and system.row.video):
        return EncodedVideo({}, seconds, seconds)
    return system.encode_video(
        source,
        start=request.start,
        seconds=seconds,
        to_end=request.seconds is None,
        timing=request.timing,
        mask=mask,
        view=view,
        lead=lead,
        left_out=left_out_of(system, request, task),
        progress=progress,
        cancelled=cancelled,
    )


def take_seconds(info: VideoInfo | None, system: System, request: Request) -> float:
    """How long a take is, of a source if there is one; FoleyError for a window that cannot be."""
    if info is not None and not info.is_picture:
        return window_seconds(info.seconds, request.start, request.seconds)
    asked = sound_asked(request)
    asked = system.config.trained_seconds if asked is None else asked
    return window_seconds(asked, seconds=asked)


def left_out_of(system: System, request: Request, task: str) -> Sequence[str]:
    """Streams of the picture that do not count."""
    look = counts_look(task, request.prompt, system.row.takes_context) and not request.ignore_look
    return () if look else tuple(system.video_encoder.still)


def sound_asked(request: Request) -> float | None:
    """Seconds of a take without a picture: as many as are asked for, or those of the sound that is
    edited; None is as many as were trained."""
    given = request.context
    if request.seconds is not None or given is None or request.edit is None:
        return request.seconds
    if isinstance(given, tuple):
        return given[0].shape[-1] / given[1]
    return sound_seconds(given) or None


def read_known(source: Source | None, request: Request, seconds: float) -> KnownSound:
    """The sound that is extended or edited, for a take of `seconds`.

    Raises:
        FoleyError: there is none; it is of another length; a span that cannot be; nothing of it can
            be heard where it is known.
    """
    waveform, rate, name = _read(source, request, seconds)
    length = waveform.shape[-1] / rate
    if request.edit is not None or request.task == "edit":
        if request.edit is None:
            raise FoleyError("Say which part is to be edited, in seconds from the start: 2 to 4.")
        _check_span(request.edit, seconds, "part to edit")
        if request.context is not None and abs(length - seconds) > _OFF:
            raise FoleyError(
                f"{name} is {'longer' if length > seconds else 'shorter'} than the take of "
                f"{seconds:.2f} s; cut or pad it to the same length."
            )
        made: tuple[Span, ...] = (request.edit,)
    else:
        known = request.known
        if known is None:
            if length > seconds - _OFF:
                raise FoleyError(
                    "Say which part of the sound is known, in seconds from the start: 0 to 3."
                )
            known = 0.0, length
        _check_span(known, seconds, "known part")
        if known[1] > length + _OFF:
            raise FoleyError(
                f"{name} ends at {length:.2f} s, but {known[1]:g} s of it are said to be known; "
                "shorten that part."
            )
        start, stop = known[0], min(known[1], length)
        made = tuple(s for s in ((0.0, start), (stop, seconds)) if s[1] - s[0] > 1 / rate)
        if not made:
            raise FoleyError("All of the sound is said to be known, so there is nothing to make.")
    sound = KnownSound(fit_length(waveform, round(seconds * rate)), rate, made)
    if sound.is_silent:
        if request.edit is None:
            raise FoleyError(
                f"The known part of {name} is silent, so there is nothing to go on from; name "
                "another part."
            )
        log.warning("What is around the part to edit is silent, so nothing is gone on from.")
    return sound


def _read(source: Source | None, request: Request, seconds: float) -> tuple[Tensor, int, str]:
    """Waveform, rate and name of the sound, from the start of the take on."""
    given = request.context
    if isinstance(given, tuple):
        waveform, rate = given
        if not torch.isfinite(waveform).all():
            raise FoleyError("The known sound holds values that are not numbers; export it again.")
        return waveform.float(), rate, "The known sound"
    if given is not None:
        waveform, rate = read_audio(given, seconds=seconds + 2 * _OFF)
        return waveform, rate, describe(given)
    if source is None:
        raise FoleyError(
            "There is no sound to extend or edit: give one as context, or a video that has one."
        )
    if not probe(source).has_audio:
        raise FoleyError(
            f"{describe(source)} has no sound of its own to extend or edit: give one as context."
        )
    waveform, rate = read_audio(source, start=request.start, seconds=seconds)
    return fit_length(waveform, round(seconds * rate)), rate, describe(source)


def _check_span(span: Span, seconds: float, what: str) -> None:
    start, stop = span
    if not (math.isfinite(start) and math.isfinite(stop) and start < stop):
        raise FoleyError(f"The {what} must end after it starts, not go from {start:g} to {stop:g}.")
    if start < 0 or stop > seconds + _OFF:
        raise FoleyError(
            f"The {what} from {start:g} to {stop:g} s is outside of the take, which is "
            f"{seconds:.2f} s long."
        )
