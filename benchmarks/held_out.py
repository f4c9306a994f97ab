"""Held-out scenes with the words of their own material, for the benchmarks that compare ways to
sample: what is seen and said once, then onsets and material of the takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

_GROUP = 8
# Of the table of `scores`, whose rows `measure.compared` writes.
HEADING = (
    "",
    "| | onset F1, 60 ms | difference | shuffled | material | difference |",
    "|---|---|---|---|---|---|",
)


def given_of(system: Any, clips: Sequence[Any]) -> list[tuple]:
    """A clip, what is seen in it, and what its words say, for each of the clips."""
    given = []
    seconds = clips[0].scene.seconds
    for clip in clips:
        seen = {}
        if system.row.video:
            picture = clip.seen_by(system.video_encoder)
            seen = system.encode_video(picture, start=0.0, seconds=seconds, to_end=False).streams
        given.append((clip, seen, system.encode_words(f"{clip.material} hit")[0]))
    return given


@torch.no_grad()
def scores(system: Any, given: list[tuple], guidance: Any, steps: int, seen: bool) -> dict:
    """F1 of the onsets within 60 ms, the same with the truth of other clips, and the share whose
    material is that of the words."""
    from foleystage.core.evaluation.materials import classify
    from foleystage.core.evaluation.runner import noise_of
    from foleystage.core.generators import Conditions
    from foleystage.core.onsets.detect import detect_onsets
    from foleystage.core.onsets.matching import match_onsets, pool, shuffled_f1
    from foleystage.core.sampling import sample

    rate, own = system.sample_rate, system.row.sampling
    seconds = given[0][0].scene.seconds
    found, right = [], []
    for first in range(0, len(given), _GROUP):
        group = given[first : first + _GROUP]
        rows = [{**(picture if seen else {}), **words} for _, picture, words in group]
        streams = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        noise = noise_of(system, range(first, first + len(group)), seconds, steps)
        with system.store.using("generator") as net:
            made = sample(
                net,
                Conditions(streams, seconds),
                guidance,
                solver=own.solver,
                steps=steps,
                noise=noise,
                temperature=own.temperature,
            )
        for wave, (clip, *_) in zip(system.decode(made), group, strict=True):
            found.append(detect_onsets(wave, rate))
            right.append(classify(wave, rate) == clip.material)
    true = [clip.times for clip, *_ in given]
    pooled = pool([match_onsets(*pair) for pair in zip(found, true, strict=True)])
    struck = [ok for ok, times in zip(right, true, strict=True) if len(times)]
    return {
        "f1": pooled.f1,
        "shuffled": shuffled_f1(found, true),
        "material": float(np.mean(struck)),
    }
