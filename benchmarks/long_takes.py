"""Takes longer than trained: joined windows against one pass, on our scenes.

    python benchmarks/long_takes.py [--seconds 10 16 20] [--clips 24] [--steps 25]

`ac_foley_mini` makes the sound of clean scenes with hits both ways, with the same noise, and onsets
are compared with the true times, over the whole take and over what lies beyond the trained length.
Prints the table of docs/evidence.md.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

WAYS = ("windows", "one pass")


def main() -> None:
    from foleystage.core.loading import load_model
    from foleystage.core.scenes import CONTINUOUS, KINDS, sample_scene

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 16.0, 20.0])
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--steps", type=int, default=25)
    options = parser.parse_args()
    model = load_model("ac_foley_mini")
    kinds = tuple(kind for kind in KINDS if kind not in CONTINUOUS)
    print(
        f"| seconds | made in | F1 within 60 ms | beyond {model.config.trained_seconds:g} s | "
        "median size of offset, ms | processor seconds a take |"
    )
    print("|---|---|---|---|---|---|")
    for seconds in options.seconds:
        scenes = [
            sample_scene(seed, "test", seconds=seconds, hard=False, kinds=kinds)
            for seed in range(options.clips)
        ]
        for way in WAYS:
            print(_row(model, scenes, way, options.steps), flush=True)


def _row(model, scenes, way: str, steps: int) -> str:
    from foleystage.core.media import ImageFrames
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets, pool
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    whole, late, spent = [], [], 0.0
    trained = model.config.trained_seconds
    for scene in scenes:
        frames = scene.frames(np.arange(round(scene.seconds * 25)) / 25, 90, 120).float() / 255
        request = Request("metal hit", seed=scene.seed, steps=steps, long=way)
        started = time.process_time()
        takes = generate(ImageFrames(frames, 25.0), model, request)
        spent += time.process_time() - started
        found = detect_onsets(takes.waveforms[0], takes.sample_rate)
        truth = np.array([e.time for e in scene.events if not e.duration])
        whole.append(match_onsets(found, truth))
        late.append(match_onsets(found[found >= trained], truth[truth >= trained]))
    both = pool(whole)
    return (
        f"| {scenes[0].seconds:g} | {way} | {both.f1:.3f} | {pool(late).f1:.3f} | "
        f"{both.median_absolute_offset_ms:.1f} | {spent / len(scenes):.1f} |"
    )


if __name__ == "__main__":
    main()
