"""How far the hits of generated sound follow the true sound of real videos, against chance.

    python benchmarks/real_clips.py VIDEO... [--model NAME] [--save FILE] [--against FILE]

Every video needs its true sound; those with fewer than two onsets tell nothing and are named.
Prints, of each, the onsets of the true and of the generated sound, their F1 within 100 ms, and the
correlation of the onset envelopes at 20 Hz (best lag within 50 ms), each with its chance: the mean
over 50 circular shifts of the truth. Then the means over the clips of what is above chance, with
95 % intervals by bootstrap. --save keeps the figures, --against compares with kept ones clip by
clip.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from foleystage.core.loading import load_model
from foleystage.core.media import read_audio
from foleystage.core.onsets.detect import HOP, SAMPLE_RATE, detect_onsets, rise_curve
from foleystage.core.onsets.matching import match_onsets, shifted_f1
from foleystage.core.onsets.signals import mono_at
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from measure import bootstrap

TOLERANCE, RATE = 0.1, 20.0
FEWEST = 2  # true onsets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--model", default="ac_foley_mini")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    model = load_model(options.model)
    print("| video | true onsets | generated | F1 (chance) | correlation (chance) | offset, ms |")
    print("|---" * 6 + "|")
    figures, left = {}, []
    for path in options.videos:
        made = _figures(path, model)
        if made is None:
            left.append(path.stem)
        else:
            figures[path.stem] = made
            print(_row(path.stem, made), flush=True)
    if left:
        print(f"\nWithout {FEWEST} onsets in the true sound: {', '.join(left)}.")
    print(f"\nAbove chance, mean of {len(figures)} clips (95 % interval):")
    before = {} if options.against is None else json.loads(options.against.read_text("utf-8"))
    for name in ("f1", "correlation"):
        own = {clip: row[name][0] - row[name][1] for clip, row in figures.items()}
        print(f"{name}: {bootstrap(np.array(list(own.values())))}")
        both = [clip for clip in own if clip in before]
        if both:
            others = np.array([before[clip][name][0] - before[clip][name][1] for clip in both])
            gains = np.array([own[clip] for clip in both]) - others
            print(f"{name}, before: {bootstrap(others)}; difference: {bootstrap(gains)}")
    if options.save is not None:
        options.save.write_text(json.dumps(figures, indent=1), "utf-8")


def _figures(path: Path, model) -> dict | None:
    """Of a video; None where its sound has too few onsets."""
    takes = generate(path, model, Request())
    seconds = takes.seconds
    sound, rate = read_audio(path, seconds=seconds)
    truth = detect_onsets(sound, rate)
    if len(truth) < FEWEST:
        return None
    found = detect_onsets(takes.waveforms[0], takes.sample_rate)
    matched = match_onsets(found, truth, tolerance=TOLERANCE)
    made = envelope(takes.waveforms[0], takes.sample_rate, seconds)
    true = envelope(sound, rate, seconds)
    return {
        "true": len(truth),
        "made": len(found),
        "f1": [matched.f1, shifted_f1(found, truth, seconds, tolerance=TOLERANCE)],
        "correlation": [follows(made, true), _shifted(made, true)],
        "offset": matched.median_offset_ms,
    }


def _row(name: str, made: dict) -> str:
    (f1, chance), (follow, luck) = made["f1"], made["correlation"]
    offset = "-" if made["offset"] is None else f"{made['offset']:+.0f}"
    return (
        f"| {name} | {made['true']} | {made['made']} | {f1:.2f} ({chance:.2f}) | "
        f"{follow:.2f} ({luck:.2f}) | {offset} |"
    )


def envelope(sound, rate: int, seconds: float) -> np.ndarray:
    """The highest rise in each 50 ms, `[20 * seconds]`."""
    rises = rise_curve(mono_at(sound, rate, SAMPLE_RATE))
    count = int(seconds * RATE)
    place = np.minimum((np.arange(len(rises)) * HOP / SAMPLE_RATE * RATE).astype(int), count - 1)
    made = np.zeros(count)
    np.maximum.at(made, place, rises)
    return made


def follows(made: np.ndarray, true: np.ndarray) -> float:
    """Correlation at the best of lags -1, 0 and 1; 0 where one of them is even."""
    best = -1.0
    for lag in (-1, 0, 1):
        one = made[max(lag, 0) : len(made) + min(lag, 0)]
        other = true[max(-lag, 0) : len(true) + min(-lag, 0)]
        if one.std() == 0 or other.std() == 0:
            return 0.0
        best = max(best, float(np.corrcoef(one, other)[0, 1]))
    return best


def _shifted(made: np.ndarray, true: np.ndarray) -> float:
    moves = np.linspace(0.05 * len(true), 0.95 * len(true), 50).astype(int)
    return float(np.mean([follows(made, np.roll(true, move)) for move in moves]))


if __name__ == "__main__":
    main()
