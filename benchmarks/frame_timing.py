"""What the choice of frames does to alignment: nearest against MMAudio's rule, on our scenes.

    python benchmarks/frame_timing.py [--clips 32] [--steps 25]

Scenes with hits are rendered at 25, 30 and 23.976 frames a second, `ac_foley_mini` makes their
sound with frames picked by each rule, and onsets are compared with the true times. Prints the table
of docs/evidence.md.
"""

from __future__ import annotations

import argparse

import numpy as np

RATES = (25.0, 30.0, 24000 / 1001)
RULES = ("nearest", "published")


def main() -> None:
    from foleystage.core.loading import load_model
    from foleystage.core.scenes import CONTINUOUS, KINDS, sample_scene

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=25)
    options = parser.parse_args()
    model = load_model("ac_foley_mini")
    kinds = tuple(kind for kind in KINDS if kind not in CONTINUOUS)
    scenes = [
        sample_scene(seed, "test", seconds=options.seconds, hard=False, kinds=kinds)
        for seed in range(options.clips)
    ]
    print(
        "| frames a second | frames picked | F1 within 60 ms | median offset, ms | "
        "median size of offset, ms |"
    )
    print("|---|---|---|---|---|")
    for fps in RATES:
        for rule in RULES:
            print(_row(model, scenes, fps, rule, options.steps), flush=True)


def _row(model, scenes, fps: float, rule: str, steps: int) -> str:
    from foleystage.core.media import ImageFrames
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets, pool
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    matchings = []
    for scene in scenes:
        times = np.arange(round(scene.seconds * fps)) / fps
        frames = scene.frames(times, 90, 120).float() / 255
        request = Request("metal hit", seed=scene.seed, steps=steps, timing=rule)
        takes = generate(ImageFrames(frames, fps), model, request)
        found = detect_onsets(takes.waveforms[0], takes.sample_rate)
        truth = np.array([e.time for e in scene.events if not e.duration])
        matchings.append(match_onsets(found, truth))
    both = pool(matchings)
    return (
        f"| {fps:.5g} | {rule} | {both.f1:.3f} | {both.median_offset_ms:.1f} | "
        f"{both.median_absolute_offset_ms:.1f} |"
    )


if __name__ == "__main__":
    main()
