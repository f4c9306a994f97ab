"""How much a file, a wire or an option may claim. What is beyond is refused with its figure, so
that work and memory follow from what was asked for."""

from __future__ import annotations

import math

import torch

from ..errors import FoleyError

SHORTEST_TAKE, LONGEST_TAKE = 0.01, 3600.0  # seconds
LATEST_START = 1e6  # seconds of a file where a window may start
LONGEST_STILL = 60.0  # seconds from one picture to the next
LONGEST_PAUSE = 600.0  # seconds that time stamps may add to a sound, all together
MOST_PIXELS = 1 << 26  # of one picture: 8192 x 8192
MOST_ASPECT = 50.0  # of its longer side to its shorter one
MOST_SAMPLES = 1 << 28  # of a sound in memory, over all channels: 1 GB
SAMPLE_RATES = (1_000, 768_000)  # Hz
FRAME_RATES = (0.1, 1_000.0)  # frames a second
LEVELS = (-120.0, 24.0)  # dB
LOUDEST = 1e5  # times full scale: what is beyond are no samples


def check_length(seconds: float, what: str) -> None:
    """FoleyError for a take that is too long or too short."""
    if seconds < SHORTEST_TAKE:
        raise FoleyError(
            f"{what} of {seconds:.6g} s is too short: at least {SHORTEST_TAKE:g} s are made."
        )
    if seconds > LONGEST_TAKE:
        raise FoleyError(
            f"{what} of {seconds:.6g} s is too long: at most {LONGEST_TAKE:g} s are made at a "
            "time; ask for a part of it."
        )


def check_still(length: float, at: float, name: str) -> None:
    """FoleyError for a picture that stands too long to be one of a video."""
    if length > LONGEST_STILL:
        raise FoleyError(
            f"The picture of {name} stands still for {length:,.0f} s at {at:,.2f} s: its time "
            "stamps are damaged, or it is no video; export it again, or name a part of it."
        )


def check_sample_rate(rate: float, name: str) -> None:
    """FoleyError for a rate that no sound has."""
    low, high = SAMPLE_RATES
    if not low <= rate <= high:
        raise FoleyError(
            f"{name} has a sample rate of {rate:.9g} Hz: it must be {low:,} to {high:,} Hz; export "
            "it again."
        )


def known_frame_rate(rate: float) -> bool:
    """Whether a picture can have so many frames a second."""
    return FRAME_RATES[0] <= rate <= FRAME_RATES[1]


def check_frame_rate(rate: float, name: str) -> None:
    """FoleyError for a rate that no picture has."""
    if not known_frame_rate(rate):
        low, high = FRAME_RATES
        raise FoleyError(
            f"{name} needs a rate of {low:g} to {high:g} frames a second, not {rate:g}."
        )


def check_level(decibels: float, what: str) -> None:
    """FoleyError for a level in dB that is no number or out of reach."""
    low, high = LEVELS
    if not low <= decibels <= high:
        raise FoleyError(f"The {what} must be {low:g} to {high:g} dB, not {decibels:g}.")


def peak_of(samples: torch.Tensor) -> float:
    """Largest absolute value of a sound, NaN where one is; needs no memory of its own."""
    if not samples.numel():
        return 0.0
    low, high = samples.aminmax()
    return float(torch.maximum(-low, high))


def check_samples(samples: torch.Tensor, name: str) -> None:
    """FoleyError for a float sound with values that are no samples."""
    peak = peak_of(samples)
    if not math.isfinite(peak):
        raise FoleyError(f"{name} holds NaN or infinite values: make or export it again.")
    if peak > LOUDEST:
        raise FoleyError(
            f"{name} holds values up to {peak:.2g}, where 1 is full scale: make or export it again."
        )


def check_pixels(width: int, height: int, name: str) -> None:
    """FoleyError for a picture that is too large."""
    if width * height > MOST_PIXELS:
        raise FoleyError(
            f"The picture of {name} has {width} x {height} pixels: more than "
            f"{MOST_PIXELS / 1e6:.0f} million are not read; make it smaller."
        )
    if max(width, height) > MOST_ASPECT * max(1, min(width, height)):
        raise FoleyError(
            f"The picture of {name} has {width} x {height} pixels: cut it to the shape of a video."
        )
