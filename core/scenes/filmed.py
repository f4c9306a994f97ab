"""Scenes that look filmed: performers, and the kinds of `scene` before the same camera."""

from __future__ import annotations

import numpy as np

from .bodies import Ambience, Rustle, Walker
from .film import Film
from .performers import Performer, Plucker, Voice
from .scene import KINDS, SPLIT_WORD, Scene, Split, place_in

# Each with its share of all filmed scenes; the rest are the kinds of `scene`.
PERFORMERS = {
    "performer": (Performer, 0.5),
    "plucker": (Plucker, 0.08),
    "voice": (Voice, 0.08),
    "rustle": (Rustle, 0.05),
    "walker": (Walker, 0.05),
    "ambience": (Ambience, 0.05),
}
_FILMED_WORD = 7


def sample_filmed(seed: int, split: Split = "train", *, seconds: float = 4.0) -> Scene:
    """The filmed scene of a seed."""
    rng = np.random.default_rng([SPLIT_WORD[split], seed, _FILMED_WORD])
    look = Film.sample(rng, seconds)
    draw, kind = rng.random(), str(rng.choice(list(KINDS)))
    make = KINDS[kind]
    for name, (actor_of, share) in PERFORMERS.items():
        if 0 <= draw < share:
            kind, make = name, actor_of
        draw -= share
    actor = make(rng, seconds)
    place = place_in(rng, actor.focus, look)
    events = tuple(sorted(actor.events, key=lambda event: event.time))
    return Scene(split, seed, kind, seconds, events, look, actor, place, int(rng.integers(2**31)))
