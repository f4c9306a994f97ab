"""Takes with their ranks, found once for as long as their sound lives."""

from __future__ import annotations

import math
from typing import Any

from torch.utils.weak import WeakIdKeyDictionary

from ..core.media.loudness import LEAST_RATE
from ..core.ranking import Ranked, rank
from .border import sound_of
from .progress import stop_if_cancelled
from .values import EncodedFeatures

# Waveform of an AUDIO -> the features that it was ranked by, and the ranking: a pick ranks nothing.
_FOUND: WeakIdKeyDictionary = WeakIdKeyDictionary()


def ranking_of(audio: Any, features: EncodedFeatures | None) -> list[Ranked]:
    """The takes of an AUDIO, the best first: by the hits that features of a video tell, if they do,
    by level and by clipping. None where the rate is too low to tell a level."""
    takes, rate = sound_of(audio)
    if rate < LEAST_RATE:
        return []
    chance = None if features is None else features.chance
    before = _FOUND.get(audio["waveform"])
    if before is None or before[0] is not chance or before[1] != rate:
        found = rank(takes, rate, chance=chance, cancelled=stop_if_cancelled)
        before = _FOUND[audio["waveform"]] = (chance, rate, found)
    return before[2]


def figures_of(ranked: Ranked) -> dict[str, Any]:
    """What a take's place is due to, as the frontend puts it into words."""
    figures: dict[str, Any] = {"take": ranked.take, "clips": ranked.clips}
    figures["silent"] = math.isinf(ranked.off)
    figures["off"] = 0.0 if figures["silent"] else round(ranked.off, 1)
    sync = ranked.sync
    if sync is not None:
        figures |= {"hits": sync.hits, "in_time": sync.in_time, "extra": sync.extra}
        figures["late_ms"] = round(sync.late_ms or 0.0, 1)
    return figures
