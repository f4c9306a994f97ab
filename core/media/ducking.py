"""One sound is lowered while another is loud."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_FRAME_SECONDS = 0.01
_ATTACK_SECONDS, _RELEASE_SECONDS = 0.02, 0.25
# A frame counts from 30 dB under the loudest one on, in full from 6 dB under it.
_LEAST_DB, _FULL_DB = 30.0, 6.0
_LEAST_POWER = 1e-9


def duck(background: Tensor, foreground: Tensor, sample_rate: int, by_db: float) -> Tensor:
    """`background` float [C, T], lowered by up to `by_db` decibels where `foreground` [C, T] is
    loud.

    The level of 10 ms frames decides; the gain falls in about 20 ms and comes back in 250 ms, and
    it falls 20 ms ahead, so that an attack is not masked.
    """
    if by_db <= 0 or not foreground.numel():
        return background
    hop = max(1, round(_FRAME_SECONDS * sample_rate))
    activity = _activity(foreground, hop)
    ahead = math.ceil(_ATTACK_SECONDS / _FRAME_SECONDS)
    smooth = torch.tensor(_smoothed(functional.pad(activity[ahead:], (0, ahead)).tolist()))
    gain = 10 ** (-by_db * smooth / 20)
    samples = functional.interpolate(
        gain[None, None], size=len(gain) * hop, mode="linear", align_corners=False
    )[0, 0]
    short = max(background.shape[-1] - len(samples), 0)
    return background * functional.pad(samples, (0, short), value=1.0)[: background.shape[-1]]


def _activity(sound: Tensor, hop: int) -> Tensor:
    """0 to 1 a frame: how loud the sound is there."""
    mono = functional.pad(sound.float().square().mean(0), (0, -sound.shape[-1] % hop))
    level = 10 * torch.log10(mono.unflatten(0, (-1, hop)).mean(1) + _LEAST_POWER)
    if float(level.max()) < -70:
        return torch.zeros_like(level)
    return ((level - level.max() + _LEAST_DB) / (_LEAST_DB - _FULL_DB)).clamp(0, 1)


def _smoothed(frames: list[float]) -> list[float]:
    rise = 1 - math.exp(-_FRAME_SECONDS / _ATTACK_SECONDS * 2)
    fall = 1 - math.exp(-_FRAME_SECONDS / _RELEASE_SECONDS * 2)
    state, out = 0.0, []
    for value in frames:
        state += (value - state) * (rise if value > state else fall)
        out.append(state)
    return out
