"""What benchmarks on held-out scenes share: hard clips with hits and their words, single takes of
the trained length, and moments that are heard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

BESIDE = 0.1  # seconds on either side of a moment
FLOOR = 1e-5  # power of silence


def hard_clip(seed: int, seconds: float, rate: int) -> Any:
    """The clip of a seed, its sound at a rate."""
    from foleystage.core.evaluation.clips import clip_of
    from foleystage.core.scenes import IMPACTS, sample_scene

    scene = sample_scene(seed, "test", seconds=seconds, hard=True, kinds=IMPACTS)
    return clip_of(scene, rate)


def asked_of(system: Any, clip: Any) -> tuple[Any, str]:
    """What the system sees of a clip, and a prompt where it reads one."""
    prompt = f"{clip.material} hit" if system.row.text else ""
    return clip.seen_by(system.video_encoder), prompt


def single_takes(system: Any, clip: Any, picture: Any, asked: Any, seconds: float) -> Iterator:
    """The matched onsets of takes of the trained length, one after another."""
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets
    from foleystage.core.pipeline import generate

    part = system.config.trained_seconds
    for start in np.arange(0, seconds - part + 0.01, part):
        here = replace(asked, start=float(start), seconds=part, long=None)
        take = generate(picture, system, here).waveforms[0]
        times = clip.times[(clip.times >= start) & (clip.times < start + part)] - start
        yield match_onsets(detect_onsets(take, system.sample_rate), times)


def is_heard(sound: Tensor, at: float, rate: int) -> bool:
    """Whether the sound `[C, samples]` goes on around a moment and is not silent there: between
    silences a step of level is one of the noise floor."""
    middle, size = round(at * rate), round(BESIDE * rate)
    around = sound[0, max(middle - size, 0) : middle + size]
    return len(around) == 2 * size and float(around.square().mean()) >= FLOOR
