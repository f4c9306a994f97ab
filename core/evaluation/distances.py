"""Distances of two sounds, and the arithmetic of published scores on features that are given.

The features of FD, KL, IS and the cosine scores come from networks that the user has or has not;
nothing here says that figures from other networks compare.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..codecs.spectral import mel_filters, stft
from ..errors import FoleyError

N_BANDS, N_FFT, HOP = 64, 2048, 512
FLOOR = 1e-4  # of a band's magnitude
SPLITS, SPLIT_SEED = 10, 2020  # of the inception score


def log_mel_distance(sound: Tensor, target: Tensor, sample_rate: int) -> float:
    """Mean |difference| of natural-log mel magnitudes of two `[C, T]` of one rate.

    64 Slaney bands, n_fft 2048, hop 512, floor 1e-4; the channels are averaged first, the longer
    sound is cut to the shorter. Under 0.3 is a fine codec, 1 is another sound.
    """
    first, second = _equal_pair(sound, target)
    filters = mel_filters(N_BANDS, N_FFT, sample_rate)
    mels = [
        (filters @ stft(x[None], N_FFT, HOP).abs()).clamp(min=FLOOR).log() for x in (first, second)
    ]
    return float((mels[0] - mels[1]).abs().mean())


def spectral_centroid(sound: Tensor, sample_rate: int) -> float:
    """Centre of gravity in Hz of the mean magnitude spectrum of `[C, T]`; 0 for silence."""
    mono, _ = _equal_pair(sound, sound)
    spectrum = stft(mono[None], N_FFT, HOP).abs().mean(dim=(0, 2)).double()
    frequencies = torch.linspace(0, sample_rate / 2, len(spectrum), dtype=torch.float64)
    total = float(spectrum.sum())
    return float((frequencies * spectrum).sum()) / total if total > 1e-9 else 0.0


def centroid_difference(sound: Tensor, target: Tensor, sample_rate: int) -> float:
    """How much brighter `sound` is than `target`: 0.1 is 10 % higher, negative is duller."""
    reference = spectral_centroid(target, sample_rate)
    if reference == 0.0:
        raise FoleyError("The sound to compare with is silent: it has no spectral centroid.")
    return spectral_centroid(sound, sample_rate) / reference - 1


def frechet_distance(generated: np.ndarray, reference: np.ndarray) -> float:
    """FD of feature sets `[N, D]` and `[M, D]` taken as Gaussians (covariance over N - 1).

    N and M must well exceed D, otherwise the covariances are singular and the figure is biased.
    """
    first, second = (_features(x, at_least=2) for x in (generated, reference))
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (first, second)]
    shift = first.mean(axis=0) - second.mean(axis=0)
    # tr (A B)^1/2 = tr (A^1/2 B A^1/2)^1/2, and the latter is symmetric: no complex roots.
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ covariances[1] @ root)
    spread = np.trace(covariances[0]) + np.trace(covariances[1])
    return float(shift @ shift + spread - 2 * np.sqrt(np.maximum(cross, 0)).sum())


def kl_divergence(generated_logits: np.ndarray, reference_logits: np.ndarray) -> float:
    """Mean over pairs of KL(reference || generated) of softmax classes, logits `[N, classes]`."""
    log_generated, log_reference = (
        _log_softmax(_features(x)) for x in (generated_logits, reference_logits)
    )
    assert log_generated.shape == log_reference.shape, "KL compares clip with clip"
    return float((np.exp(log_reference) * (log_reference - log_generated)).sum(axis=1).mean())


def inception_score(logits: np.ndarray) -> tuple[float, float]:
    """IS of generated clips, logits `[N, classes]`, N >= 10: mean and deviation over 10 splits.

    The clips are permuted by the published seed first, so the figure repeats.
    """
    features = _features(logits, at_least=SPLITS)
    order = np.random.RandomState(SPLIT_SEED).permutation(len(features))
    logs = _log_softmax(features[order])
    scores = []
    for part in range(SPLITS):
        piece = logs[part * len(logs) // SPLITS : (part + 1) * len(logs) // SPLITS]
        classes = np.exp(piece)
        mean = np.log(np.maximum(classes.mean(axis=0), np.finfo(np.float64).tiny))
        scores.append(np.exp((classes * (piece - mean)).sum(axis=1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


def cosine_score(first: np.ndarray, second: np.ndarray) -> float:
    """Mean cosine of paired embeddings `[N, D]`, -1 to 1, as IB and CLAP scores use it."""
    first, second = _features(first), _features(second)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(((first * second).sum(axis=1) / np.maximum(norms, 1e-12)).mean())


def _equal_pair(sound: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Mono float32 of one length, a multiple of the hop."""
    length = min(sound.shape[-1], target.shape[-1])
    if not length:
        raise FoleyError("A sound to compare is empty: give one of at least a few milliseconds.")
    padding = (0, -length % HOP)
    monos = (x.detach().float().reshape(-1, x.shape[-1]).mean(dim=0) for x in (sound, target))
    first, second = (torch.nn.functional.pad(x[:length], padding) for x in monos)
    return first, second


def _features(values: np.ndarray, at_least: int = 1) -> np.ndarray:
    features = np.asarray(values, dtype=np.float64)
    assert features.ndim == 2, "features are [clips, width]"
    assert np.isfinite(features).all(), "a distance of NaN means nothing"
    if len(features) < at_least:
        raise FoleyError(f"This score needs {at_least} clips or more; there are {len(features)}.")
    return features


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
