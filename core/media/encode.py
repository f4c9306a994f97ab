"""Pictures that never were a file, to H.264."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sized
from fractions import Fraction

import av
import torch
from av.video.reformatter import ColorRange, Colorspace

from ..errors import Cancelled, FoleyError
from .audio import check_waveform
from .files import check_suffix, muxer, write_beside
from .formats import ENCODED_FILES
from .mixing import Mixer, NewSound
from .track import SoundTrack, encoder_rate


def encode_frames(
    frames: torch.Tensor | Iterable[torch.Tensor],
    fps: float,
    output: str | os.PathLike[str],
    *,
    waveform: torch.Tensor | None = None,
    sample_rate: int | None = None,
    at: float = 0.0,
    level_db: float = 0.0,
    crf: int = 18,
    preset: str = "veryfast",
    keyframe_every: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Encodes pictures, and a sound when given, to H.264 in .mp4, .m4v, .mov or .mkv.

    frames: a tensor [T, H, W, 3], uint8 or float 0..1, or an iterable of such pictures [H, W, 3];
    odd sides gain one pixel that repeats the border. waveform: float [C, T] at `sample_rate`, from
    `at` seconds on, scaled by `level_db`, cut or filled with silence to the picture's length. crf:
    0 (lossless) to 51. keyframe_every: frames from one to the next at most; None leaves it to the
    encoder. progress(step, total): frames; total 0 when unknown.
    The file appears whole or not at all. Raises FoleyError for unusable frames or places, Cancelled
    when `cancelled()` says so.
    """
    form = ENCODED_FILES[check_suffix(output, ENCODED_FILES)]
    if not (math.isfinite(fps) and fps > 0):
        raise FoleyError(f"A video needs a frame rate above 0, not {fps}.")
    if waveform is not None:
        check_waveform(waveform)
        if not sample_rate or sample_rate < 1:
            raise FoleyError(f"The sound needs a sample rate above 0 Hz, not {sample_rate}.")
    rate = Fraction(fps).limit_denominator(60000)
    total = len(frames) if isinstance(frames, Sized) else 0

    def check() -> None:
        if cancelled is not None and cancelled():
            raise Cancelled()

    with write_beside(output) as sink, muxer(sink, form.muxer) as container:
        pictures = _pictures(frames)
        first = next(pictures, None)
        if first is None:
            raise FoleyError("There is no frame to encode: give at least one.")
        options = {"crf": str(crf), "preset": preset}
        if keyframe_every is not None:
            options["g"] = str(keyframe_every)
        stream = _add_stream(container, form.picture, first, rate, options)
        mixer = None
        if waveform is not None and sample_rate:
            to_rate = encoder_rate(form.sound, sample_rate)
            track = SoundTrack(container, form.sound, to_rate, waveform.shape[0])
            sound = NewSound(waveform, sample_rate, to_rate, at, 10 ** (level_db / 20))
            mixer = Mixer(track, [sound], waveform.shape[0])
        count = 0
        for image in _chain(first, pictures):
            check()
            if image.shape != first.shape:
                raise FoleyError("The frames are not all of one size: resize them first.")
            container.mux(stream.encode(_video_frame(image, count, rate)))
            count += 1
            if mixer is not None:
                mixer.advance(float(count / rate), check)
            if progress is not None:
                progress(count, max(total, count) if total else 0)
        container.mux(stream.encode(None))
        if mixer is not None:
            mixer.finish(float(count / rate), check)


def _chain(first: torch.Tensor, rest: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    yield first
    yield from rest


def _add_stream(
    container: av.container.OutputContainer,
    encoder: str,
    first: torch.Tensor,
    rate: Fraction,
    options: dict[str, str],
) -> av.VideoStream:
    stream = container.add_stream(encoder, rate=rate)
    stream.height, stream.width = first.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.options = options
    # Said in the file, so that no player guesses.
    stream.codec_context.colorspace = Colorspace.ITU709
    stream.codec_context.color_range = ColorRange.MPEG
    return stream


def _video_frame(image: torch.Tensor, index: int, rate: Fraction) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(image.numpy(), format="rgb24")
    frame = frame.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )
    frame.pts = index
    frame.time_base = 1 / rate
    return frame


def _pictures(frames: torch.Tensor | Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """uint8 [H, W, 3], contiguous, with even sides."""
    for image in frames:
        image = torch.as_tensor(image).detach().cpu()
        if image.ndim != 3 or image.shape[-1] not in (3, 4):
            raise FoleyError(f"A frame must be [height, width, 3], not {list(image.shape)}.")
        image = image[..., :3]
        if image.dtype != torch.uint8:
            if not torch.isfinite(image).all():
                raise FoleyError("A frame holds NaN or infinite values, so nothing was encoded.")
            image = (image.float() * 255 + 0.5).clamp(0, 255).to(torch.uint8)
        if image.shape[0] % 2:
            image = torch.cat([image, image[-1:]], dim=0)
        if image.shape[1] % 2:
            image = torch.cat([image, image[:, -1:]], dim=1)
        yield image.contiguous()
