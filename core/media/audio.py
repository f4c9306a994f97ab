"""Sound from and to files: float32 [C, T] and its rate."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import av
import numpy as np
import torch
from torch.nn import functional

from ..errors import FoleyError, stop_if
from .files import check_suffix, write_media
from .formats import SOUND_FILES
from .limits import LONGEST_PAUSE, MOST_SAMPLES, check_sample_rate, check_samples
from .probe import stated_seconds
from .request import check_window
from .resample import resample
from .source import ImageFrames, Media, Source, describe, open_media
from .track import SoundTrack

# Time stamps of a continuous sound may be off by this much (Matroska rounds them to 1 ms).
_JITTER_SECONDS = 0.01
# Containers whose jumps land on exact time stamps; others are decoded from the start.
_EXACT_SEEK = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "wav", "flac"}
_SEEK_FROM = 5.0
# Samples that two frames of an encoder may add at the end.
_MOST_PADDING = 2048
# PyAV reads beyond the list of a frame's planes when there are as many or more.
_MOST_PLANES = 8
# Decoders need sound before the window to settle.
_PREROLL = 1.0


def read_audio(
    source: Source,
    *,
    sample_rate: int | None = None,
    start: float = 0.0,
    seconds: float | None = None,
    mono: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[torch.Tensor, int]:
    """The first sound track of any media file. Returns (float32 [C, T], Hz).

    start, seconds: the window, counted from the first picture of a video (so it agrees with
    `read_frames`) or from the first sample of a sound file; cut to what there is, by time stamps,
    to the sample. A track that begins after the picture is preceded by silence. sample_rate: None
    keeps the file's. mono: the mean of the channels.

    Raises:
        FoleyError: no sound track, nothing that can be decoded, a window past the end, values that
            are no samples, more than memory should hold (`limits`).
        Cancelled: `cancelled()` said so.
    """
    check_window(start, seconds)
    if sample_rate is not None:
        check_sample_rate(sample_rate, "The sound that is asked for")
    if isinstance(source, ImageFrames):
        raise FoleyError(f"{describe(source)} has no sound track: give a sound of its own.")
    with open_media(source) as media:
        waveform, rate = _read_window(media, start, seconds, mono, cancelled)
    if sample_rate is not None and sample_rate != rate:
        waveform, rate = resample(waveform, rate, sample_rate), sample_rate
        if seconds is not None:
            waveform = waveform[:, : round(seconds * rate)]
    return waveform.contiguous(), rate


def mono_peak(source: Source, cancelled: Callable[[], bool] | None = None) -> float:
    """Largest absolute value of a file's sound, all channels mixed to one; read in pieces. Raises
    as `read_audio`."""
    peak = 0.0
    with open_media(source) as media:
        for frame in media.decode(media.sound):
            stop_if(cancelled)
            samples = frame_samples(frame)
            check_samples(samples, f"The sound of {media.name}")
            peak = max(peak, float(samples.mean(0).abs().max()))
    return peak


def write_audio(path: str | os.PathLike[str], waveform: torch.Tensor, sample_rate: int) -> None:
    """Writes float [C, T] as 24-bit PCM, in a .wav or .flac file by the suffix of `path`.

    Values beyond +-1 are clipped. The file appears whole or not at all.

    Raises:
        FoleyError: another suffix, NaN, an empty sound, a place that cannot be written.
    """
    form = SOUND_FILES[check_suffix(path, SOUND_FILES)]
    check_waveform(waveform)
    with write_media(path, form.muxer) as container:
        track = SoundTrack(container, form.sound, sample_rate, waveform.shape[0])
        track.write(waveform)
        track.finish()


def fit_length(waveform: torch.Tensor, samples: int) -> torch.Tensor:
    """float [..., T] cut, as a view, or followed by silence, to [..., samples]."""
    missing = samples - waveform.shape[-1]
    return functional.pad(waveform, (0, missing)) if missing > 0 else waveform[..., :samples]


def check_waveform(waveform: torch.Tensor) -> None:
    """FoleyError unless float [C, T], not empty, of values that are samples."""
    if waveform.ndim != 2 or not waveform.numel() or not waveform.is_floating_point():
        raise FoleyError(
            "A sound must be a float tensor [channels, samples] that is not empty, not "
            f"{waveform.dtype} {list(waveform.shape)}."
        )
    check_samples(waveform, "The sound")


def _read_window(
    media: Media,
    start: float,
    seconds: float | None,
    mono: bool,
    cancelled: Callable[[], bool] | None,
) -> tuple[torch.Tensor, int]:
    if start >= _SEEK_FROM and media.format in _EXACT_SEEK:
        target = math.floor((float(media.zero) + start - _PREROLL) / media.sound.time_base)
        media.container.seek(target, stream=media.sound, backward=True)
    pieces: list[torch.Tensor] = []
    filled, end, rate = 0, 0, 0
    placer = Placer(float(media.zero) + start, media.name)
    for frame in media.decode(media.sound):
        stop_if(cancelled)
        position, samples = placer.place(frame)
        samples = samples.mean(dim=0, keepdim=True) if mono else samples
        rate = frame.sample_rate
        wanted = math.inf if seconds is None else round(seconds * rate)
        end = position + samples.shape[1]
        if position >= wanted:
            break
        pieces += pad_or_trim(samples, position, filled, wanted)
        filled = max(filled, min(end, wanted))
        if filled * len(samples) > MOST_SAMPLES:
            raise FoleyError(
                f"The sound of {media.name} is longer than the {filled / rate:.0f} s that are held "
                "in memory: ask for a part of it."
            )
    if not pieces:
        raise _nothing_read(media, start, end / rate if rate else None)
    waveform = torch.cat(pieces, dim=1)
    padding = waveform.shape[1] - _declared_end(media, start, rate)
    return waveform[:, :-padding] if 0 < padding < _MOST_PADDING else waveform, rate


def _declared_end(media: Media, start: float, rate: int) -> float:
    """Samples of the window before the end that an MP4 states: the encoder fills its last frame."""
    stream = media.sound
    if not media.format.startswith("mov") or not stream.duration:
        return math.inf
    end = ((stream.start_time or 0) + stream.duration) * stream.time_base - media.zero
    return max(1, round((float(end) - start) * rate))


def _nothing_read(media: Media, start: float, end: float | None) -> FoleyError:
    """Why a window holds no sound. end: seconds from `start` to the end of the sound, if known."""
    name = media.name
    if end is None and (stated := stated_seconds(media, media.sound)):
        end = stated - start
    if end is None or (end > 0 and not start):
        return FoleyError(f"The sound of {name} cannot be decoded: it is cut off or damaged.")
    if end <= 0:
        return FoleyError(
            f"The window starts at {start:g} s, but the sound of {name} ends at "
            f"{start + end:.3f} s: start earlier."
        )
    return FoleyError(f"The window holds no sound of {name}: start later or make it longer.")


def pad_or_trim(
    samples: torch.Tensor, position: int, filled: int, wanted: float = math.inf
) -> list[torch.Tensor]:
    """What to append to a sound of `filled` samples so that `samples` lies at `position` of it."""
    pieces = []
    if position > filled:
        pieces.append(samples.new_zeros((samples.shape[0], position - filled)))
    high = min(samples.shape[1], wanted - position)
    low = max(0, filled - position)
    if high > low:
        pieces.append(samples[:, low : int(high)])
    return pieces


class Placer:
    """Where decoded pieces lie on the time line that begins at `zero` seconds.

    Pieces follow each other without a seam unless their time stamps say that there is a pause.
    name: of the file, for messages.
    """

    def __init__(self, zero: float, name: str) -> None:
        self._zero, self._name = zero, name
        self._expected: int | None = None
        self._channels = 0
        self._pauses = LONGEST_PAUSE  # seconds of them that are still believed

    def place(self, frame: av.AudioFrame) -> tuple[int, torch.Tensor]:
        """(position in samples, float32 [C, n]); C is that of the first piece.

        Raises FoleyError for values that are no samples, and for a first piece that comes long
        after the picture.
        """
        samples = frame_samples(frame)
        check_samples(samples, f"The sound of {self._name}")
        self._channels = self._channels or samples.shape[0]
        if samples.shape[0] != self._channels:
            samples = samples.mean(dim=0, keepdim=True).expand(self._channels, -1)
        position = self._position(frame)
        self._expected = position + samples.shape[1]
        return position, samples

    def _position(self, frame: av.AudioFrame) -> int:
        if frame.pts is None:
            return self._expected or 0
        rate = frame.sample_rate
        seconds = float(frame.pts * frame.time_base) - self._zero
        stamp = round(seconds * rate)
        if self._expected is None:
            if seconds > LONGEST_PAUSE:
                raise FoleyError(
                    f"The sound of {self._name} begins {seconds:,.0f} s after its start: its time "
                    "stamps are damaged; export it again."
                )
            return stamp
        gap = abs(stamp - self._expected) / rate
        if not _JITTER_SECONDS < gap < self._pauses:
            return self._expected
        self._pauses -= gap
        return stamp


def frame_samples(frame: av.AudioFrame) -> torch.Tensor:
    """float32 [C, n] of a decoded frame, integers scaled to -1..1."""
    channels = frame.layout.nb_channels
    if frame.format.name.startswith("s64"):  # which numpy has and PyAV's frames have not
        frame = av.AudioResampler(format="dbl").resample(frame)[0]
    elif frame.format.is_planar and channels >= _MOST_PLANES:
        frame = av.AudioResampler(format=frame.format.packed).resample(frame)[0]
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, channels).T
    if array.dtype.kind == "u":
        array = (array.astype(np.float32) - 128) / 128
    elif array.dtype.kind == "i":
        array = (array / float(1 << (8 * array.dtype.itemsize - 1))).astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
