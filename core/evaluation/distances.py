"""Distances of two sounds: mel-cepstral distortion, MFCC without WORLD, and log mel.

The AC-Foley paper reports "MCD" without a formula; `mel_cepstral_distortion` is what the common
public package computes, squared envelope and all, so its figures compare with that package only.
WORLD is a model of speech: for Foley the figure is relative. Always say the mode.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..codecs.spectral import mel_filters, stft
from ..errors import FoleyError
from ..onsets.signals import Waveform, mel_bands, mono_at
from .alignment import fast_path

Mode = Literal["plain", "dtw", "dtw_sl"]
Distance = Callable[[Tensor, Tensor, int], float]

SAMPLE_RATE = 22050
FRAME_MS = 5.0
N_FFT = 512
ORDER = 13
WARP = 0.65  # of the all-pass that bends frequency towards mel
DECIBELS = 10 / np.log(10) * np.sqrt(2)

MFCC_FFT, MFCC_HOP, MFCC_BANDS = 1024, 256, 40
LOG_MEL_FFT, LOG_MEL_HOP, LOG_MEL_BANDS = 2048, 512, 64
FLOOR = 1e-4  # of a band's magnitude

_EMPTY = "A sound to compare is empty: give one of at least a few milliseconds."


def mel_cepstral_distortion(
    sound: Waveform, target: Waveform, sample_rate: int, *, mode: Mode = "dtw"
) -> float:
    """MCD in dB between `[C, T]` waveforms of one rate; needs the package pyworld.

    `plain`: the shorter is padded with zeros, frame against frame. `dtw`: frames aligned on
    coefficients 1 to 13. `dtw_sl`: that times the ratio of the lengths.
    """
    first, second = _pair(sound, target, sample_rate, mode)
    return cepstral_distance(
        mel_cepstrum(world_envelope(first)), mel_cepstrum(world_envelope(second)), mode=mode
    )


def mcd_distances() -> tuple[Distance, ...]:
    """MCD, and MCD at equal level; none where pyworld is not installed."""
    try:
        _pyworld()
    except FoleyError:
        return ()
    return mel_cepstral_distortion, mcd_at_equal_level


def mcd_at_equal_level(sound: Tensor, target: Tensor, sample_rate: int) -> float:
    """MCD of `sound` brought to the target's RMS, as a take is brought to a loudness."""
    wanted, there = (x.square().mean().sqrt().clamp_min(1e-6) for x in (target, sound))
    return mel_cepstral_distortion(sound * (wanted / there), target, sample_rate)


def cepstral_distance(first: np.ndarray, second: np.ndarray, *, mode: Mode = "dtw") -> float:
    """Mean distance in dB of mel-cepstra `[N, 14]` and `[M, 14]`, the 0th coefficient included.

    `plain` compares row by row over the rows that both have.
    """
    return float(DECIBELS * _mean_distance(first, second, mode))


def world_envelope(samples: np.ndarray) -> np.ndarray:
    """WORLD's power envelope (DIO, StoneMask, CheapTrick) every 5 ms: `[T]` to `[N, 257]`."""
    pyworld = _pyworld()
    samples = np.ascontiguousarray(samples, dtype=np.float64)
    coarse, times = pyworld.dio(samples, SAMPLE_RATE, frame_period=FRAME_MS)
    pitch = pyworld.stonemask(samples, coarse, times, SAMPLE_RATE)
    return pyworld.cheaptrick(samples, pitch, times, SAMPLE_RATE, fft_size=N_FFT)


def _pyworld() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyworld asks setuptools for its own version
            import pyworld
    except ImportError as error:
        raise FoleyError(
            "MCD needs the package pyworld: pip install pyworld 'setuptools<81', or use the MFCC "
            "distance."
        ) from error
    return pyworld


def mel_cepstrum(envelope: np.ndarray) -> np.ndarray:
    """Power envelopes `[N, 257]` to 14 mel-cepstral coefficients a frame, `[N, 14]`.

    The public package takes the power envelope for an amplitude, hence the square.
    """
    cepstrum = np.fft.irfft(np.log(envelope**2 + 1e-8), N_FFT, axis=1)[:, : N_FFT // 2 + 1]
    cepstrum[:, 0] /= 2
    return cepstrum @ _warping(cepstrum.shape[1])


def mfcc_distance(
    sound: Waveform, target: Waveform, sample_rate: int, *, mode: Mode = "plain"
) -> float:
    """Mean Euclidean distance of 14 MFCCs (orthonormal, natural log): quick, no WORLD, not MCD.

    22,050 Hz, 40 Slaney bands of magnitudes, n_fft 1024, hop 256, floor 1e-4. Modes as in
    `mel_cepstral_distortion`.
    """
    first, second = _pair(sound, target, sample_rate, mode)
    return float(_mean_distance(_mfcc(first), _mfcc(second), mode))


def log_mel_distance(sound: Tensor, target: Tensor, sample_rate: int) -> float:
    """Mean |difference| of natural-log mel magnitudes of two `[C, T]` of one rate.

    64 Slaney bands, n_fft 2048, hop 512, floor 1e-4; the channels are averaged first, the longer
    sound is cut to the shorter. Under 0.3 is a fine codec, 1 is another sound.
    """
    length = min(sound.shape[-1], target.shape[-1])
    if not length:
        raise FoleyError(_EMPTY)
    filters = mel_filters(LOG_MEL_BANDS, LOG_MEL_FFT, sample_rate)
    mels = []
    for wave in (sound, target):
        mono = wave.detach().float().reshape(-1, wave.shape[-1]).mean(dim=0)[:length]
        mono = torch.nn.functional.pad(mono, (0, -length % LOG_MEL_HOP))
        magnitudes = stft(mono[None], LOG_MEL_FFT, LOG_MEL_HOP).abs()
        mels.append((filters @ magnitudes).clamp(min=FLOOR).log())
    return float((mels[0] - mels[1]).abs().mean())


def _pair(
    sound: Waveform, target: Waveform, sample_rate: int, mode: Mode
) -> tuple[np.ndarray, np.ndarray]:
    """Both sounds at 22,050 Hz; `plain` pads the shorter with zeros."""
    first, second = (mono_at(x, sample_rate, SAMPLE_RATE) for x in (sound, target))
    if not len(first) or not len(second):
        raise FoleyError(_EMPTY)
    if mode == "plain":
        length = max(len(first), len(second))
        first, second = (np.pad(x, (0, length - len(x))) for x in (first, second))
    return first, second


def _mean_distance(first: np.ndarray, second: np.ndarray, mode: Mode) -> float:
    if mode == "plain":
        n_frames = min(len(first), len(second))
        return np.linalg.norm(first[:n_frames] - second[:n_frames], axis=1).mean()
    _, path = fast_path(first[:, 1:], second[:, 1:])
    mean = np.linalg.norm(first[path[:, 0]] - second[path[:, 1]], axis=1).mean()
    if mode == "dtw":
        return mean
    lengths = sorted((len(first), len(second)))
    return mean * lengths[1] / lengths[0]


@lru_cache(maxsize=2)
def _warping(n_coefficients: int) -> np.ndarray:
    """Matrix `[n_coefficients, ORDER + 1]` of the all-pass change of variable of a cepstrum.

    Row k is the warped cepstrum of a single coefficient k, by the recursion of Oppenheim and
    Johnson (1972) run over all of them at once.
    """
    warped = np.zeros((n_coefficients, ORDER + 1))
    for k in range(n_coefficients - 1, -1, -1):
        before = warped.copy()
        warped[:, 0] = WARP * before[:, 0]
        warped[k, 0] += 1.0
        warped[:, 1] = (1 - WARP**2) * before[:, 0] + WARP * before[:, 1]
        for j in range(2, ORDER + 1):
            warped[:, j] = before[:, j - 1] + WARP * (before[:, j] - warped[:, j - 1])
    return warped


def _mfcc(samples: np.ndarray) -> np.ndarray:
    """`[T]` at 22,050 Hz to `[1 + T // 256, 14]`."""
    filters = mel_filters(MFCC_BANDS, MFCC_FFT, SAMPLE_RATE)
    bands = mel_bands(samples, filters, MFCC_HOP, power=1)
    return np.log(np.maximum(bands, FLOOR)) @ _cosines()


@lru_cache(maxsize=1)
def _cosines() -> np.ndarray:
    """Orthonormal DCT-II, `[MFCC_BANDS, ORDER + 1]`."""
    band, order = np.arange(MFCC_BANDS)[:, None] + 0.5, np.arange(ORDER + 1)
    basis = np.cos(np.pi * band * order / MFCC_BANDS) * np.sqrt(2 / MFCC_BANDS)
    basis[:, 0] /= np.sqrt(2)
    return basis
