"""The sound of a scene, a reference of the same object, and random hits of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .ambience import AMBIENCES, render_ambience
from .events import Event
from .manner import Manner
from .materials import IMPACT_MATERIALS, Instrument, sample_instrument
from .scene import Scene
from .sound import Room, render_sound, sample_room

REFERENCE_SECONDS = 1.92
# dB. A floor that can be heard would be rebuilt with holes, and those sound like hits.
_TARGET_FLOOR = -72.0


def scene_sound(
    scene: Scene, sample_rate: int, manner: Manner | None = None
) -> tuple[str, np.ndarray, np.ndarray]:
    """Material, sound of the scene and a reference of 1.92 s: other blows on the same object,
    same room. With a manner both are played in it, the reference without its course.
    """
    instrument, room, rng = _object(scene)
    material = instrument.material
    if manner is not None:
        room = manner.room(room, np.random.default_rng([scene.sound_seed, 8]))
    target = _target(scene, instrument, room, sample_rate, rng)
    times = np.cumsum(rng.uniform(0.25, 0.9, 6)) - 0.15
    lasts = 0.3 if material == "air" else 0.0
    other = [
        Event(float(t), float(rng.uniform(0.4, 1.0)), lasts)
        for t in times
        if t < REFERENCE_SECONDS - 0.2
    ]
    reference = render_sound(other, instrument, REFERENCE_SECONDS, sample_rate, rng, room=room)
    if manner is None:
        return material, target, reference
    steady = replace(manner, course="")
    return material, manner.apply(target, sample_rate), steady.apply(reference, sample_rate)


def ambient_sound(
    seed: int, seconds: float, sample_rate: int
) -> tuple[str, Event, np.ndarray, np.ndarray]:
    """What goes on (a name of `AMBIENCES`), as an event that lasts, its sound, and a reference of
    1.92 s of the same."""
    rng = np.random.default_rng([seed, 10])
    kind, strength = str(rng.choice(AMBIENCES)), float(rng.uniform(0.15, 1.0))
    # Both are parts of one sound.
    whole = seconds + REFERENCE_SECONDS
    sound = render_ambience(kind, strength, whole, sample_rate, rng)
    first = round(seconds * sample_rate)
    return kind, Event(0.0, strength, seconds), sound[:first], sound[first:]


def sound_on(scene: Scene, other: Scene, sample_rate: int) -> np.ndarray:
    """The sound of a scene as if its hits were on the object of another one, in its room."""
    instrument, room, rng = _object(other)
    return _target(scene, instrument, room, sample_rate, rng)


def _target(
    scene: Scene, instrument: Instrument, room: Room, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """A scene's hits on an object, as a generator is to make them."""
    quiet = replace(room, floor_db=_TARGET_FLOOR)
    return render_sound(scene.events, instrument, scene.seconds, sample_rate, rng, room=quiet)


def _object(scene: Scene) -> tuple[Instrument, Room, np.random.Generator]:
    """What sounds in a scene, where, and the generator of what is left to chance."""
    rng = np.random.default_rng([scene.sound_seed, 7])
    material = (
        "air"
        if any(e.duration for e in scene.events) or scene.kind == "swish"
        else str(rng.choice(IMPACT_MATERIALS))
    )
    return sample_instrument(material, rng), sample_room(rng), rng


def level_reference(sound: np.ndarray) -> np.ndarray:
    """AC-Foley's level of a reference: peak 0.95."""
    return (sound * (0.95 / max(float(np.abs(sound).max()), 1e-4))).astype(np.float32)


def random_events(instrument: Instrument, seconds: float, rng: np.random.Generator) -> list[Event]:
    """Events 0.12 to 1.5 s apart, even or uneven, of varied strength."""
    gap = np.exp(rng.uniform(np.log(0.16), np.log(1.4)))
    spread = rng.choice((0.02, 0.5))
    events, time = [], float(rng.uniform(0.05, 0.05 + gap))
    while time < seconds - 0.02:
        duration = float(rng.uniform(0.2, 0.9)) if instrument.material == "air" else 0.0
        events.append(Event(time, float(rng.uniform(0.15, 1.0)), duration))
        time += float(max(0.12, duration, gap * rng.lognormal(0.0, spread)))
    return events
