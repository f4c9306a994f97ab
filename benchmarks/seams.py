"""Long takes made section by section: what a border of two sections costs.

    python benchmarks/seams.py [--models NAME ...] [--clips 8] [--seconds 40] [--first 0]

Hard held-out scenes in one take each. Onset F1 is compared within a second of each border and of
each middle between two borders, and with single takes of the trained length. The steps of level and
of spectrum from 0.1 s before a moment to 0.1 s behind it are less those of the true sound at the
same moment; moments at which the take is silent do not count. Writes the table of docs/evidence.md.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from hard_clips import BESIDE, FLOOR, asked_of, hard_clip, is_heard, single_takes
from measure import MINIS, write_evidence
from torch import Tensor

NEAR = 1.0  # seconds
BANDS = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MINIS))
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(options.first, options.first + options.clips)
    lines = [
        f"{options.clips} hard scenes of {options.seconds:g} s, each in one take",
        "",
        "| model | F1, 60 ms | near borders | near middles | single takes | level step beyond the "
        "true sound's, dB: borders | middles | spectral step, dB: borders | middles |",
        "|---" * 9 + "|",
    ]
    for model in options.models:
        lines.append(_row(model, seeds, options.seconds))
        print(lines[-1], flush=True)
    write_evidence("seams", "\n".join(lines), "Where the sections of a long take meet")


def _row(model: str, seeds: range, seconds: float) -> str:
    from foleystage.core.loading import Loading, load_model
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets, pool
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    system = load_model(model, loading=Loading(keep=True))
    rate = system.sample_rate
    borders, middles = _moments(system.config, seconds)
    matched: dict[str, list] = {name: [] for name in ("whole", "borders", "middles", "single")}
    steps: dict[str, list] = {"borders": [], "middles": []}
    for seed in seeds:
        clip = hard_clip(seed, seconds, rate)
        picture, words = asked_of(system, clip)
        asked = Request(words, seed=seed, seconds=seconds, loudness=None, long="sequential")
        made = generate(picture, system, asked).waveforms[0]
        onsets = detect_onsets(made, rate)
        matched["whole"].append(match_onsets(onsets, clip.times))
        for name, moments in (("borders", borders), ("middles", middles)):
            for at in moments:
                pair = (times[np.abs(times - at) < NEAR] for times in (onsets, clip.times))
                matched[name].append(match_onsets(*pair))
                steps[name] += _steps(made, clip.sound, float(at), rate)
        matched["single"] += single_takes(system, clip, picture, asked, seconds)
    scores = " | ".join(f"{pool(matched[name]).f1:.3f}" for name in matched)
    apart = " | ".join(
        f"{np.mean([step[k] for step in steps[name]]):+.2f}" for k in (0, 1) for name in steps
    )
    return f"| `{model}` | {scores} | {apart} |"


def _moments(config, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Seconds at which sections begin after others, and of the middles between two of these."""
    from foleystage.core.sections import sections_of

    sections = sections_of(config, seconds)
    borders = np.array([section.new / config.latent.rate for section in sections[1:]])
    return borders, (borders[:-1] + borders[1:]) / 2


def _steps(made: Tensor, true: Tensor, at: float, rate: int) -> list[tuple[float, float]]:
    """Of level and of spectrum, less the true sound's; none where the take is silent."""
    from foleystage.core.evaluation.tasks import level_step

    if not is_heard(made, at, rate):
        return []
    middle, size = round(at * rate), round(BESIDE * rate)
    own, other = (_spectral_step(sound[0], middle, size, rate) for sound in (made, true))
    return [(level_step(made, at) - level_step(true, at), own - other)]


def _spectral_step(sound: Tensor, middle: int, size: int, rate: int) -> float:
    """Decibels by which the mel bands before and after a sample are apart, on average."""
    from foleystage.core.codecs.spectral import mel_filters

    parts = torch.stack([sound[middle - size : middle], sound[middle : middle + size]])
    window = torch.hann_window(size)
    power = torch.fft.rfft(parts * window).abs().square() / (size * window.square().sum() / 2)
    filters = mel_filters(BANDS, size, rate)
    bands = power @ (filters / filters.amax(1, keepdim=True)).T
    before, after = 10 * torch.log10(bands + FLOOR / BANDS)
    return float((after - before).abs().mean())


if __name__ == "__main__":
    main()
