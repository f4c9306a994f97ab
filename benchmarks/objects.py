"""Objects of one picture: each heard at its times, of its material, on its side.

    python benchmarks/objects.py [--models NAME ...] [--clips 32] [--first 9000]

Pairs of hard held-out scenes of 6 s side by side in one picture, with a mask of each half and the
words of each. The mix is cut out around the hits of one of them, where the other has none within
0.2 s, and the classifier of `foleystage evaluate` is asked for the material; so it is with the true
sounds. Writes the table of docs/evidence.md.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from hard_clips import hard_clip
from measure import write_evidence

SECONDS, RATE = 6.0, 32000
BESIDE, BEFORE, AFTER = 0.2, 0.05, 0.4  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["ac_foley_mini", "foleygenex_mini"])
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--first", type=int, default=9000, help="seed of the first scene")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        f"{options.clips} pictures of two hard scenes",
        "",
        "| model | material recognised at its times | of the true sounds | of its stem | onset "
        "F1 of stems | energy on its side |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(model, options.first, options.clips) for model in options.models]
    write_evidence("objects", "\n".join(lines), "A sound for each object")


def _row(model: str, first: int, count: int) -> str:
    from foleystage.core.evaluation.materials import classify
    from foleystage.core.loading import load_model
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets, pool

    system = load_model(model)
    mixed, true, alone, sync, side = [], [], [], [], []
    for number in range(count):
        seed = first + 50 * number
        clips = _pair(seed)
        takes = _made(system, clips, seed)
        truth = sum(clip.sound[0, : round(SECONDS * RATE)] for clip in clips)
        heard = takes.waveforms[0].mean(0)
        for k, (clip, stem) in enumerate(zip(clips, takes.stems.values())):
            sound, energy = stem[0], stem[0].square().sum(-1)
            sync.append(match_onsets(detect_onsets(sound, RATE), clip.times))
            alone.append(classify(sound, RATE) == clip.material)
            side.append(float(energy[k] / energy.sum().clamp_min(1e-12)))
            own = _around(clip.times, clips[1 - k].times)
            if own:
                for found, wave in ((mixed, heard), (true, truth)):
                    part = torch.cat([wave[start:stop] for start, stop in own])
                    found.append(classify(part[None], RATE) == clip.material)
    return (
        f"| `{model}` | {np.mean(mixed):.0%} of {len(mixed)} | {np.mean(true):.0%} | "
        f"{np.mean(alone):.0%} of {len(alone)} | {pool(sync).f1:.3f} | {np.mean(side):.0%} |"
    )


def _pair(seed: int) -> list:
    """Two scenes of different materials, with two hits or more each."""
    clips: list = []
    while len(clips) < 2:
        clip = hard_clip(seed, SECONDS, RATE)
        if len(clip.times) > 1 and (not clips or clip.material != clips[0].material):
            clips.append(clip)
        seed += 1
    return clips


def _made(system, clips, seed: int):
    from foleystage.core.media import ImageFrames
    from foleystage.core.objects import VideoObject, generate_objects
    from foleystage.core.request import Request

    pictures = [clip.picture(25.0, 144, 144).images for clip in clips]
    left = torch.zeros(len(pictures[0]), 144, 288, 3)
    left[:, :, :144] = 1.0
    objects = [
        VideoObject(ImageFrames(mask, 25.0), f"{clip.material} hit")
        for mask, clip in zip((left, 1 - left), clips)
    ]
    picture = ImageFrames(torch.cat(pictures, 2), 25.0)
    return generate_objects(picture, objects, system, Request(seed=seed))


def _around(times: np.ndarray, others: np.ndarray) -> list[tuple[int, int]]:
    """Samples around each hit up to the next one, where the other scene has none beside it."""
    every = np.sort(np.concatenate([times, others, [SECONDS]]))
    spans = []
    for time in times:
        if np.abs(others - time).min() >= BESIDE:
            stop = min(time + AFTER, every[every > time].min() - 0.03)
            spans.append((max(round((time - BEFORE) * RATE), 0), round(stop * RATE)))
    return [(start, stop) for start, stop in spans if stop > start]


if __name__ == "__main__":
    main()
