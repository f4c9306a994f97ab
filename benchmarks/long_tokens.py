"""A minute of tokens by a sliding window, on our scenes: seams, and sync against single takes.

    python benchmarks/long_tokens.py [--seconds 60] [--clips 4] [--steps 12]

`specmaskfoley_mini` makes the sound of hard scenes in one sliding take, and in single takes of what
its window holds. Where the tokens of a window end and those of the next one begin, the levels of
0.1 s before and behind are compared, less the same of the true sound; the control are the same
moments half a window on. Prints the table of docs/evidence.md.
"""

from __future__ import annotations

import argparse

import numpy as np
from hard_clips import asked_of, hard_clip, is_heard, single_takes

NAME = "specmaskfoley_mini"


def main() -> None:
    from foleystage.core.evaluation.tasks import level_step
    from foleystage.core.loading import Loading, load_model
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets, pool
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    model = load_model(NAME, loading=Loading(keep=True))
    rate = model.sample_rate
    borders, window = _borders(model.config, options.seconds)
    matched: dict[str, list] = {"sliding": [], "single takes": []}
    steps: dict[str, list[float]] = {"window borders": [], "half a window on": []}
    for seed in range(options.clips):
        clip = hard_clip(seed, options.seconds, rate)
        picture, words = asked_of(model, clip)
        asked = Request(words, seed=seed, steps=options.steps, loudness=None)
        whole = generate(picture, model, asked).waveforms[0]
        matched["sliding"].append(match_onsets(detect_onsets(whole, rate), clip.times))
        for name, moments in (
            ("window borders", borders),
            ("half a window on", borders + window / 2),
        ):
            steps[name] += [
                level_step(whole, at) - level_step(clip.sound, at)
                for at in moments
                if is_heard(whole, at, rate)
            ]
        matched["single takes"] += single_takes(model, clip, picture, asked, options.seconds)
    print(f"{options.clips} hard scenes of {options.seconds:g} s, {options.steps} steps\n")
    print("| | F1 within 60 ms |\n|---|---|")
    for name, matchings in matched.items():
        print(f"| {name} | {pool(matchings).f1:.3f} |")
    print("\n| level step beyond the true sound's | dB | moments |\n|---|---|---|")
    for name, values in steps.items():
        print(f"| {name} | {np.mean(values):+.2f} | {len(values)} |")


def _borders(config, seconds: float) -> tuple[np.ndarray, float]:
    """Seconds at which a window's new tokens begin, and how long these are."""
    from foleystage.core.sampling import windows_for

    made = config.round_up_seconds(seconds)
    windows = windows_for(config, made)
    times = windows.slid(config, made)
    ends = np.array([stop for _, stop in times[:-1]])
    return ends[ends < seconds - 1], times[1][0] - times[0][0]


if __name__ == "__main__":
    main()
