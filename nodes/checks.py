"""What comes over wires is checked where a node runs: they may bring what no widget allows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..core.errors import FoleyError
from .values import EncodedFeatures

_MOST_LETTERS = 100_000


def checked(execute: Callable[..., io.NodeOutput]) -> Callable[..., io.NodeOutput]:
    """A node's `execute` behind the types of its inputs, the limits of its widgets and its own
    `validate_inputs`."""

    @functools.wraps(execute)
    def run(cls, **given: Any) -> io.NodeOutput:
        if cls.__name__ not in _INPUTS:
            _INPUTS[cls.__name__] = cls.inputs()
        for box in _INPUTS[cls.__name__]:
            if given.get(box.id) is not None:
                given[box.id] = _fitting(box, given[box.id])
        own = inspect.signature(cls.validate_inputs).parameters
        known = {name: value for name, value in given.items() if name in own}
        problem = cls.validate_inputs(**known) if known else True
        if problem is not True:
            raise FoleyError(str(problem))
        return execute(cls, **given)

    return run


# Inputs by the name of their node: they keep types and limits as long as ComfyUI runs, which makes
# a new class for each run.
_INPUTS: dict[str, list[io.Input]] = {}


def _fitting(box: io.Input, value: Any) -> Any:
    """A value as its widget would have it; FoleyError for one that it could not have."""
    if isinstance(box, (io.Int.Input, io.Float.Input)):
        return _number(box, value)
    kinds = box.get_io_type().split(",")
    if not any(_TYPES.get(kind, _anything)(value) for kind in kinds):
        wanted = " or ".join(_NAMES.get(kind, kind) for kind in kinds)
        raise FoleyError(f"{box.id} must be {wanted}, not {_shown(value)}.")
    if isinstance(value, str) and len(value) > _MOST_LETTERS:
        raise FoleyError(f"{box.id} has {len(value):,} letters: {_MOST_LETTERS:,} are the most.")
    return value


def _number(box: io.Input, value: Any) -> int | float:
    whole = isinstance(box, io.Int.Input)
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not plain or not box.min <= value <= box.max:  # which NaN is not
        raise FoleyError(
            f"{box.id} must be a {'whole ' if whole else ''}number from {box.min:g} to "
            f"{box.max:g}, not {_shown(value)}."
        )
    if whole and value != int(value):
        raise FoleyError(f"{box.id} must be a whole number, not {value:g}.")
    return int(value) if whole else float(value)


def _anything(value: Any) -> bool:
    return True


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _part(value: Any) -> bool:
    """Whether it is a row and its modules (`native.managed.Managed`)."""
    return hasattr(value, "part") and hasattr(value, "ready")


# By ComfyUI's name of a type; what is not here is checked where it is used.
_TYPES: dict[str, Callable[[Any], bool]] = {
    "BOOLEAN": _is(bool),
    "STRING": _is(str),
    "COMBO": _is(str),
    "AUDIO": _is(Mapping),
    "IMAGE": _is(Tensor),
    "MASK": _is(Tensor),
    "VIDEO": lambda value: hasattr(value, "get_components"),
    "LATENT": lambda value: isinstance(value, Mapping) and _is(Tensor)(value.get("samples")),
    "CONDITIONING": _is(list),
    "NOISE": lambda value: hasattr(value, "generate_noise") and hasattr(value, "seed"),
    "FOLEY_FEATURES": _is(EncodedFeatures),
    "FOLEY_VIDEO_ENCODER": _part,
    "FOLEY_TEXT_ENCODER": _part,
    "FOLEY_CODEC": _part,
}
_NAMES = {"BOOLEAN": "on or off", "STRING": "a text", "COMBO": "one of its list"}


def _shown(value: Any) -> str:
    """A short word for what came over a wire."""
    plain = isinstance(value, (str, float)) or isinstance(value, int) and abs(value) < 1 << 100
    return repr(value)[:40] if plain else f"a {type(value).__name__}"
