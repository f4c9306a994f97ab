"""Hits by hand: heard where they are put, gone where they are removed.

    python benchmarks/cues.py [--models NAME ...] [--clips 40] [--nudged] [--first 5000]

Hard held-out scenes of 6 s. `told`: systems are told the true hits of a scene by a cue sheet, and
see no picture; onsets are compared with them, and with what the detector finds in the true sound.
Then one hit is marked as removed. `--nudged`: the same systems as if they could not be told, which
is how those of other weights are treated: they see the picture, one hit is added and one removed.
Writes the tables of docs/evidence.md.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from hard_clips import hard_clip
from measure import MINIS, write_evidence

SECONDS = 6.0
APART = 0.16  # seconds to the next hit of one that is removed
GONE, KEPT = 0.1, 0.06  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MINIS))
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--first", type=int, default=5000, help="seed of the first scene")
    parser.add_argument("--nudged", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = range(options.first, options.first + 3 * options.clips)
    name, heading, row = "told hits", "Hits by hand", _told
    if options.nudged:
        name, heading, row = "nudged hits", "Hits as a nudge", _nudged
    lines = [f"{options.clips} hard scenes of {SECONDS:g} s", ""]
    for number, model in enumerate(options.models):
        cells = row(model, seeds, options.clips)
        if not number:
            lines += [f"| model | {' | '.join(cells)} |", "|---" * (len(cells) + 1) + "|"]
        lines.append(f"| `{model}` | {' | '.join(cells.values())} |")
    write_evidence(name, "\n".join(lines), heading)


def _clips(system, seeds: range, count: int):
    """Scenes with two hits or more, and their seeds."""
    for seed in seeds:
        clip = hard_clip(seed, SECONDS, system.sample_rate)
        if len(clip.times) > 1 and count:
            count -= 1
            yield seed, clip


def _told(model: str, seeds: range, count: int) -> dict[str, str]:
    from foleystage.core.cues import CueSheet, Hit
    from foleystage.core.loading import load_model
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets, pool

    system, made, true, tally = load_model(model), [], [], _Removal()
    for seed, clip in _clips(system, seeds, count):
        events = [event for event in clip.scene.events if not event.duration]
        hits = tuple(Hit(event.time, event.strength) for event in events)
        onsets = _onsets(None, system, clip, seed, CueSheet(hits=hits))
        made.append(match_onsets(onsets, clip.times))
        true.append(match_onsets(detect_onsets(clip.sound, system.sample_rate), clip.times))
        tally.add(hits, onsets, seed, partial(_onsets, None, system, clip, seed))
    return {
        "F1 within 60 ms": f"{pool(made).f1:.3f}",
        "of the true sound": f"{pool(true).f1:.3f}",
        "median offset, ms": f"{pool(made).median_offset_ms:+.1f}",
        **tally.cells(),
    }


def _nudged(model: str, seeds: range, count: int) -> dict[str, str]:
    from foleystage.core.cues import CueSheet, Hit
    from foleystage.core.loading import load_model
    from foleystage.core.seen_cues import seen_cues
    from foleystage.core.system import System

    # As a system whose encoder cannot be told.
    System.places_hits = property(lambda self: False)
    system, tally, added, beside = load_model(model), _Removal(), [], []
    for seed, clip in _clips(system, seeds, count):
        picture = clip.seen_by(system.video_encoder)
        hits = seen_cues(picture, system).hits or ()
        if len(hits) < 2:
            continue
        plain = _onsets(picture, system, clip, seed, CueSheet())
        rng = np.random.default_rng(seed)
        free = [
            time
            for time in np.arange(0.5, SECONDS - 0.5, 0.01)
            if min(abs(time - hit.time) for hit in hits) > 2 * GONE
        ]
        if free:
            new = Hit(float(rng.choice(free)))
            onsets = _onsets(picture, system, clip, seed, CueSheet(hits=(*hits, new)))
            added.append(_near(new.time, onsets, KEPT))
            there = [hit.time for hit in hits if _near(hit.time, plain, KEPT)]
            beside += [_near(time, onsets, KEPT) for time in there]
        tally.add(hits, plain, seed, partial(_onsets, picture, system, clip, seed))
    return {
        "added hits heard within 60 ms": f"{np.mean(added):.0%} of {len(added)}",
        "others kept beside them": f"{np.mean(beside):.1%} of {len(beside)}",
        **tally.cells(),
    }


class _Removal:
    """What becomes of a hit that is removed, and of the others."""

    def __init__(self) -> None:
        self.gone: list[bool] = []
        self.kept: list[bool] = []

    def add(self, hits, before: np.ndarray, seed: int, play) -> None:
        from foleystage.core.cues import CueSheet

        chosen = int(np.random.default_rng([seed, 1]).integers(len(hits)))
        time = hits[chosen].time
        others = [hit.time for k, hit in enumerate(hits) if k != chosen]
        if not _near(time, before, KEPT) or min(abs(time - t) for t in others) <= APART:
            return
        marked = (replace(hit, removed=k == chosen) for k, hit in enumerate(hits))
        onsets = play(CueSheet(hits=tuple(marked)))
        self.gone.append(not _near(time, onsets, GONE))
        self.kept += [_near(t, onsets, KEPT) for t in others if _near(t, before, KEPT)]

    def cells(self) -> dict[str, str]:
        return {
            "removed hits without an onset within 100 ms": (
                f"{np.mean(self.gone):.0%} of {len(self.gone)}"
            ),
            "others kept": f"{np.mean(self.kept):.1%} of {len(self.kept)}",
        }


def _near(time: float, onsets: np.ndarray, within: float) -> bool:
    return bool((np.abs(onsets - time) <= within).any())


def _onsets(picture, system, clip, seed: int, sheet) -> np.ndarray:
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.pipeline import generate
    from foleystage.core.request import Request

    words = f"{clip.material} hit" if system.row.text else ""
    request = Request(words, seconds=SECONDS, seed=seed, cues=sheet)
    takes = generate(picture, system, request)
    return detect_onsets(takes.waveforms[0], takes.sample_rate)


if __name__ == "__main__":
    main()
