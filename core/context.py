"""A sound of which a part is known: brought to a codec, and put back to the sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .media import fit_length, integrated_loudness, limit, resample

Span = tuple[float, float]
FADE = 0.02  # seconds of the cross-fade inside of what is made, at the most
_SILENT = 1e-4
_PEAK = 0.999
_MOST_GAIN = 10.0  # by which what is known is brought to the model's level, and what is made back


@dataclass(frozen=True, eq=False)
class KnownSound:
    """waveform [C, T] and its rate, as long as the take; made: the spans of it, in seconds and in
    order, that are made anew."""

    waveform: Tensor
    rate: int
    made: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.waveform.shape[-1] / self.rate

    @property
    def is_silent(self) -> bool:
        """Whether nothing can be heard of what is known."""
        return not bool((self.waveform[:, self._outside()].abs() >= _SILENT).any())

    def for_codec(
        self, sample_rate: int, seconds: float, loudness: float | None = None, *, channels: int = 1
    ) -> Tensor:
        """`[1, C, T]`, what is known of it at a loudness in LUFS (None: as it is), followed by
        silence up to `seconds`; mono unless it has as many channels as the codec."""
        waveform = self._like(self.waveform, channels)
        sound = resample(waveform, self.rate, sample_rate)
        gain = 1.0
        if loudness is not None:
            own = integrated_loudness(waveform[:, self._outside()], self.rate)
            gain = 10 ** ((loudness - own) / 20) if math.isfinite(own) else 1.0
            gain = min(
                max(gain, 1 / _MOST_GAIN), _MOST_GAIN, 1 / max(float(sound.abs().max()), _SILENT)
            )
        return fit_length(gain * sound, round(seconds * sample_rate))[None]

    def frames(self, length: int, rate: float) -> Tensor:
        """Bool `[length]`, the latent frames that are known: those that no span touches."""
        known = torch.ones(length, dtype=torch.bool)
        for start, stop in self.made:
            known[math.floor(start * rate + 1e-6) : math.ceil(stop * rate - 1e-6)] = False
        return known

    def splice(self, take: Tensor, rate: int) -> Tensor:
        """This sound with the spans of a take [C, T] in it, [C, T] at its own rate.

        Outside of the spans every sample is the sound's. Inside, the two are cross-faded where the
        sound goes on, and joined without a step where it ends. The take is brought to the level
        that it has where both are known. Channels stay apart where both have as many.
        """
        own = self.waveform
        new = resample(self._like(take, len(own)), rate, self.rate)
        new = limit(fit_length(new, own.shape[-1]) * self._gains(new), self.rate, _PEAK)
        spliced = own.clone()
        for start, stop in self.made:
            first, last = round(start * self.rate), min(round(stop * self.rate), own.shape[-1])
            spliced[:, first:last] = self._joined(new, first, last).clamp(-1, 1)
        return spliced

    def _joined(self, new: Tensor, first: int, last: int) -> Tensor:
        """A span of `new`, led into at both ends."""
        part = new[:, first:last].clone()
        size = min(round(FADE * self.rate), (last - first) // 4)
        if not size:
            return part
        angle = (torch.arange(size) + 0.5) / size * (math.pi / 2)
        for edge, at_end in ((first, False), (last, True)):
            inside = slice(last - first - size, None) if at_end else slice(0, size)
            beside = edge < self.waveform.shape[-1] if at_end else edge > 0
            if not beside:
                continue
            there = self.waveform[:, first:last][:, inside]
            rise = angle.flip(0) if at_end else angle
            if there.abs().max() >= _SILENT:
                part[:, inside] = there * rise.cos() + part[:, inside] * rise.sin()
                continue
            outer, inner = (edge, -1) if at_end else (edge - 1, 0)
            step = self.waveform[:, outer] - part[:, inner]
            part[:, inside] += step[:, None] * rise.cos().square()
        return part

    def _gains(self, new: Tensor) -> Tensor:
        """What brings `new` [1 or C, T] to the level of each channel, [C, 1]."""
        outside = self._outside()
        if not outside.any():
            return torch.ones(len(self.waveform), 1)
        made = new[:, outside].square().mean(1, keepdim=True).sqrt()
        level = self.waveform[:, outside].square().mean(1, keepdim=True).sqrt()
        gains = (level / made.clamp_min(_SILENT)).clamp(1 / _MOST_GAIN, _MOST_GAIN)
        return torch.where((level < _SILENT) | (made < _SILENT), 1.0, gains)

    @staticmethod
    def _like(waveform: Tensor, channels: int) -> Tensor:
        """A waveform of so many channels as it is, any other in mono."""
        return waveform if len(waveform) == channels else waveform.mean(0, keepdim=True)

    def _outside(self) -> Tensor:
        """Bool `[T]`, what is known."""
        outside = torch.ones(self.waveform.shape[-1], dtype=torch.bool)
        for start, stop in self.made:
            outside[round(start * self.rate) : round(stop * self.rate)] = False
        return outside
