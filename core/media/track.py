"""One encoded sound track of an output container."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import torch

from ..errors import FoleyError

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


class SoundTrack:
    """Encodes float [C, n] pieces, one after the other, into `container`.

    codec: "aac", "libopus", "flac" or "pcm_s24le" (the last two hold 24 bits a sample).
    first: time stamp of the first sample, in seconds.
    """

    def __init__(
        self,
        container: av.container.OutputContainer,
        codec: str,
        sample_rate: int,
        channels: int,
        first: Fraction = Fraction(0),
    ) -> None:
        if channels not in _LAYOUTS:
            raise FoleyError(f"A sound of {channels} channels cannot be written: mix it to 1 or 2.")
        self.sample_rate = sample_rate
        self._format = "s32" if codec in ("flac", "pcm_s24le") else "fltp"
        self._layout = _LAYOUTS[channels]
        self._container = container
        self._stream = container.add_stream(codec, rate=sample_rate)
        self._stream.codec_context.layout = self._layout
        if self._format == "s32":
            self._stream.codec_context.format = self._format
        if codec in _BITS_A_SECOND:
            self._stream.codec_context.bit_rate = _BITS_A_SECOND[codec] * channels
        self._stream.time_base = Fraction(1, sample_rate)
        self._pts = round(first * sample_rate)

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
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Writes what the encoder still holds."""
        self._container.mux(self._stream.encode(None))
