"""How a scene's sound is played: loud or soft, near or far, swelling or fading, and its words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .sound import PEAK_LIMIT, Room

WORDS: dict[str, tuple[str, ...]] = {
    "loud": ("loud", "noisy", "thunderous"),
    "soft": ("soft", "quiet", "gentle", "faint"),
    "near": ("near", "close"),
    "far": ("far", "distant", "remote"),
    "swelling": ("swelling", "crescendo", "rising"),
    "fading": ("fading", "decrescendo", "dwindling"),
    "fast": ("fast", "quick", "rapid", "swift"),
    "slow": ("slow", "leisurely", "gradual"),
}
_GAIN_DB = {"": -3.0, "loud": 3.0, "soft": -15.0}
_COURSE_DB = 20.0  # from the quietest of a course to its loudest
_FAR_CORNER = 1800.0  # Hz, above which distance takes the sound away
_FAST, _SLOW = 2.8, 1.2  # hits a second
# Of each of two sides of an axis.
_SIDE_CHANCES = {"level": 0.2, "distance": 0.2, "course": 0.15}


@dataclass(frozen=True)
class Manner:
    """ "" is neither. span: seconds from and to which a course goes, None: all of the sound."""

    level: str = ""
    distance: str = ""
    course: str = ""
    span: tuple[float, float] | None = None

    def words(self, rng: np.random.Generator) -> list[str]:
        """One word of each thing that is said."""
        return [say(word, rng) for word in (self.level, self.distance, self.course) if word]

    def room(self, room: Room, rng: np.random.Generator) -> Room:
        """The room as heard from there."""
        if self.distance == "near":
            return replace(room, wet_db=None)
        if self.distance == "far":
            return replace(room, t60=float(rng.uniform(1.0, 1.7)), wet_db=float(rng.uniform(2, 6)))
        # Between the two, so that near and far can both be told from it.
        return replace(room, t60=max(room.t60, 0.35), wet_db=float(rng.uniform(-7, -2)))

    def apply(self, sound: np.ndarray, sample_rate: int) -> np.ndarray:
        """A rendered sound [T] at its level, float32, |x| <= 1."""
        if self.distance == "far":
            sound = _low_pass(sound, _FAR_CORNER, sample_rate)
        if self.course:
            start, stop = self.span or (0.0, len(sound) / sample_rate)
            sound = with_course(sound, self.course == "swelling", start, stop, sample_rate)
        sound = sound * 10 ** (_GAIN_DB[self.level] / 20)
        return (sound * min(1.0, PEAK_LIMIT / (np.abs(sound).max() + 1e-9))).astype(np.float32)


def sample_manner(rng: np.random.Generator) -> Manner:
    """Each axis on its own; most of the time nothing is said of it."""

    def one(axis: str, *sides: str) -> str:
        chance = _SIDE_CHANCES[axis]
        return str(rng.choice(("", *sides), p=(1 - 2 * chance, chance, chance)))

    return Manner(
        one("level", "loud", "soft"),
        one("distance", "near", "far"),
        one("course", "swelling", "fading"),
    )


def say(word: str, rng: np.random.Generator) -> str:
    """A word for what `WORDS` names."""
    return str(rng.choice(WORDS[word]))


def pace(hits: int, seconds: float) -> str:
    """ "fast", "slow" or "" for so many hits in so many seconds."""
    rate = hits / seconds
    return "fast" if rate > _FAST else "slow" if 0 < rate < _SLOW else ""


def with_course(
    sound: np.ndarray, rising: bool, start: float, stop: float, sample_rate: int
) -> np.ndarray:
    """A sound [T] whose level rises by 20 dB (or falls) evenly between two times, held outside of
    them, and whose peak is what it was."""
    place = np.interp(np.arange(len(sound)) / sample_rate, (start, stop), (0, 1))
    gain_db = _COURSE_DB * (place - 1 if rising else -place)
    swollen = sound * 10 ** (gain_db / 20)
    return swollen * (np.abs(sound).max() / (np.abs(swollen).max() + 1e-9))


def _low_pass(sound: np.ndarray, corner: float, sample_rate: int) -> np.ndarray:
    """One pole."""
    from scipy.signal import lfilter

    keep = np.exp(-2 * np.pi * corner / sample_rate)
    return lfilter([1 - keep], [1, -keep], sound)
