"""How far the hits of generated sound follow the true sound of real videos, against chance.

    python benchmarks/real_clips.py VIDEO... [--model NAME] [--save FILE] [--against FILE]

Every video needs its true sound; those with fewer than two onsets tell nothing and are named.
Prints, of each, the onsets of the true and of the generated sound, their F1 within 100 ms, and the
correlation of the onset envelopes at 20 Hz (best lag within 50 ms), each with its chance: the mean
over 50 circular shifts of the truth. Recordings are often out of sync with themselves: in several
of ours the sound comes 60 to 120 ms after what is seen. So both stand there once more with one lag
for the whole clip taken out, the best within 120 ms, which chance may choose as well; F1 then
within 60 ms. Last are the means over the clips of what is above chance, with 95 % intervals by
bootstrap.
--save keeps the figures, --against compares with kept ones clip by clip.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from foleystage.core.loading import load_model
from foleystage.core.media import read_audio
from foleystage.core.onsets.detect import HOP, SAMPLE_RATE, detect_onsets, rise_curve
from foleystage.core.onsets.matching import match_onsets
from foleystage.core.onsets.signals import mono_at
from foleystage.core.pipeline import generate
from foleystage.core.request import Request
from measure import bootstrap

TOLERANCE, CLOSE = 0.1, 0.06  # seconds
RATE = 20.0  # of envelopes
LAGS = np.arange(-6, 7) * 0.02  # seconds that a recording may be out of sync with itself
SHIFTS = 50
FEWEST = 2  # true onsets
NAMES = {
    "f1": "F1 within 100 ms",
    "correlation": "correlation",
    "f1_lag": "F1 within 60 ms, lag taken out",
    "correlation_lag": "correlation, lag taken out",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--model", default="ac_foley_mini")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    model = load_model(options.model)
    print("| video | true onsets | generated | " + " | ".join(NAMES.values()) + " | lag, ms |")
    print("|---" * (len(NAMES) + 4) + "|")
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
    for name in NAMES:
        own = {clip: row[name][0] - row[name][1] for clip, row in figures.items()}
        print(f"{NAMES[name]}: {bootstrap(np.array(list(own.values())))}")
        both = [clip for clip in own if name in before.get(clip, {})]
        if both:
            others = np.array([before[clip][name][0] - before[clip][name][1] for clip in both])
            gains = np.array([own[clip] for clip in both]) - others
            print(f"    before: {bootstrap(others)}; difference: {bootstrap(gains)}")
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
    made = envelope(takes.waveforms[0], takes.sample_rate, seconds)
    true = envelope(sound, rate, seconds)

    def matched(turned: np.ndarray, tolerance: float, lag: float = 0.0) -> float:
        return match_onsets(found + lag, turned, tolerance=tolerance).f1

    def best(turned: np.ndarray) -> float:
        return max(matched(turned, CLOSE, lag) for lag in LAGS)

    reach = round(float(LAGS[-1]) * RATE)
    moves = np.linspace(0.05, 0.95, SHIFTS)
    turned = [np.sort((truth + move * seconds) % seconds) for move in moves]
    rolled = [np.roll(true, int(move * len(true))) for move in moves]
    return {
        "true": len(truth),
        "made": len(found),
        "f1": [matched(truth, TOLERANCE), _mean(matched(one, TOLERANCE) for one in turned)],
        "correlation": [follows(made, true, 1), _mean(follows(made, one, 1) for one in rolled)],
        "f1_lag": [best(truth), _mean(map(best, turned))],
        "correlation_lag": [
            follows(made, true, reach),
            _mean(follows(made, one, reach) for one in rolled),
        ],
        "lag": float(1000 * max(LAGS, key=lambda lag: matched(truth, CLOSE, lag))),
    }


def _row(name: str, made: dict) -> str:
    cells = [f"{made[key][0]:.2f} ({made[key][1]:.2f})" for key in NAMES]
    return (
        f"| {name} | {made['true']} | {made['made']} | {' | '.join(cells)} | {made['lag']:+.0f} |"
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def envelope(sound, rate: int, seconds: float) -> np.ndarray:
    """The highest rise in each 50 ms, `[20 * seconds]`."""
    rises = rise_curve(mono_at(sound, rate, SAMPLE_RATE))
    count = int(seconds * RATE)
    place = np.minimum((np.arange(len(rises)) * HOP / SAMPLE_RATE * RATE).astype(int), count - 1)
    made = np.zeros(count)
    np.maximum.at(made, place, rises)
    return made


def follows(made: np.ndarray, true: np.ndarray, reach: int) -> float:
    """Correlation at the best of lags from -reach to reach; 0 where one of them is even."""
    best = -1.0
    for lag in range(-reach, reach + 1):
        one = made[max(lag, 0) : len(made) + min(lag, 0)]
        other = true[max(-lag, 0) : len(true) + min(-lag, 0)]
        if one.std() == 0 or other.std() == 0:
            return 0.0
        best = max(best, float(np.corrcoef(one, other)[0, 1]))
    return best


if __name__ == "__main__":
    main()
