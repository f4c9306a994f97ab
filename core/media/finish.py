"""The last step of every take: its place, length and level."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import FoleyError
from .audio import fit_length
from .limits import peak_of
from .loudness import integrated_loudness, limit, normalize_loudness

LOUDNESS = -20.0  # LUFS of a take
FULL = 0.9999  # what a take that keeps its level may reach
# LUFS below which a take is left as quiet as it is: what would be raised is noise.
SILENT = -45.0


def not_finite() -> FoleyError:
    """What to raise for a sound that was made of values that are not numbers."""
    return FoleyError(
        "The generated sound left the finite numbers; try another seed or a smaller guidance scale."
    )


def finish(
    waveform: Tensor,
    rate: int,
    seconds: float,
    *,
    loudness: float | None = LOUDNESS,
    offset: float = 0.0,
) -> Tensor:
    """A decoded take [C, T] as long as its video, at its loudness; never above full scale.

    loudness: LUFS; None leaves the level as the model makes it, but for what passes full scale.
    offset: milliseconds, later is positive.

    Raises:
        FoleyError: it holds values that are not numbers.
    """
    if not math.isfinite(peak_of(waveform)):
        raise not_finite()
    shift = round(offset / 1000 * rate)
    waveform = torch.nn.functional.pad(waveform, (shift, 0)) if shift > 0 else waveform[:, -shift:]
    waveform = fit_length(waveform, round(seconds * rate))
    if loudness is None:
        return limit(waveform, rate, FULL)
    if integrated_loudness(waveform, rate) > SILENT:
        return normalize_loudness(waveform, rate, loudness)
    return limit(waveform, rate)
