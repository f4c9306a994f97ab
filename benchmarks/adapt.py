"""What `foleystage adapt` is worth for clips that it did not learn from.

    python benchmarks/adapt.py VIDEO... [--steps N] [--halvings N]

Every video needs its true sound. The clips are halved at random; the encoder learns from one half
and is judged by the other, and the other way round. Prints, of each clip, the F1 of the hits that
are seen within 100 ms of the onsets that are heard, above chance, before and after (the mean over
the halvings), and the means with 95 % intervals over the clips by bootstrap.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from foleystage.core.loading import load_model
from foleystage.core.training import adapt
from measure import bootstrap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=adapt.STEPS)
    parser.add_argument("--halvings", type=int, default=2)
    options = parser.parse_args()
    with load_model("ac_foley_mini").store.using("video") as encoder:
        read = [adapt.read_own(path, encoder) for path in options.videos]
        clips = [clip for clip in read if clip is not None]
        before = np.array([adapt.above_chance(encoder, clip) for clip in clips])
        after = np.zeros((options.halvings, len(clips)))
        rng = np.random.default_rng(0)
        for seed, row in enumerate(after):
            order = rng.permutation(len(clips))
            halves = order[: len(order) // 2], order[len(order) // 2 :]
            for learned, judged in (halves, halves[::-1]):
                own = [clips[k] for k in learned]
                made = adapt.adapt(encoder, own, steps=options.steps, seed=seed)
                row[judged] = [adapt.above_chance(made, clips[k]) for k in judged]
    print("| video | before | after |\n|---|---|---|")
    for clip, old, new in zip(clips, before, after.mean(0), strict=True):
        print(f"| {Path(clip.name).stem} | {old:+.2f} | {new:+.2f} |")
    print(f"\nbefore {bootstrap(before)}; after {bootstrap(after.mean(0))}")
    print(f"difference {bootstrap(after.mean(0) - before)}")


if __name__ == "__main__":
    main()
