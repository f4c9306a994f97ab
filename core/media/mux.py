"""A new sound under an untouched picture: video packets are copied, never decoded."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Callable
from fractions import Fraction

import av
import torch

from ..errors import Cancelled, FoleyError
from .audio import check_waveform
from .encode import encode_frames
from .files import check_suffix, muxer, refuse_same_file, write_beside
from .formats import VIDEO_FILES
from .mixing import Mixer, NewSound, OriginalSound
from .probe import average_fps
from .source import (
    ImageFrames,
    Source,
    clock_zero,
    describe,
    lacks_times,
    open_media,
    require_picture,
    sound_stream,
)
from .track import SoundTrack, encoder_rate

log = logging.getLogger(__name__)

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

    The sound's first sample is heard `at` seconds after the first picture (below 0: its head is
    cut). What is missing up to the end of the picture is silence, what is over is cut. `level_db`
    scales it. With `original_db` the file's own sound is mixed in at that gain; without, it is
    replaced. A mix that would clip is held at full scale by a limiter. Rotation, metadata, chapters
    and subtitles that the container can hold are kept. An image batch is encoded
    (`encode_frames`). progress(step, total): video packets.
    The file appears whole or not at all. Raises FoleyError for unusable sources or places, a codec
    that the container cannot hold, `output` being the source, and mixing without an original sound;
    Cancelled when `cancelled()` says so.
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
    form, codec = VIDEO_FILES[suffix].muxer, VIDEO_FILES[suffix].sound
    with open_media(source) as media:
        job = _Job(media, describe(source), original_db, progress, cancelled)
        rate = encoder_rate(codec, sample_rate)
        if job.original is not None:
            own = job.original.codec_context.sample_rate
            rate = encoder_rate(codec, max(own, sample_rate))
        new = NewSound(waveform, sample_rate, rate, at, 10 ** (level_db / 20))
        with write_beside(output) as sink, muxer(sink, form, _options(form)) as container:
            job.copy(container, codec, rate, new, waveform.shape[0], suffix)


def _options(form: str) -> dict[str, str]:
    if form not in ("mp4", "mov"):
        return {}
    # Tags that MP4 has no name for, such as the graph that made the file, are kept; a fine time
    # scale of the edit list keeps the sound's start exact (milliseconds otherwise).
    return {"movflags": "use_metadata_tags", "movie_timescale": "90000"}


class _Job:
    """One pass over the source: video packets across, sound beside them."""

    def __init__(
        self,
        media: av.container.InputContainer,
        name: str,
        original_db: float | None,
        progress: Callable[[int, int], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.media, self.name = media, name
        self.video = require_picture(media, name)
        if lacks_times(media, self.video):
            raise FoleyError(
                f"{name} does not say when its pictures are shown (AVI with B-frames): convert it "
                "to .mp4 or .mkv first."
            )
        self.zero = clock_zero(media)
        self.original = sound_stream(media) if original_db is not None else None
        if original_db is not None and self.original is None:
            raise FoleyError(f"{name} has no sound track to mix with: leave the original out.")
        self.original_gain = 10 ** ((original_db or 0.0) / 20)
        self.progress, self.cancelled = progress, cancelled
        self.total = self.video.frames or 0
        self.count = 0
        self.end = Fraction(0)

    def check(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled()

    def copy(
        self,
        container: av.container.OutputContainer,
        codec: str,
        rate: int,
        new: NewSound,
        channels: int,
        suffix: str,
    ) -> None:
        """Fills `container`."""
        out_video = self._add_picture(container, suffix)
        sounds: list[NewSound | OriginalSound] = [new]
        original = None
        if self.original is not None:
            original = OriginalSound(self.original, rate, float(self.zero), self.original_gain)
            sounds.append(original)
            channels = max(channels, original.channels)
        track = SoundTrack(container, codec, rate, channels, self.zero)
        mixer = Mixer(track, sounds, channels)
        subtitles = self._add_subtitles(container)
        container.metadata.update(
            {k: v for k, v in self.media.metadata.items() if k not in _OWN_METADATA}
        )
        if hasattr(container, "set_chapters"):
            container.set_chapters(self.media.chapters())
        self._start(container, suffix)
        for packet in self._packets([self.video, *subtitles, *filter(None, [self.original])]):
            self.check()
            if packet.stream is self.video:
                packet.stream = out_video
                mixer.advance(self._video(packet), self.check)
                container.mux_one(packet)
            elif original is not None and packet.stream is self.original:
                original.feed(packet)
            else:
                packet.stream = subtitles[packet.stream]
                container.mux_one(packet)
        self._finish(mixer, original)

    def _finish(self, mixer: Mixer, original: OriginalSound | None) -> None:
        if not self.count:
            raise FoleyError(
                f"{self.name} holds no picture: it is cut off or damaged; export it again."
            )
        if original is not None:
            original.feed(None)
        mixer.finish(float(self.end), self.check)
        if original is not None and original.faults:
            log.warning(
                "%s: %d parts of its sound could not be decoded", self.name, original.faults
            )
        if self.progress is not None:
            self.progress(self.count, self.count)

    def _add_picture(self, container: av.container.OutputContainer, suffix: str) -> av.VideoStream:
        try:
            # `opaque`: copying needs no encoder for the codec.
            stream = container.add_stream_from_template(self.video, opaque=True)
            with contextlib.suppress(RuntimeError):  # PyAV before 15 sets it, then objects
                stream.time_base = self.video.time_base
        except ValueError:
            raise FoleyError(self._refusal(suffix)) from None
        if self.media.format.name.startswith("mov") and suffix != ".mkv":
            # Players go by the tag: hvc1 and hev1 are not the same to all of them.
            stream.codec_context.codec_tag = self.video.codec_context.codec_tag
        if self.video.average_rate == self.video.base_rate:
            # Matroska and WebM state a constant rate, and the frame durations follow from it.
            stream.codec_context.framerate = self.video.average_rate
        stream.metadata.update(self.video.metadata)
        return stream

    def _add_subtitles(self, container: av.container.OutputContainer) -> dict:
        streams = {}
        for stream in self.media.streams.subtitles:
            codec = stream.codec_context
            if codec is None or codec.name not in container.supported_codecs:
                log.info("%s: a subtitle track does not fit the container", self.name)
                continue
            streams[stream] = container.add_stream_from_template(stream)
            streams[stream].metadata.update(stream.metadata)
        return streams

    def _start(self, container: av.container.OutputContainer, suffix: str) -> None:
        try:
            container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, OSError):
                raise
            raise FoleyError(self._refusal(suffix)) from error

    def _refusal(self, suffix: str) -> str:
        codec = self.video.codec_context.name
        other = " or ".join(s for s in (".mkv", ".mov") if s != suffix)
        return f"{codec} video cannot be stored in a {suffix} file: write {other} instead."

    def _video(self, packet: av.Packet) -> float:
        """Counts a picture packet; returns its time in seconds of the picture."""
        if packet.pts is None:
            packet.pts = packet.dts
        length = packet.duration or round(1 / average_fps(self.video) / packet.time_base)
        self.end = max(self.end, (packet.pts + length) * packet.time_base - self.zero)
        self.count += 1
        if self.progress is not None:
            self.progress(self.count, max(self.count, self.total))
        stamp = packet.pts if packet.dts is None else packet.dts
        return float(stamp * packet.time_base - self.zero)

    def _packets(self, streams: list):
        packets = self.media.demux(streams)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError):
                log.warning("%s is cut off or damaged: what could be read was copied", self.name)
                return
            if packet is None:
                return
            # The last packet of each stream is empty: it only flushes decoders.
            if packet.size:
                yield packet
