"""One encoded sound track of an output container."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import av
import numpy as np
import torch

from ..errors import FoleyError

log = logging.getLogger(__name__)

CEILING = 0.98  # of full scale, under which what is written is limited
_AIM = 0.97  # of full scale, where a sound is aimed at that came out above it

# FFmpeg's names, by the number of channels.
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}

_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_RATES = {"aac": _AAC_RATES, "libopus": (48000,)}
_BITS_A_SECOND = {"aac": 112_000, "libopus": 96_000}  # for each channel

_CHUNK = 1 << 15
_STEPS = 1 << 23  # of 24 bits, to either side


def encoder_rate(codec: str, sample_rate: int) -> int:
    """The rate at which `codec` takes a sound of `sample_rate`: the same where it can."""
    rates = _RATES.get(codec)
    return sample_rate if rates is None or sample_rate in rates else 48000


class TooLoud(Exception):
    """What players decode passes full scale. ceiling: under which the sound has to be limited."""

    def __init__(self, ceiling: float) -> None:
        super().__init__(ceiling)
        self.ceiling = ceiling


def below_full_scale(write: Callable[[float], None]) -> None:
    """Calls write(ceiling) again, with lower ones, until it raises no `TooLoud`."""
    ceiling = CEILING
    while True:
        try:
            return write(ceiling)
        except TooLoud as error:
            ceiling = error.ceiling
            log.info(
                "The sound is limited to %.2f of full scale to stay below it once encoded", ceiling
            )


class SoundTrack:
    """Encodes float [C, n] pieces, one after the other, into `container`.

    codec: "aac", "libopus", "flac" or "pcm_s24le" (the last two hold 24 bits a sample).
    first: time stamp of the first sample, in seconds. ceiling: under which the pieces are limited.
    title: that players show.
    """

    def __init__(
        self,
        container: av.container.OutputContainer,
        codec: str,
        sample_rate: int,
        channels: int,
        first: Fraction = Fraction(0),
        ceiling: float = CEILING,
        title: str = "",
    ) -> None:
        if channels not in _LAYOUTS:
            raise FoleyError(f"A sound of {channels} channels cannot be written: mix it to 1 or 2.")
        self.sample_rate = sample_rate
        self._format = "s32" if codec in ("flac", "pcm_s24le") else "fltp"
        self._layout = _LAYOUTS[channels]
        self._container = container
        self._stream = container.add_stream(codec, rate=sample_rate)
        if title:
            # MOV names a track by its handler.
            self._stream.metadata.update({"title": title, "handler_name": title})
        self._stream.codec_context.layout = self._layout
        if self._format == "s32":
            self._stream.codec_context.format = self._format
        if codec in _BITS_A_SECOND:
            self._stream.codec_context.bit_rate = _BITS_A_SECOND[codec] * channels
        self._stream.time_base = Fraction(1, sample_rate)
        self._pts = round(first * sample_rate)
        self._ceiling = ceiling
        self._decoder = _Peak(self._stream.codec_context) if codec in _BITS_A_SECOND else None

    def write(self, piece: torch.Tensor) -> None:
        """piece: float [C, n], -1..1."""
        for start in range(0, piece.shape[-1], _CHUNK):
            part = piece[:, start : start + _CHUNK].clamp(-1, 1).contiguous()
            samples = part.cpu().numpy().astype(np.float32)
            if self._format == "s32":
                # As decoders scale them, so that what was read is written to the bit.
                steps = np.rint(samples.astype(np.float64) * _STEPS).clip(-_STEPS, _STEPS - 1)
                steps = steps.astype(np.int32) << 8
                samples = np.ascontiguousarray(steps.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, format=self._format, layout=self._layout)
            frame.sample_rate = self.sample_rate
            frame.time_base = Fraction(1, self.sample_rate)
            frame.pts = self._pts
            self._pts += part.shape[-1]
            self._encode(frame)

    def finish(self) -> None:
        """Writes what the encoder still holds. Raises TooLoud when what was written would be heard
        at full scale or above, which lossy codecs make of a limited sound."""
        self._encode(None)
        if self._decoder is not None and (peak := self._decoder.finish()) >= 1:
            raise TooLoud(self._ceiling * _AIM / peak)

    def _encode(self, frame: av.AudioFrame | None) -> None:
        packets = self._stream.encode(frame)
        if self._decoder is not None:
            self._decoder.add(packets)
        self._container.mux(packets)


class _Peak:
    """Largest absolute value of what a lossy encoder's packets decode to."""

    def __init__(self, encoder: av.AudioCodecContext) -> None:
        self._encoder = encoder
        self._decoder: Any = None
        self._peak = 0.0

    def add(self, packets: Iterable[av.Packet | None]) -> None:
        for packet in packets:
            if self._decoder is None:
                name = {"libopus": "opus"}.get(self._encoder.name, self._encoder.name)
                self._decoder = av.CodecContext.create(name, "r")
                self._decoder.extradata = self._encoder.extradata
                self._decoder.sample_rate = self._encoder.sample_rate
                self._decoder.layout = self._encoder.layout
            for frame in self._decoder.decode(packet):
                self._peak = max(self._peak, float(np.abs(frame.to_ndarray()).max(initial=0.0)))

    def finish(self) -> float:
        self.add([None] if self._decoder is not None else [])
        return self._peak
