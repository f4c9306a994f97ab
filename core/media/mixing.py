"""The sound that goes under a picture, made piece by piece while the picture is copied."""

from __future__ import annotations

import math
from collections.abc import Callable

import av
import torch

from .audio import Placer, pad_or_trim
from .loudness import limit, limiter_reach
from .resample import kernel_reach, resample_span
from .track import SoundTrack

# Seconds of sound that are made at a time.
_STEP_SECONDS = 2.0


class NewSound:
    """A sound that begins at `at` seconds of the picture, read at any place.

    waveform: float [C, T] at `from_rate` Hz; `gain` scales it.
    """

    known = math.inf

    def __init__(
        self, waveform: torch.Tensor, from_rate: int, to_rate: int, at: float, gain: float
    ) -> None:
        self._waveform = waveform.detach().cpu()
        self._rates = from_rate, to_rate
        self._first = round(at * to_rate)
        self._gain = gain

    def span(self, start: int, stop: int) -> torch.Tensor:
        """float32 [C, stop - start] at the new rate; silence where the sound is not."""
        start, stop = start - self._first, stop - self._first
        return resample_span(self._waveform, *self._rates, start, stop) * self._gain

    def forget(self, before: int) -> None:
        """Nothing is kept for this sound alone."""


class OriginalSound:
    """The file's own sound, decoded as its packets pass by and forgotten once it is used.

    zero: the picture's first time stamp, in seconds. More than two channels are mixed down.
    """

    def __init__(self, stream: av.AudioStream, to_rate: int, zero: float, gain: float) -> None:
        self._stream = stream
        self._from_rate, self._to_rate = stream.codec_context.sample_rate, to_rate
        self._gain = gain
        self._placer = Placer(zero)
        self._fold = av.AudioResampler(format="fltp", layout="stereo")
        channels = stream.codec_context.layout.nb_channels
        self._folds = channels > 2
        self._samples = torch.zeros(min(channels, 2), 0)
        self._start = 0  # source sample at which self._samples begins
        self._ended = False
        self.faults = 0

    @property
    def channels(self) -> int:
        return self._samples.shape[0]

    def feed(self, packet: av.Packet | None) -> None:
        """Takes the track's next packet; None: it has ended."""
        self._ended = self._ended or packet is None
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            self.faults += not isinstance(error, av.error.EOFError)
            return
        for frame in frames:
            for folded in self._fold.resample(frame) if self._folds else [frame]:
                position, samples = self._placer.place(folded)
                samples = samples[: self.channels].expand(self.channels, -1)
                filled = self._samples.shape[1]
                pieces = pad_or_trim(samples, position - self._start, filled)
                self._samples = torch.cat([self._samples, *pieces], dim=1)

    @property
    def known(self) -> float:
        """Samples at the new rate, from the picture's start on, that can be read."""
        if self._ended:
            return math.inf
        reach = kernel_reach(self._from_rate, self._to_rate)
        end = self._start + self._samples.shape[1] - reach
        return end * self._to_rate // self._from_rate

    def span(self, start: int, stop: int) -> torch.Tensor:
        """float32 [C, stop - start] at the new rate."""
        shift = self._start * self._to_rate // self._from_rate
        start, stop = start - shift, stop - shift
        made = resample_span(self._samples, self._from_rate, self._to_rate, start, stop)
        return made * self._gain

    def forget(self, before: int) -> None:
        """Sound before sample `before`, at the new rate, is not asked for again."""
        reach = kernel_reach(self._from_rate, self._to_rate)
        keep = before * self._from_rate // self._to_rate - reach
        # Whole steps of the rate ratio keep the resampler's phase.
        step = self._from_rate // math.gcd(self._from_rate, self._to_rate)
        keep = keep // step * step
        keep = min(keep, (self._start + self._samples.shape[1]) // step * step)
        if keep > self._start:
            self._samples = self._samples[:, keep - self._start :].clone()
            self._start = keep


class Mixer:
    """Sums sounds, keeps them under full scale and writes them into a track, in step with the
    picture."""

    def __init__(
        self, track: SoundTrack, sounds: list[NewSound | OriginalSound], channels: int
    ) -> None:
        self._track = track
        self._sounds = sounds
        self._channels = channels
        self._written = 0
        self._reach = limiter_reach(track.sample_rate)
        self._step = round(_STEP_SECONDS * track.sample_rate)

    def advance(self, seconds: float, cancelled: Callable[[], None]) -> None:
        """Writes whole steps of what is known of the sound up to `seconds` of the picture."""
        known = min(sound.known for sound in self._sounds) - self._reach
        until = min(seconds * self._track.sample_rate, known)
        while self._written + self._step <= until:
            cancelled()
            self._write(self._written + self._step)

    def finish(self, seconds: float, cancelled: Callable[[], None]) -> None:
        """Writes the rest, up to exactly `seconds`."""
        end = round(seconds * self._track.sample_rate)
        while self._written < end:
            cancelled()
            self._write(min(self._written + self._step, end))
        self._track.finish()

    def _write(self, stop: int) -> None:
        start, margin = self._written, self._reach
        mixed = torch.zeros(self._channels, stop - start + 2 * margin)
        for sound in self._sounds:
            mixed += sound.span(start - margin, stop + margin)
            sound.forget(stop - margin)
        limited = limit(mixed, self._track.sample_rate)
        self._track.write(limited[:, margin : margin + stop - start])
        self._written = stop
