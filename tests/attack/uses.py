"""All that is done with a video and with a sound."""

from __future__ import annotations

from pathlib import Path

import torch
from foleystage.core.errors import FoleyError
from foleystage.core.media import FrameRequest, mux, probe, read_audio, read_frames
from media_files import FPS

RATE = 44100
SOUND = 0.1 * torch.sin(torch.arange(RATE) * 0.05)[None]


def everything(source, folder: Path) -> list[str]:
    """All that is done with a video and with a sound; the sentences of what is refused."""
    refused = []
    for use in (
        probe,
        lambda given: read_frames(given, {"a": FrameRequest(FPS, 32)}),
        read_audio,
        lambda given: mux(given, SOUND, RATE, folder / "out.mp4"),
        lambda given: mux(given, SOUND, RATE, folder / "out.mkv", picture="h264"),
    ):
        try:
            use(source)
        except FoleyError as error:
            refused.append(str(error))
    assert not any("\n" in sentence for sentence in refused)
    return refused
