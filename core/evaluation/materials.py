"""Which material does this sound like? A small classifier trained on true scene sounds only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from ..codecs.spectral import mel_filters, stft
from ..media.resample import resample
from ..scenes.materials import MATERIALS, sample_instrument
from ..scenes.pairs import random_events
from ..scenes.sound import render_sound
from ..weights.fill import fill_from
from ..weights.minis import mini_path

RATE = 32_000
_N_MELS, _N_FFT, _HOP = 48, 1024, 320  # a frame every 10 ms
_AFTER = (0, 1, 2, 4, 7, 11, 17, 25, 36)  # frames after the attack at which its colour is read
_ATTACKS = 8
_APART = 6
_RANGE = 9.0  # natural log units of power under the loudest that count


class MaterialClassifier(nn.Module):
    """Two layers on the features of `material_features`; logits over `MATERIALS`."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        n_features = 2 * _N_MELS * len(_AFTER)
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("deviation", torch.ones(n_features))
        self.net = nn.Sequential(
            nn.Dropout(0.3),
            nn.Linear(n_features, width),
            nn.GELU(),
            nn.Dropout(0.3),
            nn.Linear(width, len(MATERIALS)),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.net((features - self.mean) / self.deviation)


def classify(waveform: Tensor | np.ndarray, sample_rate: int) -> str:
    """The name, of `MATERIALS`, that `waveform` is most like: `[T]` or `[C, T]`, any hits."""
    features = material_features(waveform, sample_rate)
    with torch.no_grad():
        return MATERIALS[int(_bundled()(features[None]).argmax())]


@lru_cache(maxsize=1)
def _bundled() -> MaterialClassifier:
    return fill_from(MaterialClassifier(), mini_path("material_classifier"))


def material_features(waveform: Tensor | np.ndarray, sample_rate: int) -> Tensor:
    """Log-mel at set times after the clearest attacks, `[864]`: their mean, and their minimum.

    The mean is the colour; the minimum, the decay of the best isolated hit. Level does not count.
    """
    sound = torch.as_tensor(waveform, dtype=torch.float32)
    sound = sound.mean(0) if sound.ndim == 2 else sound
    if sample_rate != RATE:
        sound = resample(sound[None], sample_rate, RATE)[0]
    sound = sound[: len(sound) // _HOP * _HOP]
    longest = max(_AFTER) + 1
    if len(sound) < (longest + _ATTACKS) * _HOP:
        sound = torch.nn.functional.pad(sound, (0, (longest + _ATTACKS) * _HOP))
    power = stft(sound[None], _N_FFT, _HOP).abs().square()[0]
    mel = torch.log(mel_filters(_N_MELS, _N_FFT, RATE, 30.0) @ power + 1e-9)  # [bands, frames]
    windows = torch.stack([mel[:, at : at + longest] for at in _attacks(mel, longest)])
    windows = windows - windows.amax((1, 2), keepdim=True)
    read = windows[:, :, list(_AFTER)].clamp(min=-_RANGE)  # [attacks, bands, times]
    return torch.cat((read.mean(0).flatten(), read.amin(0).flatten()))


def _attacks(mel: Tensor, longest: int) -> list[int]:
    """Frames of the strongest rises within `_RANGE` of the loudest, apart from each other."""
    floor = mel.max() - _RANGE
    rise = (mel[:, 1:].clamp(min=floor) - mel[:, :-1].clamp(min=floor)).clamp(min=0).mean(0)
    rise = rise[: mel.shape[1] - longest].clone()
    first = float(rise.max())
    found: list[int] = []
    while len(found) < _ATTACKS and (not found or float(rise.max()) > 0.3 * first):
        at = int(rise.argmax())
        found.append(at)
        rise[max(at - _APART, 0) : at + _APART + 1] = -1.0
    return found


def train_classifier(
    seed: int = 0, *, clips: int = 140, steps: int = 400, materials: Sequence[str] = MATERIALS
) -> MaterialClassifier:
    """Train on `clips` scene sounds of 2 to 6 s a material: a minute or two on one core.

    The bundled weights are those of the defaults, in float16.
    """
    features, labels = [], []
    for name in materials:
        for clip in range(clips):
            sound = true_sound(name, np.random.default_rng([seed, 31, MATERIALS.index(name), clip]))
            features.append(material_features(sound, RATE))
            labels.append(MATERIALS.index(name))
    rows, wanted = torch.stack(features), torch.tensor(labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MaterialClassifier()
        model.mean.copy_(rows.mean(0))
        model.deviation.copy_(rows.std(0) + 0.05)
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
        for _ in range(steps):
            shaken = rows + 0.3 * torch.randn_like(rows)
            loss = nn.functional.cross_entropy(model(shaken), wanted, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval().requires_grad_(False)


def true_sound(material: str, rng: np.random.Generator) -> np.ndarray:
    """A scene sound of 2 to 6 s of one object of `material`, struck at random times."""
    seconds = float(rng.uniform(2.0, 6.0))
    instrument = sample_instrument(material, rng)
    events = random_events(instrument, seconds, rng)
    return render_sound(events, instrument, seconds, RATE, rng)
