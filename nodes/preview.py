"""A picture for the node's face, made once for as long as the value lives that it shows."""

from __future__ import annotations

from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from torch.utils.weak import WeakIdKeyDictionary

from ..core.media import write_preview
from .border import check_seconds, picture_of, temporary_file
from .progress import callbacks

# VIDEO or IMAGE -> what was asked of it -> its file. Another pick shows the same picture again.
_MADE: WeakIdKeyDictionary = WeakIdKeyDictionary()


def preview_of(video: Any, fps: float, start: float, seconds: float) -> ui.SavedResult:
    """A small file in the temporary folder with `seconds` of `video` from `start` on."""
    check_seconds(start, "start")
    made = _MADE.setdefault(video, {})
    key = (fps, start, seconds)
    if key not in made or not made[key].is_file():
        picture = picture_of(video, fps)
        first, length = picture.window(start, seconds)
        path = temporary_file("preview", "")
        made[key] = write_preview(picture.source, path, start=first, seconds=length, **callbacks())
    folder = made[key].parent.relative_to(folder_paths.get_temp_directory())
    return ui.SavedResult(made[key].name, folder.as_posix(), io.FolderType.temp)
