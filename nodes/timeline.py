"""A cue sheet that is drawn under its video: the node, and what it shows to be drawn on.

web/timeline.js draws on any text input that is marked with MARK; where it is not loaded, the input
is a plain text field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import folder_paths
import torch
from comfy_api.latest import io, ui
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from ..core.catalog import VIDEO_ENCODERS
from ..core.cues import CueSheet, parse_cues
from ..core.encoders.foley_mini import BIN_RATE
from ..core.media import probe
from ..core.results.filmstrip import MOTION_RATE, Filmstrip, write_filmstrip
from . import common, widgets
from .border import one_sound, picture_of, temporary_file
from .common import Node
from .notices import show_early
from .preview import preview_of
from .progress import callbacks
from .ranges import SHOWN as SOUND
from .ranges import range_preview
from .values import EncodedFeatures

# What web/timeline.js looks for in the options of an input and in what a node shows, and the
# message of what is shown before the node ends.
MARK = SHOWN = "foley_timeline"
MESSAGE = "foleystage.timeline"
# Of the silence that a video without a sound is played by.
_SILENT_RATE = 8000
# A curve is sent with at most so many values, each the greatest of those that it stands for.
_MOST_VALUES = 6000
# VIDEO or IMAGE -> what was asked of it -> its strip and the strip's file.
_MADE: WeakIdKeyDictionary = WeakIdKeyDictionary()


@dataclass(frozen=True)
class _Shown:
    """What the widget draws. frames: how many the film has, and their aspect; curve: rate, start in
    seconds and values 0 to 1; hits: pairs of a time and a strength, None where no features tell
    them; cues: the sheet that came in."""

    seconds: float | None
    cues: str
    film: Mapping[str, Any] | None = None
    frames: Mapping[str, Any] | None = None
    curve: Mapping[str, Any] | None = None
    hits: list[list[float]] | None = None
    audio: Mapping[str, Any] | None = None
    peaks: list[list[float]] | None = None
    picture: Mapping[str, Any] | None = None


def _cues_input() -> io.String.Input:
    text = io.String.Input(
        "cues",
        default="",
        tooltip="The cue sheet as JSON, which is drawn here; nothing is edited while it is empty.",
    )
    # Not by the constructor: ComfyUI 0.3.64's has no place for it.
    text.extra_dict = {**text.extra_dict, MARK: True}
    return text


class Timeline(Node):
    TITLE = "Foley Timeline"
    ABOUT = (
        "Shows a video over its hits, prompts, takes, mutes and levels, all of which are edited "
        "there, and hands them on as a cue sheet."
    )
    INPUTS = [
        widgets.picture("The VIDEO that gets a sound, or the IMAGE batch.", optional=True),
        common.Features.Input(
            "features",
            optional=True,
            tooltip="From Encode Foley Video: the hits that are seen, to be moved or removed.",
        ),
        io.Audio.Input(
            "audio",
            optional=True,
            tooltip="A take to see and to hear under the picture; it begins where features do.",
        ),
        widgets.fps(),
        _cues_input(),
    ]
    OUTPUTS = [
        # Older ComfyUIs want another id than the input's.
        io.String.Output(
            "sheet", "cues", tooltip="The cue sheet as JSON, checked and in order of time."
        )
    ]
    ALIASES = ("cue sheet", "edit hits", "spotting", "storyboard", "automation")
    HIDDEN = [io.Hidden.unique_id]
    # It shows what there is before anything follows.
    OTHER = {"is_output_node": True}

    @classmethod
    def execute(
        cls,
        fps: float,
        cues: str,
        video=None,
        features: EncodedFeatures | None = None,
        audio=None,
    ) -> io.NodeOutput:
        shown = _shown(video, fps, features, audio, cues)
        drawn = {SHOWN: [dict(vars(shown))]}
        # A sheet that cannot be read is refused below, and its lanes are seen all the same.
        show_early(MESSAGE, drawn, cls.hidden.unique_id)
        sheet = parse_cues(cues) if cues.strip() else CueSheet()
        if shown.seconds is not None:
            sheet = replace(sheet, seconds=shown.seconds)
        return io.NodeOutput(sheet.to_json(), ui=drawn)


def _shown(video, fps: float, features: EncodedFeatures | None, audio, cues: str) -> _Shown:
    sound = None if audio is None else one_sound(audio)
    first = 0.0 if features is None else features.start
    seconds = _seconds(video, fps, features, sound, first)
    if seconds is None:
        return _Shown(None, cues)
    chance = None if features is None else features.chance
    film = frames = curve = picture = None
    if video is not None:
        strip, path = _strip(video, fps, seconds, motion=chance is None)
        film = _saved(path)
        frames = {"count": strip.count, "aspect": strip.width / strip.height}
        curve = _curve(torch.tensor(strip.motion), MOTION_RATE, 0.0) if strip.motion else None
        picture = preview_of(video, fps, 0.0, seconds)
    hits = None
    if features is not None and chance is not None:
        curve = _curve(chance, BIN_RATE, first, greatest=1.0)
        hits = [[round(first + t, 4), round(s, 4)] for t, s in _hits(features)]
        hits = [hit for hit in hits if hit[0] <= seconds]
    waveform, rate = _placed(sound, first, seconds)
    drawn = range_preview(waveform, rate)[SOUND][0]
    peaks = None if sound is None else drawn["peaks"]
    return _Shown(seconds, cues, film, frames, curve, hits, drawn["audio"], peaks, picture)


def _hits(features: EncodedFeatures) -> list[tuple[float, float]]:
    """Times in seconds of the features, and strengths, of the hits that were seen."""
    part = VIDEO_ENCODERS.get(features.part)
    see = None if part is None else part.seen_hits
    return [] if see is None else list(zip(*see(features.streams), strict=True))


def _seconds(video, fps: float, features, sound, first: float) -> float | None:
    """How long the line is: as the video, else as what there is of it."""
    length = None
    if video is not None:
        picture = picture_of(video, fps)
        length = picture.seconds
        if length is None:
            length = probe(picture.source).seconds - picture.start
    elif features is not None and features.seconds is not None:
        length = first + features.seconds
    elif sound is not None:
        length = first + sound[0].shape[-1] / sound[1]
    # Never more than there is, so that what is drawn to the end lies in it.
    return None if length is None else math.floor(length * 1000) / 1000


def _strip(video, fps: float, seconds: float, *, motion: bool) -> tuple[Filmstrip, Path]:
    """The filmstrip of a video, made once for as long as the value lives."""
    made = _MADE.setdefault(video, {})
    key = (fps, motion)
    if key not in made or not made[key][1].is_file():
        picture = picture_of(video, fps)
        path = temporary_file("filmstrip", ".jpg")
        start, _ = picture.window(0.0, None)
        asked = {"start": start, "seconds": seconds, "motion": motion}
        made[key] = (write_filmstrip(picture.source, path, **asked, **callbacks()), path)
    return made[key]


def _saved(path: Path) -> ui.SavedResult:
    folder = path.parent.relative_to(folder_paths.get_temp_directory())
    return ui.SavedResult(path.name, folder.as_posix(), io.FolderType.temp)


def _curve(
    values: Tensor, rate: float, start: float, greatest: float | None = None
) -> dict[str, Any]:
    """A curve for the widget, divided by its greatest value unless that is given."""
    step = math.ceil(len(values) / _MOST_VALUES) or 1
    values = torch.nn.functional.pad(values.float(), (0, -len(values) % step))
    values = values.view(-1, step).amax(1)
    values = values / (greatest or max(float(values.max()), 1e-3))
    return {"rate": rate / step, "start": start, "values": [round(v, 3) for v in values.tolist()]}


def _placed(sound, first: float, seconds: float) -> tuple[Tensor, int]:
    """The take where it belongs in a sound as long as the line; silence where there is none."""
    if sound is None:
        return torch.zeros(1, max(1, math.ceil(seconds * _SILENT_RATE))), _SILENT_RATE
    waveform, rate = sound
    length, before = max(1, math.ceil(seconds * rate)), round(first * rate)
    kept = waveform[:, : max(length - before, 0)]
    return torch.nn.functional.pad(kept, (before, length - before - kept.shape[-1])), rate


NODES = [Timeline]
