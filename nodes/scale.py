"""The guidance scale as a widget: each model has one that suits it."""

from __future__ import annotations

from comfy_api.latest import io

from .parts import GENERATORS

SCALE = next(iter(GENERATORS.values())).guidance
_SUITABLE = ", ".join(f"{part.guidance:g} suits {part.name}" for part in GENERATORS.values())


def scale_input(name: str, followed: str) -> io.Float.Input:
    """How strictly something is followed; the default suits the first model of the table."""
    return io.Float.Input(
        name,
        default=SCALE,
        min=0.0,
        max=100.0,
        step=0.1,
        tooltip=f"How strictly the take follows {followed}: 0 not at all, 1 freely, {_SUITABLE}, "
        "4.5 as published, above 10 harsh. What a model does not know it ignores.",
    )
