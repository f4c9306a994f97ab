"""How faithful a codec is: spectrum, attacks, buzz, speed, beside a weight-free codec of its width.

All measures compare a mono waveform with its round trip. Nothing here has weights but
`PcaGriffinLim`, the bar to beat, which is fitted on the spot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..codecs.base import Codec
from ..codecs.spectral import griffin_lim, mel_filters, random_phase, stft
from ..errors import FoleyError
from .codec_sounds import scene_sound, training_sound

_ENVELOPE_HOP = 16  # samples; at 32 kHz half a millisecond
_SEARCH_MS = 20.0
_MISS_MS = 15.0
_SHORTEST, _QUIETEST = 0.5, 1e-4  # seconds and peak of a sound that is measured
_TRAIN, _HELD = 21, 14  # first numbers of the seeds, as in the training of the mini codec


@dataclass(frozen=True)
class Fidelity:
    """Round trip of one set of sounds.

    `mel`: mean absolute difference of natural-log mel (64 bands, n_fft 2048, hop 512, floor 1e-4).
    `onset_ms`, `onset_p90_ms`: median and 90th percentile of the attacks' shift. `missed`: share of
    attacks with nothing of a quarter their height within 15 ms. `onsets`: how many attacks.
    `centroid`: mean relative error of the spectral centroid. `peak`: largest sample.
    """

    mel: float
    onset_ms: float
    onset_p90_ms: float
    missed: float
    onsets: int
    centroid: float
    peak: float
    finite: bool


def fidelity(
    round_trip: Callable[[Tensor], Tensor], sounds: Sequence[Tensor], sample_rate: int
) -> Fidelity:
    """Measure `round_trip` (`[1, T]` to `[1, >= T]`) on mono `sounds` `[T]`."""
    mel, shifts, missed, centroid, peak, finite = [], [], [], [], 0.0, True
    for sound in sounds:
        sound = sound[: len(sound) // 2048 * 2048]
        out = round_trip(sound[None])[0, : len(sound)]
        finite &= bool(torch.isfinite(out).all())
        mel.append(log_mel_distance(sound, out, sample_rate))
        shift, miss = onset_shifts(sound.numpy(), out.numpy(), sample_rate)
        shifts.extend(shift)
        missed.extend(miss)
        centroid.append(_centroid(out) / _centroid(sound) - 1.0)
        peak = max(peak, float(out.abs().max()))
    return Fidelity(
        mel=float(np.mean(mel)),
        onset_ms=float(np.median(shifts)) if shifts else 0.0,
        onset_p90_ms=float(np.percentile(shifts, 90)) if shifts else 0.0,
        missed=float(np.mean(missed)) if missed else 0.0,
        onsets=len(shifts),
        centroid=float(np.mean(centroid)),
        peak=peak,
        finite=finite,
    )


def log_mel_distance(sound: Tensor, other: Tensor, sample_rate: int) -> float:
    """Mean absolute difference of the natural-log mels of two `[T]`."""
    filters = mel_filters(64, 2048, sample_rate)
    mels = filters @ stft(torch.stack((sound, other)), 2048, 512).abs()
    first, second = torch.log(mels.clamp(min=1e-4))
    return float((first - second).abs().mean())


def onset_shifts(
    sound: np.ndarray, other: np.ndarray, sample_rate: int
) -> tuple[list[float], list[bool]]:
    """At each clear attack of `sound`: how far `other`'s lies (ms), and whether it has none.

    The shift is the lag, within 20 ms, at which the rises of the two 2 ms envelopes agree best.
    """
    step_ms = 1000 * _ENVELOPE_HOP / sample_rate
    search, near = round(_SEARCH_MS / step_ms), round(_MISS_MS / step_ms)
    rise, rise_other = (np.diff(envelope(x, sample_rate)).clip(min=0) for x in (sound, other))
    shifts, missed = [], []
    for at in find_attacks(sound, sample_rate):
        if at < 2 * search or at + 2 * search >= len(rise):
            continue
        piece = rise[at - search : at + search + 1]
        wide = rise_other[at - 2 * search : at + 2 * search + 1]
        match = np.correlate(wide, piece, "valid")
        shifts.append(abs(int(match.argmax()) - search) * step_ms)
        height = rise_other[at - near : at + near + 1].max()
        missed.append(bool(height < 0.25 * piece.max()))
    return shifts, missed


def find_attacks(sound: np.ndarray, sample_rate: int) -> list[int]:
    """Envelope frames where the level rises by 12 dB at once and stays up, 50 ms apart or more."""
    level = envelope(sound, sample_rate) ** 2 + 1e-10
    per_ms = sample_rate / _ENVELOPE_HOP / 1000
    short, long, guard = (round(ms * per_ms) for ms in (8, 25, 2))
    total = np.concatenate(((0.0,), np.cumsum(level)))
    frames = np.arange(long, len(level) - long)
    before = np.lib.stride_tricks.sliding_window_view(level, long).max(1)[frames - long - guard + 1]
    after = (total[frames + short] - total[frames]) / short
    later = (total[frames + long] - total[frames]) / long
    rise = np.minimum(after, 2.0 * later) / before
    rise[after < 1e-4 * level.max()] = 0.0  # 40 dB under the loudest is not an attack
    attacks = []
    while rise.max(initial=0.0) > 10**1.2:
        best = int(rise.argmax())
        attacks.append(int(frames[best]))
        rise[max(best - 2 * long, 0) : best + 2 * long] = 0.0
    return sorted(attacks)


def envelope(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """RMS over 2 ms, every 16 samples."""
    window = round(0.002 * sample_rate)
    total = np.concatenate(((0.0,), np.cumsum(sound.astype(np.float64) ** 2)))
    starts = np.arange(0, len(sound) - window, _ENVELOPE_HOP)
    return np.sqrt(np.maximum(total[starts + window] - total[starts], 0.0) / window)


def modulation_line(sound: np.ndarray, sample_rate: int) -> float:
    """The strongest line of the envelope's spectrum, 31 to 250 Hz, over its neighbours, in dB.

    A codec that works in frames leaves one at its frame rate: a buzz. Meant for steady noise, whose
    own figure (about 6 dB) is chance.
    """
    level = envelope(sound, sample_rate)
    rate = sample_rate / _ENVELOPE_HOP
    size = 2 * round(rate)  # 2 s: half a hertz a bin
    pieces = np.lib.stride_tricks.sliding_window_view(level, size)[:: size // 4]
    pieces = (pieces - pieces.mean(1, keepdims=True)) * np.hanning(size)
    power = (np.abs(np.fft.rfft(pieces)) ** 2).mean(0)
    lines = np.arange(62, 502)
    around = np.stack([power[lines + k] for k in range(-20, 21) if abs(k) > 3])
    return float(10 * np.log10((power[lines] / np.median(around, axis=0)).max()))


def _centroid(sound: Tensor) -> float:
    power = stft(sound[None], 1024, 256).abs().pow(2).sum((0, 2))
    return float((power * torch.arange(len(power))).sum() / power.sum().clamp(min=1e-12))


class PcaGriffinLim:
    """The weight-free codec a trained one must beat: PCA of mel, then 32 Griffin-Lim steps.

    A latent frame is four frames of 80 bands, n_fft 1024, hop 256; `fit` takes waveforms `[B, T]`.
    """

    n_fft, hop, n_mels, block = 1024, 256, 80, 4

    def __init__(self, sample_rate: int, latent_dim: int) -> None:
        self.filters = mel_filters(self.n_mels, self.n_fft, sample_rate, 30.0)
        self.latent_dim = latent_dim

    def fit(self, sounds: Sequence[Tensor]) -> PcaGriffinLim:
        rows = torch.cat([self._rows(sound).flatten(0, 1) for sound in sounds]).double()
        self.mean = rows.mean(0).float()
        _, vectors = torch.linalg.eigh((rows - rows.mean(0)).T @ (rows - rows.mean(0)))
        self.basis = vectors.flip(1)[:, : self.latent_dim].float()
        return self

    def encode(self, waveform: Tensor) -> Tensor:
        """`[B, T]` to `[B, T / 1024, latent_dim]`."""
        return (self._rows(waveform) - self.mean) @ self.basis

    def decode(self, latent: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """`[B, N, latent_dim]` to `[B, N * 1024]`."""
        rows = latent @ self.basis.T + self.mean
        mel = rows.unflatten(2, (self.n_mels, self.block)).permute(0, 2, 1, 3).flatten(2).exp()
        magnitudes = (torch.linalg.pinv(self.filters) @ mel).clamp(min=0)
        phase = random_phase(tuple(magnitudes.shape), generator)
        return griffin_lim(magnitudes, self.n_fft, self.hop, iterations=32, phase=phase)

    def _rows(self, waveform: Tensor) -> Tensor:
        mel = self.filters @ stft(waveform, self.n_fft, self.hop).abs()
        blocks = mel.clamp(min=1e-5).log().unflatten(2, (-1, self.block))
        return blocks.permute(0, 2, 1, 3).flatten(2)


@dataclass(frozen=True)
class CodecReport:
    """Everything `report_codec` measures; `bar` is the weight-free rival on the same sounds.

    `noisy_mel`: held mel distance when the latent carries noise of 0.3 deviations, a stand-in for
    a generator's errors. `line_db`: `modulation_line` of steady white noise. `decode_seconds`: of
    8 s of sound, by number of threads.
    """

    held: Fidelity
    bar_held: Fidelity
    real: Fidelity | None
    bar_real: Fidelity | None
    noisy_mel: float
    bar_noisy_mel: float
    line_db: float
    bar_line_db: float
    input_line_db: float
    decode_seconds: dict[int, float]

    def as_dict(self) -> dict:
        """Plain numbers, for JSON."""
        return asdict(self)

    def table(self) -> str:
        """The report as text, a row a codec and set."""
        rows = [
            ("codec, held-out scenes", self.held, self.noisy_mel, self.line_db),
            ("weight-free, held-out", self.bar_held, self.bar_noisy_mel, self.bar_line_db),
            ("codec, real clips", self.real, None, None),
            ("weight-free, real clips", self.bar_real, None, None),
        ]
        lines = [_HEADER] + [_row(name, f, *rest) for name, f, *rest in rows if f is not None]
        times = ", ".join(f"{s:.2f} s on {n}" for n, s in sorted(self.decode_seconds.items()))
        lines.append(
            f"input's own line {self.input_line_db:.1f} dB; 8 s decoded in {times} threads"
        )
        return "\n".join(lines)


_HEADER = (
    f"{'':26}{'mel':>7}{'onset ms':>10}{'p90':>7}{'missed':>8}{'n':>5}"
    f"{'centroid':>10}{'peak':>7}{'noisy':>7}{'line dB':>9}"
)


def _row(name: str, f: Fidelity, noisy: float | None, line: float | None) -> str:
    tail = f"{noisy:7.3f}{line:9.1f}" if noisy is not None and line is not None else ""
    return (
        f"{name:26}{f.mel:7.3f}{f.onset_ms:10.1f}{f.onset_p90_ms:7.1f}{f.missed:8.1%}{f.onsets:5d}"
        f"{f.centroid:+10.1%}{f.peak:7.2f}{tail}"
    )


@torch.no_grad()
def report_codec(
    codec: Codec, *, clips: int = 32, real: Sequence[Path] = (), fit_clips: int = 300
) -> CodecReport:
    """Measure `codec` on `clips` held-out scene sounds and on the sound of the files `real`.

    The weight-free rival has the codec's latent width and is fitted on `fit_clips` training
    sounds. Latents are taken to have unit deviation.
    """
    rate = codec.sample_rate
    clean = [_heard(path, rate) for path in real]
    rival = PcaGriffinLim(rate, codec.latent_dim).fit(
        _sounds(training_sound, _TRAIN, fit_clips, rate)
    )
    spread = torch.cat([rival.encode(s) for s in _sounds(training_sound, _TRAIN, 40, rate)], 1).std(
        (0, 1)
    )
    draws = torch.Generator().manual_seed(0)

    def trip(x: Tensor, noise: float = 0.0) -> Tensor:
        latent = codec.encode(x[:, None])
        latent = latent + noise * torch.randn(latent.shape, generator=draws)
        return codec.decode(latent, generator=draws)[:, 0]

    def rival_trip(x: Tensor, noise: float = 0.0) -> Tensor:
        latent = rival.encode(x)
        latent = latent + noise * spread * torch.randn(latent.shape, generator=draws)
        return rival.decode(latent, generator=draws)

    held = [s[0] for s in _sounds(scene_sound, _HELD, clips, rate, share=1)]
    steady = 0.1 * torch.randn(1, 8 * rate // 2048 * 2048, generator=draws)
    return CodecReport(
        held=fidelity(trip, held, rate),
        bar_held=fidelity(rival_trip, held, rate),
        real=fidelity(trip, clean, rate) if clean else None,
        bar_real=fidelity(rival_trip, clean, rate) if clean else None,
        noisy_mel=fidelity(lambda x: trip(x, 0.3), held, rate).mel,
        bar_noisy_mel=fidelity(lambda x: rival_trip(x, 0.3), held, rate).mel,
        line_db=modulation_line(trip(steady)[0].numpy(), rate),
        bar_line_db=modulation_line(rival_trip(steady)[0].numpy(), rate),
        input_line_db=modulation_line(steady[0].numpy(), rate),
        decode_seconds={n: decode_seconds(codec, threads=n) for n in (1, 2)},
    )


def _heard(path: Path, sample_rate: int) -> Tensor:
    """The sound of a file `[T]`; FoleyError for one of which there is nothing to measure."""
    sound = _read(path, sample_rate)
    if len(sound) < _SHORTEST * sample_rate or float(sound.abs().max()) < _QUIETEST:
        raise FoleyError(
            f"{path.name} is silent, or shorter than {_SHORTEST:g} s: name another sound."
        )
    return sound


@torch.no_grad()
def decode_seconds(codec: Codec, *, threads: int, seconds: float = 8.0) -> float:
    """Wall time of decoding `seconds` of sound on that many threads: the best of three."""
    before = torch.get_num_threads()
    latent = torch.randn(1, round(seconds * codec.latent_rate), codec.latent_dim)
    try:
        torch.set_num_threads(threads)
        codec.decode(latent)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            codec.decode(latent)
            times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return min(times)


def _sounds(make, first: int, count: int, rate: int, share: int = 20) -> list[Tensor]:
    """Sounds of 4 s of the seeds `[first, 0..count-1]`, in stacks of `share`."""
    size = 4 * rate // 2048 * 2048
    sounds = [
        torch.from_numpy(make(4.0, rate, np.random.default_rng([first, seed]))[:size])
        for seed in range(count)
    ]
    return [torch.stack(sounds[k : k + share]) for k in range(0, count, share)]


def _read(path: Path, rate: int, seconds: float = 8.0) -> Tensor:
    """The first seconds of a file's sound, mono, quietened where it is over full scale."""
    from ..media import read_audio

    sound = read_audio(path, sample_rate=rate, mono=True)[0][0][: round(seconds * rate)]
    return sound * (0.97 / sound.abs().max().clamp(min=0.97))
