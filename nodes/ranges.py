"""A range of a sound that is drawn on its waveform: the input, its value and what the node shows.

web/range.js draws on any text input that is marked as `drawn_range` marks it; where it is not
loaded, the input is a plain text field.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from torch import Tensor

from ..core.errors import FoleyError
from ..core.media import write_audio
from ..core.results.peaks import onsets, peaks
from .border import temporary_file
from .notices import show_early

# What web/range.js looks for in the options of an input and in what a node shows, and the message
# of `show_range`.
MARK = SHOWN = "foley_range"
MESSAGE = "foleystage.range"
_EXAMPLE = '{"start": 1.25, "stop": 2.5}'
# What was shown lately, by the sound's digest: a node runs again whenever its range changes.
_MADE: OrderedDict[str, dict[str, Any]] = OrderedDict()
_MOST_MADE = 16


def drawn_range(
    tooltip: str,
    name: str = "range",
    *,
    when: Mapping[str, Sequence[str]] | None = None,
    **other: Any,
) -> io.String.Input:
    """A text input with a range in seconds as JSON, or nothing; drawn on the waveform.

    when: other inputs with a list and those of their choices that go by a range; with another
    choice nothing is drawn.
    """
    text = io.String.Input(name, default="", tooltip=tooltip, **other)
    # Not by the constructor: ComfyUI 0.3.64's has no place for it.
    text.extra_dict = {**text.extra_dict, MARK: {"when": dict(when or {})}}
    return text


def range_of(text: str) -> tuple[float, float] | None:
    """Start and stop in seconds of the text of a `drawn_range`; None where there is none.

    Raises:
        FoleyError: it is not such a text, begins before 0 s, or ends before it begins.
    """
    if not text.strip():
        return None
    try:
        value = json.loads(text)
        start, stop = float(value["start"]), float(value["stop"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise FoleyError(
            f"The range must be like {_EXAMPLE}, in seconds, or nothing, not {text.strip()[:60]}."
        ) from None
    if not (math.isfinite(start) and math.isfinite(stop) and 0 <= start < stop):
        raise FoleyError(
            f"The range goes from {start:g} s to {stop:g} s: it must begin at 0 s or later and "
            "end after it begins."
        )
    return start, stop


def range_preview(
    waveform: Tensor, rate: int, picture: ui.SavedResult | None = None
) -> dict[str, list[dict[str, Any]]]:
    """For `ui` of a node with a `drawn_range`: the sound `[C, T]` that the range lies on.

    picture: a video file that begins with the sound, to see while it plays. Writes the sound into
    the temporary folder, once for as long as it is shown again and again.
    """
    digest = hashlib.blake2b(waveform.contiguous().numpy().tobytes(), digest_size=8)
    digest.update(f"{list(waveform.shape)} {rate}".encode())
    key = digest.hexdigest()
    made = _MADE.pop(key, None)
    if made is None or not _path(made["audio"]).is_file():
        made = _description(waveform, rate)
    _MADE[key] = made
    while len(_MADE) > _MOST_MADE:
        _MADE.popitem(last=False)
    return {SHOWN: [{**made, "picture": picture} if picture else dict(made)]}


def show_range(shown: Mapping[str, Any], node_id: str | None) -> None:
    """Shows what `range_preview` made at once, before the node ends, or fails for want of a range.

    Once it has ended, what it gives as `ui` is kept and shown again.
    """
    show_early(MESSAGE, shown, node_id)


def _description(waveform: Tensor, rate: int) -> dict[str, Any]:
    path = temporary_file("range", ".flac")
    write_audio(path, waveform, rate)
    folder = path.parent.relative_to(folder_paths.get_temp_directory())
    return {
        "peaks": peaks(waveform),
        # Never more than there is, so that a range drawn to the end lies in the sound.
        "seconds": math.floor(waveform.shape[-1] / rate * 1000) / 1000,
        "onsets": onsets(waveform, rate),
        "audio": ui.SavedResult(path.name, folder.as_posix(), io.FolderType.temp),
    }


def _path(file: ui.SavedResult) -> Path:
    return Path(folder_paths.get_temp_directory()) / file["subfolder"] / file["filename"]
