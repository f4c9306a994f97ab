"""Inputs that come up in several nodes; what a model has of its own is the default."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from comfy_api.latest import io

from ..core.catalog import SYSTEMS
from .common import Codec

HOUR, DAY = 3600.0, 86400.0
OWN = "the model's own"
# Number widgets have no place for words: these stand for the model's own.
OWN_SCALE, OWN_STEPS = -1.0, 0
# The one that a new graph begins with.
FIRST = next(iter(SYSTEMS.values()))
SCALE = FIRST.sampling.scale


def choice(name: str, options: Iterable[str], tooltip: str, **other: Any):
    """A list, of which the first is the default."""
    options = list(options)
    return io.Combo.Input(name, options=options, default=options[0], tooltip=tooltip, **other)


def number(name: str, default: float, tooltip: str, **other: Any):
    """A number from 0 to 1 in hundredths, unless `min`, `max` or `step` say otherwise."""
    limits = {"min": 0.0, "max": 1.0, "step": 0.01}
    return io.Float.Input(name, default=default, tooltip=tooltip, **{**limits, **other})


def seconds(name: str, tooltip: str, *, default: float = 0.0, **other: Any):
    """A time or a length in seconds, at most a day."""
    return number(name, default, tooltip, **{"max": DAY, **other})


def count(name: str, tooltip: str, **other: Any):
    """How many of something, or which one of them."""
    return io.Int.Input(name, default=1, min=1, max=64, tooltip=tooltip, **other)


def loudness(default: float, tooltip: str):
    """In LUFS."""
    return number("loudness", default, tooltip, min=-60.0, max=-5.0, step=0.5)


def seed():
    """The seed of the noise."""
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=2**63 - 1,
        control_after_generate=True,
        tooltip="Number of the take: the same seed and settings give the same sound, another seed "
        "another one.",
    )


def picture(tooltip: str, **other: Any):
    """A socket for a VIDEO, or for an IMAGE batch with its frame rate beside it."""
    return io.MultiType.Input("video", types=[io.Video, io.Image], tooltip=tooltip, **other)


def fps(**other: Any):
    """The frame rate of an IMAGE batch."""
    return number(
        "fps",
        25.0,
        "Frames a second of an IMAGE batch, as the node that made it says (8 to 30 are usual). A "
        "VIDEO brings its own and ignores this.",
        max=1000.0,
        **other,
    )


def codec():
    """The codec of the model."""
    return Codec.Input("codec", tooltip="The codec that the model was trained with.")


def model_and(*sides: str) -> list:
    """The MODEL, and these sides of its conditioning."""
    return [
        io.Model.Input("model", tooltip="From Load Foley Model."),
        *(io.Conditioning.Input(s, tooltip=f"{s} of Foley Conditioning.") for s in sides),
    ]


def scale(name: str, followed: str, default: float, **other: Any):
    """How strictly something is followed."""
    return number(
        name,
        default,
        f"How strictly the take follows {followed}: 0 not at all, 1 freely, {SCALE:g} suits "
        f"{FIRST.name}, 4.5 most published models, above 10 harsh. What a model does not know it "
        "ignores.",
        max=100.0,
        step=0.1,
        **other,
    )


def own_scale():
    """The guidance scale, the model's own by default."""
    return number(
        "cfg",
        OWN_SCALE,
        "How strictly the take follows what it is told. -1 is the model's own guidance, as it was "
        "published. A number is plain guidance of that scale: 0 not at all, 1 freely, 4.5 suits "
        "most published models, above 10 harsh.",
        min=OWN_SCALE,
        max=100.0,
        step=0.1,
    )


def own_steps():
    """The number of steps, the model's own by default."""
    return io.Int.Input(
        "steps",
        default=OWN_STEPS,
        min=OWN_STEPS,
        max=1000,
        tooltip="More steps are finer and slower. 0 is the model's own, as it was published; 10 "
        "is for a look.",
    )
