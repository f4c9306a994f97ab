"""The sound that goes under a picture, made piece by piece while the picture is copied."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import av
import torch

from ..errors import FoleyError
from .audio import Placer, check_waveform
from .limits import MOST_SAMPLES, check_sample_rate
from .loudness import limit, limiter_reach
from .resample import kernel_reach, rate_ratio, resample_span
from .source import Decoder, Media
from .track import CEILING, SoundTrack

Stems = Mapping[str, torch.Tensor]
"""Parts of a sound by their titles, float [C, T] of one or two channels."""

STEM_FILES = (".mkv", ".mov")
MOST_STEMS = 16
MIX_TITLE = "mix"

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
        check_sample_rate(rate, f"The sound of {media.name}")
        super().__init__(torch.zeros(min(channels, 2), 0), rate, to_rate, 0.0, level_db)
        self.stream = stream
        self.known: float = 0.0
        self._name = media.name
        self._decoder = Decoder(stream, media.name)
        self._placer = Placer(float(media.zero), media.name)
        self._up, self._down = rate_ratio(rate, to_rate)
        self._reach = kernel_reach(rate, to_rate)
        self._fold = av.AudioResampler(format="fltp", layout="stereo") if channels > 2 else None
        self._pieces: list[tuple[int, torch.Tensor]] = []  # by their first sample
        self._filled = self._held = 0

    def feed(self, packet: av.Packet | None) -> None:
        """Takes the track's next packet; None: it has ended."""
        for frame in self._decoder(packet):
            for folded in self._fold.resample(frame) if self._fold else [frame]:
                position, samples = self._placer.place(folded)
                self._keep(position, samples[: self.channels].expand(self.channels, -1))
        self.known = (self._filled - self._reach) * self._up // self._down
        if packet is None:
            self.known = math.inf
            self._decoder.report()

    def _keep(self, position: int, samples: torch.Tensor) -> None:
        """What is new of a piece."""
        first, last = max(position, self._filled), position + samples.shape[1]
        if first >= last:
            return
        self._pieces.append((first, samples[:, first - position :]))
        self._filled = last
        self._held += last - first
        if self._held * self.channels > MOST_SAMPLES // 2:
            raise FoleyError(
                f"{self._name} holds its sound too far from its picture to mix it: export it again."
            )

    def span(self, start: int, stop: int) -> torch.Tensor:
        # From a whole step of the rate ratio on, which keeps the resampler's phase.
        rounds = start // self._up - self._reach // self._down - 1
        first = rounds * self._down
        last = -(-stop * self._down // self._up) + self._reach
        waveform = torch.zeros(self.channels, last - first)
        for position, samples in self._pieces:
            if position >= last:
                break
            low, high = max(position, first), min(position + samples.shape[1], last)
            if low < high:
                waveform[:, low - first : high - first] = samples[
                    :, low - position : high - position
                ]
        shift = rounds * self._up
        made = resample_span(waveform, self._from_rate, self._to_rate, start - shift, stop - shift)
        return made * self._gain

    def forget(self, before: int) -> None:
        keep = before * self._down // self._up - self._reach - self._down
        used = 0
        while used < len(self._pieces):
            position, samples = self._pieces[used]
            if position + samples.shape[1] > keep:
                break
            self._held -= samples.shape[1]
            used += 1
        del self._pieces[:used]


class PulledSound(OriginalSound):
    """The sound of a file of its own, whose packets are read as they are needed."""

    def __init__(self, media: Media, to_rate: int, level_db: float) -> None:
        super().__init__(media, sound_to_mix(media), to_rate, level_db)
        self._packets = media.packets(self.stream)
        self._read, self.known = 0.0, math.inf

    def span(self, start: int, stop: int) -> torch.Tensor:
        while self._read < stop:
            self.feed(next(self._packets, None))
            self._read, self.known = self.known, math.inf
        return super().span(start, stop)


def sound_to_mix(media: Media) -> av.AudioStream:
    """The sound track of a file, or FoleyError that says there is none to mix with."""
    stream = media.find_sound()
    if stream is None:
        raise FoleyError(f"{media.name} has no sound track to mix with: leave the original out.")
    return stream


class Mixer:
    """Sums sounds, keeps them under full scale and encodes them into a track of `container`, in
    step with the picture.

    codec, rate, first, ceiling, title: as in `SoundTrack`. check() may raise to stop the work.
    """

    def __init__(
        self,
        container: av.container.OutputContainer,
        codec: str,
        rate: int,
        sounds: list[Sound],
        check: Callable[[], None],
        first: Fraction = Fraction(0),
        ceiling: float = CEILING,
        title: str = "",
    ) -> None:
        self._channels = max(sound.channels for sound in sounds)
        self._track = SoundTrack(container, codec, rate, self._channels, first, ceiling, title)
        self._ceiling = ceiling
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
        limited = limit(mixed, self._rate, self._ceiling)
        self._track.write(limited[:, margin : margin + stop - start])
        self._written = stop


class Tracks:
    """The sound tracks of a container: the mix of all sounds first, then each stem by itself.

    stems: by title. The rest is as of `Mixer`.
    """

    def __init__(
        self,
        container: av.container.OutputContainer,
        codec: str,
        rate: int,
        sounds: list[Sound],
        stems: Mapping[str, Sound],
        check: Callable[[], None],
        first: Fraction = Fraction(0),
        ceiling: float = CEILING,
    ) -> None:
        alone = {MIX_TITLE if stems else "": sounds, **{k: [one] for k, one in stems.items()}}
        self._mixers = [
            Mixer(container, codec, rate, group, check, first, ceiling, title)
            for title, group in alone.items()
        ]

    def advance(self, seconds: float) -> None:
        """See `Mixer.advance`."""
        for mixer in self._mixers:
            mixer.advance(seconds)

    def finish(self, seconds: float) -> None:
        """See `Mixer.finish`."""
        for mixer in self._mixers:
            mixer.finish(seconds)


def stem_titles(names: Sequence[str]) -> list[str]:
    """What stems of these names are called: each otherwise, and none as the mix."""
    titles = [MIX_TITLE]
    for name in names:
        title, number = name, 2
        while title in titles:
            title, number = f"{name} {number}", number + 1
        titles.append(title)
    return titles[1:]


def check_stems(stems: Stems, output: str | os.PathLike[str]) -> None:
    """FoleyError for stems that a file cannot hold."""
    if not stems:
        return
    check_stem_file(output)
    if len(stems) > MOST_STEMS or MIX_TITLE in stems:
        raise FoleyError(
            f"A file holds up to {MOST_STEMS} stems, none of them called {MIX_TITLE}: there are "
            f"{len(stems)}."
        )
    for waveform in stems.values():
        check_waveform(waveform)
        if len(waveform) > 2:
            raise FoleyError("A stem has more than two channels: mix it to mono or stereo first.")


def check_stem_file(output: str | os.PathLike[str]) -> None:
    """FoleyError for a file that holds no stems."""
    if os.path.splitext(os.fspath(output))[1].lower() not in STEM_FILES:
        raise FoleyError(
            f"Stems are tracks of their own, which {' and '.join(STEM_FILES)} files hold: let the "
            "output's name end in one of them."
        )
