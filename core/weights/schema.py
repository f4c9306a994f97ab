"""What comes in as text (metadata, recipes, records) is JSON of bounded size, and fits a schema.

A schema is a mapping of names to types, as the annotations of a dataclass are: int, float, bool,
str, Literal, tuple, Mapping, `X | None`, and Annotated with bounds, such as `Count`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

LONGEST = 1 << 20
_LONGEST_TEXT = 4096
_SHOWN = 40

T = TypeVar("T")


class Unfit(ValueError):
    """What is wrong, as the end of a sentence."""


@dataclass(frozen=True)
class Within:
    """Bounds of a number, both allowed."""

    least: float
    most: float


Count = Annotated[int, Within(1, 1 << 40)]
Seconds = Annotated[float, Within(0.01, 86400)]
Share = Annotated[float, Within(0, 1)]
Natural = Annotated[int, Within(0, 1 << 53)]
# Of one network: more of them than any has.
Size = Annotated[int, Within(1, 1 << 16)]
Depth = Annotated[int, Within(1, 256)]
Hertz = Annotated[int, Within(1, 1 << 20)]
_ANY_INT, _ANY_FLOAT = Within(-(1 << 53), 1 << 53), Within(-1e30, 1e30)


def parse_json(text: str | bytes, longest: int = LONGEST) -> Any:
    """The value of JSON text. Raises Unfit for what is longer than 1 MB, nested too deeply, holds
    NaN or is no JSON."""
    if len(text) > longest:
        raise Unfit(f"it is longer than {longest >> 20} MB")
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise Unfit("it is nested too deeply") from None
    except Unfit:
        raise
    except ValueError:
        raise Unfit("it is no JSON") from None


def read_json(path: Path, longest: int = LONGEST) -> Any:
    """As `parse_json`, of a file. Raises Unfit; OSError where it cannot be read."""
    if not path.is_file() and path.exists():
        raise Unfit("it is no file")
    with path.open("rb") as file:
        return parse_json(file.read(longest + 1), longest)


def fitted(values: object, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name as a schema has them, lists as tuples. Raises Unfit for anything else."""
    if not isinstance(values, Mapping):
        raise Unfit(f"it must be an object with names and values, not {_shown(values)}")
    for name in values:
        if name not in schema:
            raise Unfit(f"{_shown(name)} is not known; known are {', '.join(schema)}")
    return {name: _fitted(value, schema[name], name) for name, value in values.items()}


def fitted_to(kind: type[T], values: object) -> T:
    """A dataclass of values by name. Raises Unfit; FoleyError where it refuses them itself."""
    schema = typing.get_type_hints(kind, include_extras=True)
    own = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    found = fitted(values, {name: schema[name] for name in own})
    missing = dataclasses.MISSING
    for name, field in own.items():
        if name not in found and field.default is missing and field.default_factory is missing:
            raise Unfit(f"'{name}' is missing")
    return kind(**found)


def _refuse(constant: str) -> None:
    raise Unfit(f"{constant} is no number")


def _shown(value: object) -> str:
    text = json.dumps(value) if isinstance(value, (str, int, float)) else type(value).__name__
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _fitted(value: Any, wanted: Any, name: str) -> Any:
    """The value as the wanted type has it."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted is Any or (origin is not None and _is_mapping(origin) and isinstance(value, Mapping)):
        return value
    if origin is Annotated:
        return _number(value, arguments[0], arguments[1], name)
    if wanted in (int, float):
        return _number(value, wanted, _ANY_INT if wanted is int else _ANY_FLOAT, name)
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted is str and isinstance(value, str) and len(value) <= _LONGEST_TEXT:
        return value
    if origin is Literal and value in arguments and isinstance(value, str):
        return value
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, arguments, name)
    if origin is tuple and isinstance(value, str):
        value = [value]  # one text is a list of one
    if origin is tuple and isinstance(value, (list, tuple)):
        return _several(value, arguments, name)
    if wanted is type(None) and value is None:
        return value
    raise Unfit(f"'{name}' must be {_described(wanted)}, not {_shown(value)}")


def _number(value: Any, kind: type, within: Within, name: str) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    right = whole or (kind is float and isinstance(value, float) and math.isfinite(value))
    if not right or not within.least <= value <= within.most:
        wanted = _described(Annotated[kind, within])  # type: ignore[valid-type]
        raise Unfit(f"'{name}' must be {wanted}, not {_shown(value)}")
    return value


def _one_of(value: Any, kinds: tuple[Any, ...], name: str) -> Any:
    for kind in kinds:
        try:
            return _fitted(value, kind, name)
        except Unfit as error:
            last = error
    raise last


def _several(values: Any, kinds: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = kinds[:1] * len(values)
    if len(values) != len(kinds):
        raise Unfit(f"'{name}' must be a list of {len(kinds)}, not of {len(values)}")
    return tuple(_fitted(value, kind, name) for value, kind in zip(values, kinds))


def _is_mapping(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _described(wanted: Any) -> str:
    """A type in words."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if origin is Annotated:
        return f"{words[arguments[0]]} from {arguments[1].least} to {arguments[1].most}"
    if origin is Literal:
        return "one of " + ", ".join(map(repr, arguments))
    return words.get(wanted, "a list" if origin is tuple else "an object")
