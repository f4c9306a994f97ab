"""Pictures that never were a file, to H.264."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sized
from fractions import Fraction
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Any

import av
import torch
from av.video.reformatter import ColorRange, Colorspace

from ..errors import FoleyError, stop_if
from .audio import check_waveform
from .files import check_suffix, write_media
from .formats import ENCODED_FILES
from .frames import stream_frames
from .limits import check_frame_rate, check_sample_rate
from .mixing import PulledSound, Sound, Stems, Tracks, check_stems, sound_to_mix
from .probe import probe
from .request import FrameRequest
from .source import Media, Source, open_media, to_bytes
from .track import CEILING, below_full_scale, encoder_rate


def encode_frames(
    frames: torch.Tensor | Iterable[torch.Tensor],
    fps: float,
    output: str | os.PathLike[str],
    *,
    waveform: torch.Tensor | None = None,
    sample_rate: int | None = None,
    at: float = 0.0,
    level_db: float = 0.0,
    original: Media | None = None,
    original_db: float = 0.0,
    stems: Stems = MappingProxyType({}),
    ceiling: float = CEILING,
    crf: int = 18,
    keyframe_every: int = 250,
    total: int = 0,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Encodes pictures, and a sound when given, to H.264 in .mp4, .m4v, .mov or .mkv.

    frames: a tensor [T, H, W, 3], uint8 or float 0..1, or an iterable of such pictures [H, W, 3];
    odd sides gain one pixel that repeats the border. waveform: float [C, T] at `sample_rate`, from
    `at` seconds on, scaled by `level_db`, cut or filled with silence to the picture's length.
    original: a file, open for this alone, whose sound is mixed in at `original_db`. stems: parts of
    the sound, at its rate and place, each in a track of its own. ceiling: under which the sum is
    limited. crf: 0 (lossless) to 51. keyframe_every: frames from one to the next
    at most. total: frames of an iterable, 0 when unknown. progress(step, total): frames.
    The file appears whole or not at all.

    Raises:
        FoleyError: unusable frames, sounds or places.
        TooLoud: the sound under `ceiling` passes full scale once it is decoded.
        Cancelled: `cancelled()` said so.
    """
    form = ENCODED_FILES[check_suffix(output, ENCODED_FILES)]
    check_frame_rate(fps, "The video")
    if waveform is not None:
        check_waveform(waveform)
        check_sample_rate(sample_rate or 0, "The new sound")
    check_stems(stems, output)
    rate = Fraction(fps).limit_denominator(60000)
    total = len(frames) if isinstance(frames, Sized) else total

    with write_media(output, form.muxer) as container:
        pictures = _video_frames(frames, rate)
        first = next(pictures, None)
        if first is None:
            raise FoleyError("There is no frame to encode: give at least one.")
        stream = container.add_stream(form.picture, rate=rate)
        stream.height, stream.width, stream.pix_fmt = first.height, first.width, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast", "g": str(keyframe_every)}
        # Said in the file, so that no player guesses.
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        mixer = None
        if waveform is not None and sample_rate:
            own_rate = 0 if original is None else sound_to_mix(original).codec_context.sample_rate
            to_rate = encoder_rate(form.sound, max(sample_rate, own_rate))
            sounds = [Sound(waveform, sample_rate, to_rate, at, level_db)]
            if original is not None:
                sounds.append(PulledSound(original, to_rate, original_db))
            apart = {k: Sound(one, sample_rate, to_rate, at, level_db) for k, one in stems.items()}
            check = partial(stop_if, cancelled)
            mixer = Tracks(container, form.sound, to_rate, sounds, apart, check, ceiling=ceiling)
        count = 0
        for picture in chain([first], pictures):
            stop_if(cancelled)
            container.mux(stream.encode(picture))
            count += 1
            if mixer is not None:
                mixer.advance(float(count / rate))
            if progress is not None:
                progress(count, max(total, count) if total else 0)
        container.mux(stream.encode(None))
        if mixer is not None:
            mixer.finish(float(count / rate))


def encode_source(
    source: Source,
    output: str | os.PathLike[str],
    *,
    original_db: float | None = None,
    **options: Any,
) -> None:
    """A whole video or image batch as `encode_frames` writes it, at its average rate.

    original_db: at which its own sound is mixed in. options: of `encode_frames`.

    Raises:
        FoleyError: as `encode_frames`, and mixing where there is no sound.
    """
    info = probe(source)
    request = FrameRequest(info.fps, (info.height, info.width))
    total = max(1, round(info.seconds * info.fps))
    if original_db is not None and not isinstance(source, (str, os.PathLike)):
        raise FoleyError("A sound is mixed in from a file with a name: save the video first.")

    def write(ceiling: float) -> None:
        with contextlib.ExitStack() as stack:
            frames: Any = getattr(source, "images", None)
            if frames is None:
                decoded = stream_frames(source, request)
                frames = stack.enter_context(contextlib.closing(decoded))
            beside = None if original_db is None else stack.enter_context(open_media(source))
            level = original_db or 0.0
            encode_frames(
                frames,
                info.fps,
                output,
                original=beside,
                original_db=level,
                ceiling=ceiling,
                total=total,
                **options,
            )

    below_full_scale(write)


def _video_frames(
    frames: torch.Tensor | Iterable[torch.Tensor], rate: Fraction
) -> Iterator[av.VideoFrame]:
    """4:2:0 pictures, all of one size with even sides."""
    shape = None
    for index, frame in enumerate(frames):
        image = torch.as_tensor(frame)
        if image.ndim != 3 or image.shape[-1] not in (3, 4):
            raise FoleyError(f"A frame must be [height, width, 3], not {list(image.shape)}.")
        shape = shape or image.shape
        if image.shape != shape:
            raise FoleyError("The frames are not all of one size: resize them first.")
        image = to_bytes(image, f"Frame {index}")
        if image.shape[0] % 2:
            image = torch.cat([image, image[-1:]], dim=0)
        if image.shape[1] % 2:
            image = torch.cat([image, image[:, -1:]], dim=1)
        picture = av.VideoFrame.from_ndarray(image.contiguous().numpy(), format="rgb24")
        picture = picture.reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        picture.pts, picture.time_base = index, 1 / rate
        yield picture
