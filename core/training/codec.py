"""Training of the mini codec's decoder; its encoder is fitted, not trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..codecs.foley_mini import FoleyMiniCodec
from ..codecs.foley_mini_analysis import SAMPLES_PER_LATENT, Analysis, split_features
from ..codecs.spectral import stft
from ..scenes.synthesis import band_noise
from ..weights.schema import Count, Seconds
from .batches import device_of
from .codec_report import log_mel_distance
from .codec_sounds import scene_sound, training_sound

_TRAIN, _SCENES, _HELD = 21, 22, 12  # first numbers of the seeds: disjoint by construction


@dataclass(frozen=True)
class CodecFigures:
    """Figures of the decoder's training. `latent_noise`: largest deviation added to the latent.

    `choices`: crops of which the one with the highest crest is taken.
    """

    clips: Count = 900
    scenes: Count = 600
    clip_seconds: Seconds = 4.0
    crop_latents: Count = 32
    batch: Count = 8
    choices: Count = 2
    latent_noise: float = 0.35
    mel_weight: float = 0.3
    refit: bool = False


class CodecTask:
    """What the loop needs to train the decoder on `figures.clips` sounds kept in `cache`."""

    def __init__(self, figures: CodecFigures, cache: Path) -> None:
        self.figures = figures
        self.sounds = _cached_sounds(figures, cache)
        rate = FoleyMiniCodec.sample_rate
        self.held = [
            torch.from_numpy(scene_sound(4.0, rate, np.random.default_rng([_HELD, seed])))
            for seed in range(12)
        ]

    def model(self) -> nn.Module:
        """A codec with the bundled analysis, or one fitted anew, and an untrained decoder."""
        codec = FoleyMiniCodec()
        if self.figures.refit:
            fit_analysis(codec.analysis, self.figures)
        else:
            codec.analysis.load_state_dict(FoleyMiniCodec.load().analysis.state_dict())
        return codec

    def batch(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Crops `[B, T]`, two noises `[B, 2, T]`, latent noise `[B, N, D]`."""
        figures = self.figures
        size = figures.crop_latents * SAMPLES_PER_LATENT
        rows = rng.integers(len(self.sounds), size=figures.batch)
        crops = np.stack([self._crop(row, size, rng) for row in rows])
        shape = (figures.batch, figures.crop_latents, FoleyMiniCodec.latent_dim)
        spread = rng.uniform(0, figures.latent_noise, (figures.batch, 1, 1))
        return {
            "waveform": torch.from_numpy(crops / 32767),
            "noise": torch.from_numpy(
                rng.standard_normal((2, figures.batch, size), dtype=np.float32)
            ).transpose(0, 1),
            "latent_noise": torch.from_numpy((rng.standard_normal(shape) * spread).astype("f4")),
        }

    def _crop(self, row: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """The crop of the highest crest of a few: attacks are rare, and matter."""
        starts = rng.integers(0, self.sounds.shape[1] - size, size=self.figures.choices)
        crops = [self.sounds[row, s : s + size].astype(np.float32) for s in starts]
        return max(crops, key=lambda crop: float(np.abs(crop).max() / (crop.std() + 1e-3)))

    def loss(
        self, model: FoleyMiniCodec, batch: dict[str, Tensor], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Energy distance of two draws to the truth, plus the draws' mel distance."""
        truth = batch["waveform"]
        with torch.no_grad():
            latent = model.analysis(truth) + batch["latent_noise"]
            short = split_features(model.analysis.inverse(latent))[-1]
        body = model.synthesis.body(latent)
        with torch.autocast(truth.device.type, enabled=False):
            draws = [
                model.synthesis.head(*body, short, noise) for noise in batch["noise"].unbind(1)
            ]
            energy, mel = sound_distances(truth, *draws)
        return energy + self.figures.mel_weight * mel, {
            "energy": energy.detach(),
            "mel": mel.detach(),
        }

    def evaluate(self, model: FoleyMiniCodec) -> dict[str, float]:
        rate = model.sample_rate
        distances = []
        for sound in self.held:
            latent = model.encode(sound[None, None].to(device_of(model)))
            out = model.decode(latent)[0, 0, : len(sound)].cpu()
            size = len(sound) // 2048 * 2048
            distances.append(log_mel_distance(sound[:size], out[:size], rate))
        return {"held_mel": float(np.mean(distances))}


def sound_distances(truth: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Energy distance 0.5 (d(x,a) + d(x,b) - d(a,b)) over three windows, and a band distance.

    d: mean absolute difference of ln(|S| + 3e-4) plus half that of |S| over the truth's mean.
    """
    energy, bands = 0.0, 0.0
    for n_fft in (2048, 512, 64):
        hop = n_fft // 4
        scale = (0.375 * n_fft) ** -0.5
        x, a, b = (stft(y, n_fft, hop).abs() * scale for y in (truth, first, second))
        level = x.mean((1, 2), keepdim=True) + 1e-3
        logs = [torch.log(y + 3e-4) for y in (x, a, b)]

        def d(i: int, j: int, spectra=(x, a, b), logs=logs, level=level) -> Tensor:
            linear = ((spectra[i] - spectra[j]).abs() / level).mean()
            return (logs[i] - logs[j]).abs().mean() + 0.5 * linear

        energy = energy + (d(0, 1) + d(0, 2) - d(1, 2)) / 6
        if n_fft != 64:
            pooled = [_pool(y) for y in (x, a, b)]
            bands = bands + sum((pooled[0] - p).abs().mean() for p in pooled[1:]) / 4
            rises = [p[..., 1:] - p[..., :-1] for p in pooled]
            bands = bands + 0.5 * sum((rises[0] - r).abs().mean() for r in rises[1:]) / 4
    return energy, bands


def _pool(magnitudes: Tensor) -> Tensor:
    """Log of about thirty bands that widen with frequency: `[B, bands, frames]`."""
    n = magnitudes.shape[1]
    edges = np.unique(np.round(np.geomspace(2, n, 33)).astype(int)).tolist()
    edges = [0, *edges]
    parts = [magnitudes[:, a:b].mean(1) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    return torch.log(torch.stack(parts, 1) + 1e-4)


@torch.no_grad()
def settle(codec: FoleyMiniCodec, seed: int = 77) -> FoleyMiniCodec:
    """Take out of the decoder's biases the pattern it draws, frame by frame, on steady noise.

    A pattern that repeats at the frame rate sounds like a buzz; training leaves a little of one.
    """
    rng, rate, synthesis = np.random.default_rng(seed), codec.sample_rate, codec.synthesis
    beds = []
    for _ in range(12):
        band = (float(np.exp(rng.uniform(3, 7))), float(np.exp(rng.uniform(7, 9.6))))
        beds.append(band_noise(65_536, band, rate, rng) * 10 ** (-rng.uniform(10, 50) / 20))
    latent = codec.encode(torch.from_numpy(np.stack(beds)).float()[:, None])
    numbers, gains = synthesis.body(latent)
    points = len(synthesis.gains.bias)
    synthesis.gains.bias -= gains.unflatten(1, (-1, points))[:, 8:-8].mean((0, 1))
    biases = synthesis.leave.bias.view(-1, *numbers.shape[1:3])  # (sub-frames, 4, bins)
    levels = numbers.unflatten(3, (-1, len(biases)))[:, :, :, 8:-8].mean((0, 3))
    for kind in (0, 3):  # the levels of tone and noise; phases stay as they are
        biases[:, kind] -= (levels[kind] - levels[kind].mean(1, keepdim=True)).T
    return codec


def fit_analysis(analysis: Analysis, figures: CodecFigures) -> None:
    """Fit the encoder's table: PCA on mixed sounds, standardisation on scenes."""
    analysis.fit(
        list(_rendered(training_sound, _TRAIN, figures.clips, figures)),
        list(_rendered(scene_sound, _SCENES, figures.scenes, figures)),
    )


def _rendered(make, first: int, count: int, figures: CodecFigures, share: int = 20):
    rate = FoleyMiniCodec.sample_rate
    size = round(figures.clip_seconds * rate) // 2048 * 2048
    for start in range(0, count, share):
        seeds = range(start, min(start + share, count))
        sounds = [
            make(figures.clip_seconds, rate, np.random.default_rng([first, seed]))[:size]
            for seed in seeds
        ]
        yield torch.from_numpy(np.stack(sounds))


def _cached_sounds(figures: CodecFigures, cache: Path) -> np.ndarray:
    """The training sounds as 16-bit numbers `[clips, T]`, rendered once and memory-mapped."""
    path = cache / f"codec_sounds_{figures.clips}_{figures.clip_seconds:g}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        sounds = torch.cat(list(_rendered(training_sound, _TRAIN, figures.clips, figures)))
        beside = path.with_name(path.name + ".part")
        with beside.open("wb") as file:
            np.save(file, (sounds * 32767).round().to(torch.int16).numpy())
        beside.replace(path)
    return np.load(path, mmap_mode="r")
