"""A new sound under an untouched picture: video packets are copied, never decoded."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import torch

from ..errors import Cancelled, FoleyError
from .audio import check_waveform
from .encode import encode_frames
from .files import check_suffix, refuse_same_file, write_media
from .formats import VIDEO_FILES
from .mixing import Mixer, OriginalSound, Sound
from .probe import average_fps
from .source import ImageFrames, Media, Source, open_media
from .track import encoder_rate

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
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Writes `output` (.mp4, .m4v, .mov, .mkv, .webm): the picture of `source`, packet for packet,
    and the sound `waveform`, float [C, T] with 1 or 2 channels.

    The sound's first sample comes `at` seconds after the first picture (below 0: its head is
    cut). What is missing up to the end of the picture is silence, what is over is cut. `level_db`
    scales it. With `original_db` the file's own sound is mixed in at that gain; without, it is
    replaced. A mix that would clip is held at full scale by a limiter. Rotation, metadata, chapters
    and subtitles that the container can hold are kept. An image batch is encoded
    (`encode_frames`). progress(step, total): video packets.
    The file appears whole or not at all.

    Raises:
        FoleyError: unusable sources, sounds or places, a codec that the container cannot hold,
        `output` being the source, and mixing without an original sound.
        Cancelled: `cancelled()` said so.
    """
    suffix = check_suffix(output, VIDEO_FILES)
    check_waveform(waveform)
    for value, what in ((at, "start"), (level_db, "level"), (original_db or 0.0, "original level")):
        if not math.isfinite(value):
            raise FoleyError(f"The sound's {what} must be a number, not {value}.")
    if waveform.shape[0] > 2:
        raise FoleyError(
            f"The new sound has {waveform.shape[0]} channels: mix it to mono or stereo first."
        )
    if isinstance(source, ImageFrames):
        if original_db is not None:
            raise FoleyError("The image batch has no sound to mix with: leave the original out.")
        encode_frames(
            source.images,
            source.fps,
            output,
            waveform=waveform,
            sample_rate=sample_rate,
            at=at,
            level_db=level_db,
            progress=progress,
            cancelled=cancelled,
        )
        return
    refuse_same_file(source, output)
    form = VIDEO_FILES[suffix]
    with open_media(source) as media:
        if media.lacks_times:
            raise FoleyError(
                f"{media.name} does not say when its pictures are shown (AVI with B-frames): "
                "convert it to .mp4 or .mkv first."
            )
        original = None if original_db is None else media.find_sound()
        if original_db is not None and original is None:
            raise FoleyError(
                f"{media.name} has no sound track to mix with: leave the original out."
            )
        own_rate = 0 if original is None else original.codec_context.sample_rate
        rate = encoder_rate(form.sound, max(sample_rate, own_rate))
        sounds = [Sound(waveform, sample_rate, rate, at, level_db)]
        if original is not None:
            sounds.append(OriginalSound(media, original, rate, original_db or 0.0))
        options = _MP4_OPTIONS if form.muxer in ("mp4", "mov") else None
        with write_media(output, form.muxer, options) as container:
            _Job(media, container, suffix, progress, cancelled).copy(form.sound, rate, sounds)


@dataclass
class _Job:
    """One pass over `media`: video packets across, sound beside them. count, end: the pictures up
    to now, and when they end, in seconds."""

    media: Media
    container: av.container.OutputContainer
    suffix: str
    progress: Callable[[int, int], None] | None
    cancelled: Callable[[], bool] | None
    count: int = 0
    end: Fraction = Fraction(0)

    def check(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled()

    def copy(self, codec: str, rate: int, sounds: list[Sound]) -> None:
        """Fills the container."""
        container, media = self.container, self.media
        streams = {media.picture: self._add_picture()}
        mixer = Mixer(container, codec, rate, sounds, self.check, media.zero)
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
            raise self._refusal() from error
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
        mixer.finish(float(self.end))
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
            raise self._refusal() from None
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

    def _refusal(self) -> FoleyError:
        codec = self.media.picture.codec_context.name
        other = " or ".join(s for s in (".mkv", ".mov") if s != self.suffix)
        return FoleyError(
            f"{codec} video cannot be stored in a {self.suffix} file: write {other} instead."
        )

    def _count(self, packet: av.Packet) -> float:
        """Counts a picture packet; returns its time in seconds of the picture."""
        video = self.media.picture
        if packet.pts is None:
            packet.pts = packet.dts
        length = packet.duration or round(1 / average_fps(video) / packet.time_base)
        self.end = max(self.end, (packet.pts + length) * packet.time_base - self.media.zero)
        self.count += 1
        if self.progress is not None:
            self.progress(self.count, max(self.count, video.frames or 0))
        stamp = packet.pts if packet.dts is None else packet.dts
        return float(stamp * packet.time_base - self.media.zero)
