"""A new sound under an untouched picture: video packets are copied, never decoded."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import av
import torch

from ..errors import FoleyError, stop_if
from .audio import check_waveform
from .encode import encode_source
from .files import check_suffix, refuse_same_file, write_media
from .formats import VIDEO_FILES
from .limits import check_level, check_sample_rate
from .mixing import OriginalSound, Sound, Stems, Tracks, check_stems, sound_to_mix
from .source import ENCODE_ANEW, ImageFrames, Media, Source, open_media, untimed
from .stamps import Stamps
from .track import below_full_scale, encoder_rate

PictureMode = Literal["copy", "h264"]
"""What becomes of a picture: its packets are copied, or it is encoded anew."""

log = logging.getLogger(__name__)

# Tags that MP4 has no name for, such as the graph that made the file, are kept; a fine time scale
# of the edit list keeps the sound's start exact (milliseconds otherwise).
_MP4_OPTIONS = {"movflags": "use_metadata_tags", "movie_timescale": "90000"}
# Keys that a muxer writes by itself.
_OWN_METADATA = {"major_brand", "minor_version", "compatible_brands", "encoder"}


def mux(
    source: Source,
    waveform: torch.Tensor,
    sample_rate: int,
    output: str | os.PathLike[str],
    *,
    at: float = 0.0,
    original_db: float | None = None,
    level_db: float = 0.0,
    stems: Stems = MappingProxyType({}),
    picture: PictureMode = "copy",
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Writes `output` (.mp4, .m4v, .mov, .mkv, .webm): the picture of `source`, packet for packet,
    and the sound `waveform`, float [C, T] with 1 or 2 channels.

    The sound's first sample comes `at` seconds after the first picture (below 0: its head is
    cut). What is missing up to the end of the picture is silence, what is over is cut. `level_db`
    scales it. With `original_db` the file's own sound is mixed in at that gain; without, it is
    replaced. stems: parts of the sound, at its rate and place, that .mkv and .mov hold in tracks of
    their own after the mix. A mix that would clip is held at full scale by a limiter. Rotation,
    metadata, chapters and subtitles that the container can hold are kept. An image batch is
    encoded, and so is a file
    with picture "h264", at its average rate (`encode_frames`); then its picture and sound alone are
    kept. progress(step, total): video packets or frames.
    The file appears whole or not at all.

    Raises:
        FoleyError: unusable sources, sounds or places, a codec that the container cannot hold, time
        stamps that cannot be copied, `output` being the source, and mixing without an original
        sound.
        Cancelled: `cancelled()` said so.
    """
    check_suffix(output, VIDEO_FILES)
    check_waveform(waveform)
    check_sample_rate(sample_rate, "The new sound")
    if not math.isfinite(at):
        raise FoleyError(f"The sound's start must be a number of seconds, not {at}.")
    check_level(level_db, "level of the new sound")
    check_level(original_db or 0.0, "level of the original sound")
    if waveform.shape[0] > 2:
        raise FoleyError(
            f"The new sound has {waveform.shape[0]} channels: mix it to mono or stereo first."
        )
    if isinstance(source, ImageFrames) and original_db is not None:
        raise FoleyError("The image batch has no sound to mix with: leave the original out.")
    check_stems(stems, output)
    refuse_same_file(source, output)
    if isinstance(source, ImageFrames) or picture == "h264":
        encode_source(
            source,
            output,
            waveform=waveform,
            sample_rate=sample_rate,
            at=at,
            level_db=level_db,
            original_db=original_db,
            stems=stems,
            progress=progress,
            cancelled=cancelled,
        )
        return
    below_full_scale(
        lambda ceiling: _copy(
            source,
            (waveform, sample_rate, at, level_db),
            stems,
            output,
            original_db,
            ceiling,
            progress,
            cancelled,
        )
    )


def check_copy(source: Source, output: str | os.PathLike[str]) -> None:
    """FoleyError where the picture of `source` cannot be copied into `output`, before any work."""
    suffix = check_suffix(output, VIDEO_FILES)
    with open_media(source) as media:
        if media.lacks_times:
            raise untimed(media.name)
        if not _holds(VIDEO_FILES[suffix].muxer, media.picture):
            raise _not_held(media.picture, suffix)


def _copy(
    source: Source,
    new: tuple[torch.Tensor, int, float, float],
    stems: Stems,
    output: str | os.PathLike[str],
    original_db: float | None,
    ceiling: float,
    progress: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    """As `mux`, of a file whose picture is copied. new: waveform, rate, start and level."""
    waveform, sample_rate, at, level_db = new
    suffix = check_suffix(output, VIDEO_FILES)
    form = VIDEO_FILES[suffix]
    with open_media(source) as media:
        if media.lacks_times:
            raise untimed(media.name)
        original = None if original_db is None else sound_to_mix(media)
        own_rate = 0 if original is None else original.codec_context.sample_rate
        rate = encoder_rate(form.sound, max(sample_rate, own_rate))
        sounds = [Sound(waveform, sample_rate, rate, at, level_db)]
        if original is not None:
            sounds.append(OriginalSound(media, original, rate, original_db or 0.0))
        apart = {k: Sound(one, sample_rate, rate, at, level_db) for k, one in stems.items()}
        options = _MP4_OPTIONS if form.muxer in ("mp4", "mov") else None
        with write_media(output, form.muxer, options) as container:
            job = _Job(media, container, suffix, progress, cancelled)
            job.copy(form.sound, rate, sounds, apart, ceiling)


@dataclass
class _Job:
    """One pass over `media`: video packets across, sound beside them. count: the pictures up
    to now."""

    media: Media
    container: av.container.OutputContainer
    suffix: str
    progress: Callable[[int, int], None] | None
    cancelled: Callable[[], bool] | None
    count: int = 0

    def __post_init__(self) -> None:
        self.stamps = Stamps(self.media)

    def check(self) -> None:
        stop_if(self.cancelled)

    def copy(
        self,
        codec: str,
        rate: int,
        sounds: list[Sound],
        stems: Mapping[str, Sound],
        ceiling: float,
    ) -> None:
        """Fills the container."""
        container, media = self.container, self.media
        streams = {media.picture: self._add_picture()}
        mixer = Tracks(container, codec, rate, sounds, stems, self.check, media.zero, ceiling)
        streams |= self._add_subtitles()
        tags = media.container.metadata
        container.metadata.update({k: v for k, v in tags.items() if k not in _OWN_METADATA})
        if hasattr(container, "set_chapters"):
            container.set_chapters(media.container.chapters())
        try:
            container.start_encoding()
        except OSError:
            raise
        except (av.FFmpegError, ValueError) as error:
            raise _not_held(media.picture, self.suffix) from error
        originals = {sound.stream: sound for sound in sounds if isinstance(sound, OriginalSound)}
        for packet in media.packets(*streams, *originals):
            self.check()
            if packet.stream in originals:
                originals[packet.stream].feed(packet)
                continue
            if packet.stream is media.picture:
                mixer.advance(self._count(packet))
            packet.stream = streams[packet.stream]
            container.mux_one(packet)
        if not self.count:
            raise FoleyError(
                f"{media.name} holds no picture: it is cut off or damaged; export it again."
            )
        for original in originals.values():
            original.feed(None)
        mixer.finish(float(self.stamps.finish() - media.zero))
        if self.progress is not None:
            self.progress(self.count, self.count)

    def _add_picture(self) -> av.VideoStream:
        video = self.media.picture
        try:
            # `opaque`: copying needs no encoder for the codec.
            stream = self.container.add_stream_from_template(video, opaque=True)
            with contextlib.suppress(RuntimeError):  # PyAV before 15 sets it, then objects
                stream.time_base = video.time_base
        except ValueError:
            raise _not_held(video, self.suffix) from None
        if self.media.format.startswith("mov") and self.suffix != ".mkv":
            # Players go by the tag: hvc1 and hev1 are not the same to all of them.
            stream.codec_context.codec_tag = video.codec_context.codec_tag
        if video.average_rate == video.base_rate:
            # Matroska and WebM state a constant rate, and the frame durations follow from it.
            stream.codec_context.framerate = video.average_rate
        stream.metadata.update(video.metadata)
        return stream

    def _add_subtitles(self) -> dict:
        streams = {}
        for stream in self.media.container.streams.subtitles:
            codec = stream.codec_context
            if codec is None or codec.name not in self.container.supported_codecs:
                log.info("%s: a subtitle track does not fit the container", self.media.name)
                continue
            streams[stream] = self.container.add_stream_from_template(stream)
            streams[stream].metadata.update(stream.metadata)
        return streams

    def _count(self, packet: av.Packet) -> float:
        """Counts a picture packet; returns its time in seconds of the picture."""
        now = self.stamps.set(packet)
        self.count += 1
        if self.progress is not None:
            self.progress(self.count, max(self.count, self.media.picture.frames or 0))
        return now - float(self.media.zero)


def _not_held(video: av.VideoStream, suffix: str) -> FoleyError:
    able = [s for s in VIDEO_FILES if s != suffix and _holds(VIDEO_FILES[s].muxer, video)]
    other = f"write {' or '.join(able[:2])} instead, or " if able else ""
    return FoleyError(
        f"{video.codec_context.name} video cannot be stored in a {suffix} file: "
        f"{other}{ENCODE_ANEW}."
    )


def _holds(muxer: str, video: av.VideoStream) -> bool:
    """Whether a container takes a picture stream as it is."""
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as container:
            container.add_stream_from_template(video, opaque=True)
            container.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True
