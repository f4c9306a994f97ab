"""What things sound like when struck: sixteen materials, and objects drawn from them.

A material is a table of ranges; an `Instrument` is one object of it: its modes, how they die away,
how it rattles. Two objects of one material differ as two real ones would, yet stay that material.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]
N_POSITIONS = 2  # an object is struck somewhere between two places with different mode gains


@dataclass(frozen=True)
class Recipe:
    """Ranges from which an object is drawn; times in seconds, frequencies in Hz.

    Modes: `pitch` of the lowest, `shape` of the ratios, `ring` = 60 dB decay time of the lowest,
    `damping` = exponent by which higher modes die sooner, `tilt` = exponent of their level,
    `contact` = width of the contact pulse at full strength, `body` = level of the modes.
    Noise burst: `noise` level, `noise_band`, `noise_ring`. Grains: `grains` (count), `grain_span`,
    `grain_band`, `grain_ring`, `grain_level`. Bubbles: `bubbles` (count), `bubble_pitch`.
    `glide`: relative fall of the pitch after a full-strength blow. `bounces`: extra light contacts.
    """

    shape: str = ""
    pitch: Range = (0.0, 0.0)
    modes: tuple[int, int] = (0, 0)
    ring: Range = (0.0, 0.0)
    damping: Range = (0.3, 0.6)
    tilt: Range = (0.3, 0.9)
    contact: Range = (4e-4, 8e-4)
    body: float = 1.0
    noise: Range = (0.0, 0.0)
    noise_band: tuple[Range, Range] = ((200.0, 400.0), (4000.0, 8000.0))
    noise_ring: Range = (0.01, 0.02)
    grains: tuple[int, int] = (0, 0)
    grain_span: Range = (0.1, 0.2)
    grain_band: tuple[Range, Range] = ((1500.0, 2500.0), (6000.0, 9000.0))
    grain_ring: Range = (0.002, 0.005)
    grain_level: float = 1.0
    bubbles: tuple[int, int] = (0, 0)
    bubble_pitch: tuple[Range, Range] = ((400.0, 700.0), (1800.0, 3000.0))
    glide: Range = (0.0, 0.0)
    bounces: tuple[int, int] = (0, 0)


RECIPES: dict[str, Recipe] = {
    "metal": Recipe(
        shape="plate", pitch=(180, 750), modes=(22, 36), ring=(0.7, 1.8), damping=(0.2, 0.45),
        tilt=(-0.1, 0.3), contact=(2e-4, 5e-4), noise=(0.05, 0.2), noise_ring=(0.004, 0.01),
    ),
    "bell": Recipe(
        shape="bell", pitch=(350, 1500), modes=(7, 10), ring=(1.6, 3.5), damping=(0.5, 0.8),
        tilt=(0.5, 0.9), contact=(4e-4, 9e-4), noise=(0.0, 0.04), noise_ring=(0.003, 0.006),
    ),
    "wood": Recipe(
        shape="bar", pitch=(170, 800), modes=(5, 8), ring=(0.06, 0.16), damping=(0.35, 0.7),
        tilt=(0.4, 0.9), contact=(5e-4, 1.2e-3), noise=(0.05, 0.25), noise_ring=(0.008, 0.02),
        noise_band=((150, 400), (1800, 4000)),
    ),
    "glass": Recipe(
        shape="shell", pitch=(2000, 4800), modes=(5, 9), ring=(0.25, 0.8), damping=(0.2, 0.5),
        tilt=(0.1, 0.6), contact=(8e-5, 2e-4), noise=(0.05, 0.2), noise_ring=(0.001, 0.004),
        noise_band=((3000, 5000), (10000, 15000)),
    ),
    "ceramic": Recipe(
        shape="shell", pitch=(750, 1500), modes=(8, 13), ring=(0.13, 0.28), damping=(0.05, 0.2),
        tilt=(-0.1, 0.4), contact=(1.2e-4, 3e-4), noise=(0.15, 0.4), noise_ring=(0.003, 0.008),
        noise_band=((1500, 3000), (8000, 13000)),
    ),
    "stone": Recipe(
        shape="lump", pitch=(900, 2200), modes=(10, 18), ring=(0.012, 0.032), damping=(0.0, 0.3),
        tilt=(-0.2, 0.3), contact=(1e-4, 3e-4), noise=(0.3, 0.8), noise_ring=(0.006, 0.016),
        noise_band=((900, 1600), (6000, 11000)),
    ),
    "plastic": Recipe(
        shape="tube", pitch=(280, 700), modes=(6, 10), ring=(0.035, 0.08), damping=(-0.1, 0.15),
        tilt=(-0.2, 0.2), contact=(2e-4, 5e-4), noise=(0.05, 0.2), noise_ring=(0.003, 0.008),
        noise_band=((500, 900), (3000, 5000)), bounces=(2, 4),
    ),
    "drum": Recipe(
        shape="membrane", pitch=(55, 190), modes=(7, 11), ring=(0.3, 0.8), damping=(0.5, 0.9),
        tilt=(0.6, 1.2), contact=(1e-3, 2.5e-3), noise=(0.08, 0.3), noise_ring=(0.01, 0.03),
        noise_band=((80, 200), (1500, 4000)), glide=(0.1, 0.5),
    ),
    "water": Recipe(
        noise=(0.35, 0.8), noise_band=((500, 900), (5000, 9000)), noise_ring=(0.05, 0.16),
        bubbles=(7, 18),
    ),
    "gravel": Recipe(
        grains=(60, 150), grain_span=(0.1, 0.24), noise=(0.05, 0.15), noise_ring=(0.02, 0.05),
        noise_band=((800, 1500), (6000, 9000)),
    ),
    "snow": Recipe(
        grains=(120, 260), grain_span=(0.14, 0.32), grain_band=((180, 350), (900, 1700)),
        grain_ring=(0.004, 0.01), noise=(0.2, 0.5), noise_ring=(0.06, 0.14),
        noise_band=((120, 250), (900, 1800)),
    ),
    "skin": Recipe(
        shape="lump", pitch=(280, 600), modes=(4, 7), ring=(0.012, 0.03), damping=(0.0, 0.3),
        tilt=(0.2, 0.7), contact=(4e-4, 1e-3), body=0.6, noise=(0.8, 1.3),
        noise_band=((300, 600), (1800, 3600)), noise_ring=(0.014, 0.04),
    ),
    "paper": Recipe(
        grains=(14, 40), grain_span=(0.08, 0.26), grain_band=((3000, 4500), (9000, 14000)),
        grain_ring=(5e-4, 1.5e-3), grain_level=1.2, noise=(0.5, 0.9),
        noise_band=((2500, 4500), (10000, 15000)), noise_ring=(0.08, 0.22),
    ),
    "string": Recipe(
        shape="string", pitch=(80, 480), modes=(24, 40), ring=(0.9, 2.4), damping=(0.4, 0.8),
        tilt=(0.7, 1.2), contact=(3e-4, 8e-4), noise=(0.0, 0.06), noise_ring=(0.003, 0.01),
    ),
    "rubber": Recipe(
        shape="lump", pitch=(90, 220), modes=(3, 5), ring=(0.05, 0.11), damping=(0.4, 0.9),
        tilt=(0.8, 1.5), contact=(2e-3, 4e-3), noise=(0.01, 0.05), noise_ring=(0.005, 0.015),
        noise_band=((100, 200), (600, 1200)), glide=(0.0, 0.15),
    ),
    "air": Recipe(noise=(0.02, 0.1), noise_band=((200, 400), (1500, 4000)), noise_ring=(0.05, 0.1)),
}  # fmt: skip

MATERIALS: tuple[str, ...] = tuple(RECIPES)
IMPACT_MATERIALS: tuple[str, ...] = tuple(name for name in MATERIALS if name != "air")

WORDS: dict[str, tuple[str, ...]] = {
    "metal": ("metal", "metallic", "steel", "iron", "tin", "pan", "pipe", "anvil", "clang"),
    "bell": ("bell", "chime", "brass", "gong", "bronze", "ringing", "ding"),
    "wood": ("wood", "wooden", "timber", "plank", "oak", "bamboo", "door"),
    "glass": ("glass", "crystal", "glassy", "bottle", "window", "clink"),
    "ceramic": ("ceramic", "porcelain", "pottery", "china", "plate", "cup", "tile"),
    "stone": ("stone", "rock", "concrete", "brick", "marble", "pavement", "click"),
    "plastic": ("plastic", "bucket", "box", "toy", "container", "clack"),
    "drum": ("drum", "tom", "kick", "bongo", "conga", "drumhead", "boom"),
    "water": ("water", "splash", "wet", "liquid", "puddle", "drip", "rain"),
    "gravel": ("gravel", "pebbles", "sand", "shingle", "gritty", "crunch"),
    "snow": ("snow", "snowy", "ice", "slush", "powder", "soft crunch"),
    "skin": ("skin", "slap", "clap", "hand", "palm", "leather", "flesh", "punch"),
    "paper": ("paper", "cardboard", "rustle", "page", "crumple", "leaves", "dry leaves"),
    "string": ("string", "guitar", "pluck", "plucked", "harp", "wire", "twang"),
    "rubber": ("rubber", "ball", "tyre", "thud", "bouncy", "dull"),
    "air": ("air", "swish", "whoosh", "swoosh", "wind", "whip", "swing"),
}


@dataclass(frozen=True, eq=False)
class Instrument:
    """One object's physics, as `sample_instrument` drew it; frequencies in Hz, times in seconds.

    `frequencies`, `rings` (60 dB decay times): `[M]`; `gains`: `[N_POSITIONS, M]`, signed.
    `whoosh`: lowest and highest centre frequency, and relative bandwidth, of its swish.
    """

    material: str
    frequencies: np.ndarray
    rings: np.ndarray
    gains: np.ndarray
    contact: float
    noise: float
    noise_band: Range
    noise_ring: float
    grains: int
    grain_span: float
    grain_band: Range
    grain_ring: float
    grain_level: float
    bubbles: int
    bubble_pitch: Range
    glide: float
    bounces: int
    whoosh: tuple[float, float, float]
    softness: float  # how strongly a weak blow dulls the sound
    level_db: float  # this object's loudness among its like


def sample_instrument(material: str, rng: np.random.Generator) -> Instrument:
    """Draw one object of `material` (a name of `MATERIALS`)."""
    recipe = RECIPES[material]
    frequencies, rings, gains = _sample_modes(recipe, rng)
    low = rng.uniform(200, 700)
    return Instrument(
        material=material,
        frequencies=frequencies,
        rings=rings,
        gains=gains * recipe.body,
        contact=_log_uniform(recipe.contact, rng),
        noise=rng.uniform(*recipe.noise),
        noise_band=_band(recipe.noise_band, rng),
        noise_ring=_log_uniform(recipe.noise_ring, rng),
        grains=_count(recipe.grains, rng),
        grain_span=rng.uniform(*recipe.grain_span),
        grain_band=_band(recipe.grain_band, rng),
        grain_ring=_log_uniform(recipe.grain_ring, rng),
        grain_level=recipe.grain_level,
        bubbles=_count(recipe.bubbles, rng),
        bubble_pitch=_band(recipe.bubble_pitch, rng),
        glide=rng.uniform(*recipe.glide),
        bounces=_count(recipe.bounces, rng),
        whoosh=(low, low * rng.uniform(2.0, 5.0), rng.uniform(0.3, 0.8)),
        softness=rng.uniform(0.25, 0.6),
        level_db=rng.uniform(-4.0, 2.0),
    )


def _sample_modes(
    recipe: Recipe, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies `[M]`, decay times `[M]`, gains `[N_POSITIONS, M]` of one object."""
    n_modes = _count(recipe.modes, rng)
    if n_modes == 0:
        return np.zeros(0), np.zeros(0), np.zeros((N_POSITIONS, 0))
    ratios = SHAPES[recipe.shape](n_modes, rng)
    frequencies = _log_uniform(recipe.pitch, rng) * ratios
    rings = _log_uniform(recipe.ring, rng) * ratios ** -rng.uniform(*recipe.damping)
    rings = np.maximum(rings * rng.lognormal(0.0, 0.15, n_modes), 0.004)
    levels = ratios ** -rng.uniform(*recipe.tilt) * rng.lognormal(0.0, 0.35, n_modes)
    places = rng.lognormal(0.0, 0.35, (N_POSITIONS, n_modes))
    signs = rng.choice((-1.0, 1.0), n_modes)
    if recipe.shape == "string":  # plucked at a place: its harmonics' nodes stay silent
        place = rng.uniform(0.08, 0.4, (N_POSITIONS, 1))
        places = np.abs(np.sin(np.pi * np.arange(1, n_modes + 1) * place)) + 0.02
        signs = np.ones(n_modes)
    gains = levels * places * signs
    return frequencies, rings, gains / np.linalg.norm(gains, axis=1, keepdims=True)


def _plate(n: int, rng: np.random.Generator) -> np.ndarray:
    """A rectangular plate, (m/a)^2 + (n/b)^2, a little irregular."""
    aspect = rng.uniform(0.4, 0.95)
    m, k = np.meshgrid(np.arange(1, 12), np.arange(1, 12))
    ratios = np.sort((m**2 + aspect * k**2).ravel())[: max(n, 2)] / (1 + aspect)
    return ratios * _jitter(len(ratios), 0.02, rng)


def _bell(n: int, rng: np.random.Generator) -> np.ndarray:
    """The partials of a tuned bell: hum, prime, tierce, quint, nominal and above."""
    partials = np.array((0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.67, 3.01, 4.17, 5.43))[:n]
    return partials * _jitter(len(partials), 0.01, rng) / 0.5


def _bar(n: int, rng: np.random.Generator) -> np.ndarray:
    """A free bar's bending modes, (2k + 1)^2, with torsion between them."""
    bending = (2 * np.arange(1, n + 1) + 1) ** 2 / 9.0
    torsion = rng.uniform(1.5, 2.3) * np.arange(1, 3)
    return np.sort(np.concatenate((bending, torsion)))[:n] * _jitter(n, 0.03, rng)


def _shell(n: int, rng: np.random.Generator) -> np.ndarray:
    """A cup: modes about quadratic in the number of nodal lines."""
    ratios = (np.arange(2, n + 2) / 2.0) ** rng.uniform(1.3, 1.8)
    return ratios * np.concatenate(((1.0,), _jitter(n - 1, 0.05, rng)))


def _tube(n: int, rng: np.random.Generator) -> np.ndarray:
    """A hollow closed at one end: odd multiples."""
    return (2 * np.arange(n) + 1) * _jitter(n, 0.03, rng)


def _membrane(n: int, rng: np.random.Generator) -> np.ndarray:
    """A round membrane: zeros of the Bessel functions over the first."""
    zeros = (1, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.501, 3.6, 4.06, 4.154)
    return np.array(zeros[:n]) * _jitter(n, 0.02, rng)


def _string(n: int, rng: np.random.Generator) -> np.ndarray:
    """A stiff string: k sqrt(1 + B k^2)."""
    k = np.arange(1, n + 1)
    return k * np.sqrt(1 + rng.uniform(0.0, 3e-4) * k**2)


def _lump(n: int, rng: np.random.Generator) -> np.ndarray:
    """A solid of no simple shape: modes everywhere."""
    return np.sort(np.concatenate(((1.0,), rng.uniform(1.2, 6.0, n - 1))))


SHAPES: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "plate": _plate,
    "bell": _bell,
    "bar": _bar,
    "shell": _shell,
    "tube": _tube,
    "membrane": _membrane,
    "string": _string,
    "lump": _lump,
}


def _jitter(n: int, spread: float, rng: np.random.Generator) -> np.ndarray:
    return np.exp(rng.normal(0.0, spread, n))


def _log_uniform(bounds: Range, rng: np.random.Generator) -> float:
    low, high = bounds
    return float(np.exp(rng.uniform(np.log(low), np.log(high)))) if low > 0 else 0.0


def _band(bounds: tuple[Range, Range], rng: np.random.Generator) -> Range:
    return _log_uniform(bounds[0], rng), _log_uniform(bounds[1], rng)


def _count(bounds: tuple[int, int], rng: np.random.Generator) -> int:
    return int(rng.integers(bounds[0], bounds[1] + 1))
