"""The sound that goes under a picture, made piece by piece while the picture is copied."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import av
import torch

from .audio import Placer, pad_or_trim
from .loudness import limit, limiter_reach
from .resample import kernel_reach, resample_span
from .source import Decoder, Media
from .track import SoundTrack

# Seconds of sound that are made at a time.
_STEP_SECONDS = 2.0


class Sound:
    """A sound that begins at `at` seconds of the picture, read at any place.

    waveform: float [C, T] at `from_rate` Hz; `level_db` scales it. known: samples at the new rate,
    from the picture's start on, that can be read.
    """

    known = math.inf

    def __init__(
        self, waveform: torch.Tensor, from_rate: int, to_rate: int, at: float, level_db: float
    ) -> None:
        self.channels = waveform.shape[0]
        self._waveform = waveform.detach().cpu()
        self._from_rate, self._to_rate = from_rate, to_rate
        self._first = round(at * to_rate)
        self._gain = 10 ** (level_db / 20)

    def span(self, start: int, stop: int) -> torch.Tensor:
        """float32 [C, stop - start] at the new rate; silence where the sound is not."""
        start, stop = start - self._first, stop - self._first
        made = resample_span(self._waveform, self._from_rate, self._to_rate, start, stop)
        return made * self._gain

    def forget(self, before: int) -> None:
        """Sound before sample `before`, at the new rate, is not asked for again."""


class OriginalSound(Sound):
    """The file's own sound, decoded as its packets pass by and forgotten once it is used.

    More than two channels are mixed down.
    """

    def __init__(self, media: Media, stream: av.AudioStream, to_rate: int, level_db: float) -> None:
        channels = stream.codec_context.layout.nb_channels
        rate = stream.codec_context.sample_rate
        super().__init__(torch.zeros(min(channels, 2), 0), rate, to_rate, 0.0, level_db)
        self.stream = stream
        self.known: float = 0.0
        self._decoder = Decoder(stream, media.name)
        self._placer = Placer(float(media.zero))
        self._reach = kernel_reach(rate, to_rate)
        self._fold = av.AudioResampler(format="fltp", layout="stereo") if channels > 2 else None
        self._start = 0  # source sample at which self._waveform begins

    def feed(self, packet: av.Packet | None) -> None:
        """Takes the track's next packet; None: it has ended."""
        for frame in self._decoder(packet):
            for folded in self._fold.resample(frame) if self._fold else [frame]:
                position, samples = self._placer.place(folded)
                samples = samples[: self.channels].expand(self.channels, -1)
                filled = self._waveform.shape[1]
                pieces = pad_or_trim(samples, position - self._start, filled)
                self._waveform = torch.cat([self._waveform, *pieces], dim=1)
        end = self._start + self._waveform.shape[1] - self._reach
        self.known = end * self._to_rate // self._from_rate
        if packet is None:
            self.known = math.inf
            self._decoder.report()

    def forget(self, before: int) -> None:
        keep = before * self._from_rate // self._to_rate - self._reach
        # Whole steps of the rate ratio keep the resampler's phase.
        step = self._from_rate // math.gcd(self._from_rate, self._to_rate)
        keep = min(keep, self._start + self._waveform.shape[1]) // step * step
        if keep > self._start:
            self._waveform = self._waveform[:, keep - self._start :].clone()
            self._start = keep
            self._first = keep * self._to_rate // self._from_rate


class Mixer:
    """Sums sounds, keeps them under full scale and encodes them into a track of `container`, in
    step with the picture.

    codec, rate, first: as in `SoundTrack`. check() may raise to stop the work.
    """

    def __init__(
        self,
        container: av.container.OutputContainer,
        codec: str,
        rate: int,
        sounds: list[Sound],
        check: Callable[[], None],
        first: Fraction = Fraction(0),
    ) -> None:
        self._channels = max(sound.channels for sound in sounds)
        self._track = SoundTrack(container, codec, rate, self._channels, first)
        self._rate, self._sounds, self._check = rate, sounds, check
        self._written = 0
        self._reach = limiter_reach(rate)
        self._step = round(_STEP_SECONDS * rate)

    def advance(self, seconds: float) -> None:
        """Writes whole steps of what is known of the sound up to `seconds` of the picture."""
        known = min(sound.known for sound in self._sounds) - self._reach
        until = min(seconds * self._rate, known)
        while self._written + self._step <= until:
            self._write(self._written + self._step)

    def finish(self, seconds: float) -> None:
        """Writes the rest, up to exactly `seconds`."""
        end = round(seconds * self._rate)
        while self._written < end:
            self._write(min(self._written + self._step, end))
        self._track.finish()

    def _write(self, stop: int) -> None:
        self._check()
        start, margin = self._written, self._reach
        mixed = torch.zeros(self._channels, stop - start + 2 * margin)
        for sound in self._sounds:
            mixed += sound.span(start - margin, stop + margin)
            sound.forget(stop - margin)
        limited = limit(mixed, self._rate)
        self._track.write(limited[:, margin : margin + stop - start])
        self._written = stop
