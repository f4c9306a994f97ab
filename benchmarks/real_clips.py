"""How far the hits of generated sound follow the true sound of real videos, against chance.

    python benchmarks/real_clips.py VIDEO...

Every video needs its true sound. Prints a table: onsets of the true and the generated sound, F1
within 60 and 100 ms, and the mean F1 of circular shifts of the same onsets (chance). The last
column is the F1 of onsets at the peaks of the weight-free motion curve.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from foleystage.core.encoders.foley_mini import BIN_RATE
from foleystage.core.encoders.mini_video import events_of_curve, peaks
from foleystage.core.encoders.motion import measure_motion, stop_curve
from foleystage.core.loading import load_model
from foleystage.core.media import read_audio, read_frames
from foleystage.core.onsets.detect import detect_onsets
from foleystage.core.onsets.matching import match_onsets, shifted_f1
from foleystage.core.pipeline import generate
from foleystage.core.request import Request


def main(paths: list[str]) -> None:
    model = load_model("ac_foley_mini")
    print(
        "| video | true onsets | generated | F1 60 ms (chance) | F1 100 ms (chance) "
        "| offset ms | motion curve, 100 ms |"
    )
    print("|---" * 7 + "|")
    for path in paths:
        takes = generate(path, model, Request())
        sound, rate = read_audio(path, seconds=takes.seconds)
        truth = detect_onsets(sound, rate)
        found = detect_onsets(takes.waveforms[0], takes.sample_rate)
        frames = read_frames(path, model.video_encoder.requests, seconds=takes.seconds)["video"]
        curve = stop_curve(measure_motion(frames[None]))[0]
        weightless = peaks(events_of_curve(curve)[:, 0].numpy(), 0.4, BIN_RATE)
        cells = [Path(path).stem, str(len(truth)), str(len(found))]
        for tolerance in (0.06, 0.1):
            chance = shifted_f1(found, truth, takes.seconds, tolerance=tolerance)
            f1 = match_onsets(found, truth, tolerance=tolerance).f1
            cells.append(f"{f1:.2f} ({chance:.2f})")
        offset = match_onsets(found, truth, tolerance=0.1).median_offset_ms
        cells.append("-" if offset is None else f"{offset:+.0f}")
        plain = match_onsets(weightless, truth, tolerance=0.1).f1
        chance = shifted_f1(np.asarray(weightless), truth, takes.seconds, tolerance=0.1)
        cells.append(f"{plain:.2f} ({chance:.2f})")
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
