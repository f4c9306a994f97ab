"""What a model is sampled with, as widgets: each model has its own, which are the default."""

from __future__ import annotations

from comfy_api.latest import io

from ..core.catalog import SYSTEMS

OWN = "the model's own"
# Number widgets have no place for words: these stand for the model's own.
OWN_SCALE, OWN_STEPS = -1.0, 0

# The one that a new graph begins with.
FIRST = next(iter(SYSTEMS.values()))
SCALE = FIRST.sampling.scale


def scale_input(name: str, followed: str, default: float = SCALE) -> io.Float.Input:
    """How strictly something is followed; the default suits the first model of the table."""
    return io.Float.Input(
        name,
        default=default,
        min=0.0,
        max=100.0,
        step=0.1,
        tooltip=f"How strictly the take follows {followed}: 0 not at all, 1 freely, {SCALE:g} "
        f"suits {FIRST.name}, 4.5 most published models, above 10 harsh. What a model does not "
        "know it ignores.",
    )


def own_scale_input() -> io.Float.Input:
    """The guidance scale, the model's own by default."""
    return io.Float.Input(
        "cfg",
        default=OWN_SCALE,
        min=OWN_SCALE,
        max=100.0,
        step=0.1,
        tooltip="How strictly the take follows what it is told. -1 is the model's own guidance, as "
        "it was published. A number is plain guidance of that scale: 0 not at all, 1 freely, 4.5 "
        "suits most published models, above 10 harsh.",
    )


def own_steps_input() -> io.Int.Input:
    """The number of steps, the model's own by default."""
    return io.Int.Input(
        "steps",
        default=OWN_STEPS,
        min=OWN_STEPS,
        max=1000,
        tooltip="More steps are finer and slower. 0 is the model's own, as it was published; 10 is "
        "for a look.",
    )
