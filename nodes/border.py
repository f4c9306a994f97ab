"""ComfyUI's values at the door: VIDEO, IMAGE, MASK and AUDIO to what core reads, and back."""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import folder_paths
import torch
from comfy_api.latest import InputImpl
from torch import Tensor

from ..core.errors import FoleyError
from ..core.media import ImageFrames, Source, probe, read_audio
from ..core.media.formats import VIDEO_FILES
from ..core.media.limits import check_sample_rate, check_samples
from .progress import stop_if_cancelled

# No sound has more channels, and none is as short as this in samples.
_MOST_CHANNELS = 8


@dataclass(frozen=True, eq=False)
class Picture:
    """Where frames are read from. start: where a trimmed VIDEO begins in its file; seconds: how
    long it is, None to the end."""

    source: Source
    start: float = 0.0
    seconds: float | None = None

    def window(self, start: float, seconds: float | None) -> tuple[float, float | None]:
        """A window of what is shown, in seconds of the file."""
        if self.seconds is None:
            return self.start + start, seconds
        if start >= self.seconds:
            raise FoleyError(
                f"The window starts at {start:g} s, but the trimmed video ends at "
                f"{self.seconds:.2f} s: start earlier."
            )
        left = self.seconds - start
        return self.start + start, left if seconds is None else min(seconds, left)


def picture_of(video: Any, fps: float = 0.0) -> Picture:
    """A VIDEO's own file, so that frames are decoded as they are needed; or an IMAGE batch. Raises
    FoleyError for a batch without a frame rate or of one frame."""
    if video is None:
        raise FoleyError("There is no video: connect a VIDEO or an IMAGE batch.")
    if isinstance(video, Tensor):
        if not fps > 0:
            raise FoleyError(
                "An IMAGE batch has no speed of its own: set fps to its frames a second (it is "
                f"{fps:g})."
            )
        if len(video) < 2:
            raise FoleyError(
                "The IMAGE batch holds one frame, and nothing moves in it: connect all frames of "
                "the video."
            )
        return Picture(ImageFrames(video, float(fps)))
    if isinstance(video, InputImpl.VideoFromComponents):
        components = video.get_components()
        return Picture(ImageFrames(components.images, float(components.frame_rate)))
    if _newer(video, "has_pending_frame_edits", False):
        # Cropped or resized in the graph: only a written copy shows what the artist sees.
        return Picture(_written(video))
    start, seconds = _newer(video, "get_active_trim_window", (0.0, 0.0))
    return Picture(video.get_stream_source(), float(start), float(seconds) or None)


def still_of(video: Any) -> ImageFrames | None:
    """An IMAGE of one frame, in which nothing moves."""
    return ImageFrames(video, 1.0) if isinstance(video, Tensor) and len(video) == 1 else None


def whole_file(video: Any, fps: float = 0.0) -> Source:
    """Like `picture_of`, for copying packets: a trimmed VIDEO is written out first."""
    picture = picture_of(video, fps)
    return picture.source if not picture.start and picture.seconds is None else _written(video)


def _newer(video: Any, method: str, otherwise: Any) -> Any:
    """What a method of newer ComfyUIs says, or `otherwise` on older ones."""
    ask = getattr(video, method, None)
    return otherwise if ask is None else ask()


def _written(video: Any) -> str:
    path = str(temporary_file("trimmed", ".mp4"))
    video.save_to(path)
    return path


def temporary_file(stem: str, suffix: str) -> Path:
    """A new name in ComfyUI's temporary folder, which is emptied at each start."""
    folder = Path(folder_paths.get_temp_directory()) / "foleystage"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{stem}_{uuid.uuid4().hex[:12]}{suffix}"


def container_suffix(source: Source) -> str:
    """The kind of file that can hold the picture of `source`: its own, or Matroska for others."""
    if isinstance(source, ImageFrames):
        return ".mp4"
    if isinstance(source, (str, os.PathLike)):
        suffix = Path(source).suffix.lower()
        return suffix if suffix in VIDEO_FILES else ".mkv"
    source.seek(0)
    return ".mp4" if source.read(8)[4:] == b"ftyp" else ".mkv"


def sound_of(audio: Any, what: str = "sound") -> tuple[Tensor, int]:
    """An AUDIO as float32 [B, C, T] on the CPU and its rate.

    Integers are scaled to -1..1; shapes without a batch or channels get them; packed samples
    [B, T, C] are turned round.

    Raises:
        FoleyError: it is None, empty or not finite, or its rate makes no sense.
    """
    if audio is None:
        raise FoleyError(f"There is no {what}: the video that it comes from has no sound track.")
    waveform = audio.get("waveform") if isinstance(audio, Mapping) else None
    if not isinstance(waveform, Tensor) or waveform.is_complex() or waveform.dtype == torch.bool:
        raise FoleyError(f"The {what} is no AUDIO: connect a sound of numbers and its rate.")
    waveform, rate = waveform.detach().cpu(), _rate_of(audio.get("sample_rate"), what)
    while waveform.ndim < 3:
        waveform = waveform.unsqueeze(0)
    if waveform.shape[-1] <= _MOST_CHANNELS < waveform.shape[-2]:
        waveform = waveform.transpose(-1, -2)
    if waveform.ndim != 3 or not waveform.numel():
        raise FoleyError(
            f"The {what} holds no samples ({list(waveform.shape)}): connect one that can be played."
        )
    if not waveform.is_floating_point():
        waveform = _scaled(waveform)
    waveform = waveform.float()
    check_samples(waveform, f"The {what}")
    return waveform.contiguous(), rate


def _rate_of(value: Any, what: str) -> int:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    rate = float(value) if plain else math.nan
    check_sample_rate(rate, f"The {what}")
    return int(rate)


def _scaled(samples: Tensor) -> Tensor:
    if samples.dtype == torch.uint8:
        return (samples.float() - 128) / 128
    return samples.double() / (torch.iinfo(samples.dtype).max + 1)


def with_channels(waveform: Tensor, count: int) -> Tensor:
    """[..., C, T] in `count` channels: as it is, or its mean on all of them."""
    if waveform.shape[-2] == count:
        return waveform
    mean = waveform.mean(-2, keepdim=True)
    return mean.expand(*mean.shape[:-2], count, -1).contiguous()


def one_sound(audio: Any, what: str = "sound") -> tuple[Tensor, int]:
    """The only item of an AUDIO, [C, T], and its rate; FoleyError for a batch of takes."""
    waveform, rate = sound_of(audio, what)
    if len(waveform) > 1:
        raise FoleyError(
            f"The {what} holds {len(waveform)} takes: pick one with Foley Takes first."
        )
    return waveform[0], rate


def original_sound(source: Any) -> tuple[Tensor, int] | None:
    """The sound that came with a VIDEO, or an AUDIO; None where there is none.

    A VIDEO's is decoded from its file, whatever its sample format.
    """
    if source is None:
        return None
    if isinstance(source, dict):
        return one_sound(source, "original sound")
    if isinstance(source, InputImpl.VideoFromComponents):
        audio = source.get_components().audio
        return None if audio is None else one_sound(audio, "original sound")
    picture = picture_of(source)
    if not probe(picture.source).has_audio:
        return None
    start, seconds = picture.start, picture.seconds
    return read_audio(picture.source, start=start, seconds=seconds, cancelled=stop_if_cancelled)


def audio_value(waveforms: Tensor, sample_rate: int) -> dict:
    """float [B, C, T] as AUDIO: float32, on the CPU, contiguous."""
    return {"waveform": waveforms.float().cpu().contiguous(), "sample_rate": int(sample_rate)}


def check_seconds(value: float, what: str) -> None:
    """FoleyError for a time that is no number or below 0."""
    if not (math.isfinite(value) and value >= 0):
        raise FoleyError(f"{what} must be 0 s or more, not {value:g} s.")
