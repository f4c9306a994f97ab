"""A sound of which a part is known: read, brought to a codec, and put back to the sample."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import FoleyError
from .media import Source, fit_length, probe, read_audio, resample
from .media.source import describe
from .request import Request

log = logging.getLogger(__name__)

Span = tuple[float, float]
FADE = 0.02  # seconds of the cross-fade inside of what is made, at the most
_SILENT = 1e-4
_MOST_GAIN = 4.0  # by which what is made is brought to the level of what is known
_OFF = 0.25  # seconds that a sound may be shorter or longer than the video it goes with


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
        outside = ~self._inside(self.waveform.shape[-1], self.rate)
        return not bool((self.waveform[:, outside].abs() >= _SILENT).any())

    def for_codec(self, sample_rate: int, seconds: float) -> Tensor:
        """`[1, 1, T]`, mono, followed by silence up to `seconds`."""
        sound = resample(self.waveform.mean(0, keepdim=True), self.rate, sample_rate)
        return fit_length(sound, round(seconds * sample_rate))[None]

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
        that it has where both are known.
        """
        own = self.waveform
        new = resample(take.mean(0, keepdim=True), rate, self.rate)
        new = fit_length(new, own.shape[-1]) * self._gains(new)
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
        """What brings `new` [1, T] to the level of each channel, [C, 1]."""
        outside = ~self._inside(self.waveform.shape[-1], self.rate)[: new.shape[-1]]
        made = new[:, : len(outside)][:, outside].square().mean().sqrt()
        level = self.waveform[:, : len(outside)][:, outside].square().mean(1, keepdim=True).sqrt()
        if not outside.any() or made < _SILENT:
            return torch.ones(len(self.waveform), 1)
        return torch.where(level < _SILENT, 1.0, level / made).clamp(1 / _MOST_GAIN, _MOST_GAIN)

    def _inside(self, samples: int, rate: int) -> Tensor:
        """Bool `[samples]`, what is made anew."""
        inside = torch.zeros(samples, dtype=torch.bool)
        for start, stop in self.made:
            inside[round(start * rate) : round(stop * rate)] = True
        return inside


def read_known(source: Source | None, request: Request, seconds: float) -> KnownSound:
    """The sound that is extended or edited, for a take of `seconds`.

    Raises:
        FoleyError: there is none; it is of another length; a span that cannot be; nothing of it can
            be heard where it is known.
    """
    waveform, rate, name = _read(source, request, seconds)
    length = waveform.shape[-1] / rate
    if request.edit is not None or request.task == "edit":
        if request.edit is None:
            raise FoleyError("Say which part is to be edited, in seconds from the start: 2 to 4.")
        _check_span(request.edit, seconds, "part to edit")
        if request.context is not None and abs(length - seconds) > _OFF:
            raise FoleyError(
                f"{name} is {length:.2f} s long, but the take {seconds:.2f} s; cut or pad it to "
                "the same length."
            )
        made: tuple[Span, ...] = (request.edit,)
    else:
        known = request.known
        if known is None:
            if length > seconds - _OFF:
                raise FoleyError(
                    "Say which part of the sound is known, in seconds from the start: 0 to 3."
                )
            known = 0.0, length
        _check_span(known, seconds, "known part")
        if known[1] > length + _OFF:
            raise FoleyError(
                f"{name} ends at {length:.2f} s, but {known[1]:g} s of it are said to be known; "
                "shorten that part."
            )
        start, stop = known[0], min(known[1], length)
        made = tuple(s for s in ((0.0, start), (stop, seconds)) if s[1] - s[0] > 1 / rate)
        if not made:
            raise FoleyError("All of the sound is said to be known, so there is nothing to make.")
    sound = KnownSound(fit_length(waveform, round(seconds * rate)), rate, made)
    if sound.is_silent:
        if request.edit is None:
            raise FoleyError(
                f"The known part of {name} is silent, so there is nothing to go on from; name "
                "another part."
            )
        log.warning("What is around the part to edit is silent, so nothing is gone on from.")
    return sound


def _read(source: Source | None, request: Request, seconds: float) -> tuple[Tensor, int, str]:
    """Waveform, rate and name of the sound, from the start of the take on."""
    given = request.context
    if isinstance(given, tuple):
        waveform, rate = given
        if not torch.isfinite(waveform).all():
            raise FoleyError("The known sound holds values that are not numbers; export it again.")
        return waveform.float(), rate, "The known sound"
    if given is not None:
        waveform, rate = read_audio(given, seconds=seconds + 2 * _OFF)
        return waveform, rate, describe(given)
    if source is None:
        raise FoleyError(
            "There is no sound to extend or edit: give one as context, or a video that has one."
        )
    if not probe(source).has_audio:
        raise FoleyError(
            f"{describe(source)} has no sound of its own to extend or edit: give one as context."
        )
    waveform, rate = read_audio(source, start=request.start, seconds=seconds)
    return fit_length(waveform, round(seconds * rate)), rate, describe(source)


def _check_span(span: Span, seconds: float, what: str) -> None:
    start, stop = span
    if not (math.isfinite(start) and math.isfinite(stop) and start < stop):
        raise FoleyError(f"The {what} must end after it starts, not go from {start:g} to {stop:g}.")
    if start < 0 or stop > seconds + _OFF:
        raise FoleyError(
            f"The {what} from {start:g} to {stop:g} s is outside of the take, which is "
            f"{seconds:.2f} s long."
        )
