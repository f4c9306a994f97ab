"""What shapes cannot say of a network: figures in a file's metadata, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import FoleyError
from ..weights.schema import Unfit, fitted, parse_json

KEY = "figures"
Known = Mapping[str, Any]


def write_figures(config: Any, known: Known, key: str = KEY) -> dict[str, str]:
    """What a file's metadata has to say of its network."""
    return {key: json.dumps({name: getattr(config, name) for name in known})}


def read_figures(
    about: Mapping[str, str], known: Known, title: str, key: str = KEY
) -> dict[str, Any]:
    """What the metadata says of a network, by a schema (see `weights.schema`); FoleyError for what
    it cannot mean."""
    try:
        return fitted(parse_json(about.get(key, "{}")), known)
    except Unfit as error:
        raise unfit(title, str(error)) from error


def check_heads(title: str, width: int, heads: int) -> None:
    """FoleyError for heads that a network of a width cannot have."""
    if width % heads:
        raise unfit(title, f"{heads} heads do not share a width of {width}")


def unfit(title: str, why: str) -> FoleyError:
    """What the metadata says that the file's network cannot be."""
    return FoleyError(
        f"The weights of {title} have figures in their metadata that cannot be read: {why}. "
        "Write the file again with foleystage train."
    )
