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

NAME = "specmaskfoley_mini"
# Of a moment whose level counts: between silences a step is one of the noise floor.
FLOOR_DB = -50.0


def main() -> None:
    from foleystage.core.evaluation.clips import clip_of
    from foleystage.core.loading import Loading, load_model
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets, pool
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request
    from foleystage.core.scenes import CONTINUOUS, KINDS, sample_scene

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    model = load_model(NAME, loading=Loading(keep=True))
    kinds = tuple(kind for kind in KINDS if kind not in CONTINUOUS)
    part, rate = model.config.trained_seconds, model.sample_rate
    borders, window = _borders(model.config, options.seconds)
    matched: dict[str, list] = {"sliding": [], "single takes": []}
    steps: dict[str, list[float]] = {"window borders": [], "half a window on": []}
    for seed in range(options.clips):
        scene = sample_scene(seed, "test", seconds=options.seconds, hard=True, kinds=kinds)
        clip = clip_of(scene, rate)
        picture = clip.seen_by(model.video_encoder)
        asked = Request(f"{clip.material} hit", seed=seed, steps=options.steps, loudness=None)
        whole = generate(picture, model, asked).waveforms[0]
        matched["sliding"].append(match_onsets(detect_onsets(whole, rate), clip.times))
        for name, moments in (
            ("window borders", borders),
            ("half a window on", borders + window / 2),
        ):
            steps[name] += _steps(whole, clip.sound, moments, rate)
        for start in np.arange(0, options.seconds - part, part):
            here = Request(**{**vars(asked), "start": float(start), "seconds": part})
            take = generate(picture, model, here).waveforms[0]
            times = clip.times[(clip.times >= start) & (clip.times < start + part)] - start
            matched["single takes"].append(match_onsets(detect_onsets(take, rate), times))
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


def _steps(made, true, moments: np.ndarray, rate: int) -> list[float]:
    from foleystage.core.evaluation.tasks import level_step

    size, found = round(0.1 * rate), []
    for at in moments:
        middle = round(at * rate)
        around = made[:, middle - size : middle + size]
        if (
            middle + size > made.shape[1]
            or 10 * np.log10(float(around.square().mean()) + 1e-12) < FLOOR_DB
        ):
            continue
        found.append(level_step(made, at) - level_step(true, at))
    return found


if __name__ == "__main__":
    main()
