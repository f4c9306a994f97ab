"""The guidance scale as a widget: each model has one that suits it."""

from __future__ import annotations

from comfy_api.latest import io

from .parts import GENERATORS

_FIRST = next(iter(GENERATORS.values()))
SCALE = _FIRST.guidance


def scale_input(name: str, followed: str, default: float = SCALE) -> io.Float.Input:
    """How strictly something is followed; the default suits the first model of the table."""
    return io.Float.Input(
        name,
        default=default,
        min=0.0,
        max=100.0,
        step=0.1,
        tooltip=f"How strictly the take follows {followed}: 0 not at all, 1 freely, {SCALE:g} "
        f"suits {_FIRST.name}, 4.5 most published models, above 10 harsh. What a model does not "
        "know it ignores.",
    )
