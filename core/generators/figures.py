"""What shapes cannot say of a network: figures in a file's metadata, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import FoleyError

KEY = "figures"


Known = Mapping[str, type | tuple[type, ...]]


def write_figures(config: Any, known: Known, key: str = KEY) -> dict[str, str]:
    """What a file's metadata has to say of its network."""
    return {key: json.dumps({name: getattr(config, name) for name in known})}


def read_figures(
    about: Mapping[str, str], known: Known, title: str, key: str = KEY
) -> dict[str, Any]:
    """What the metadata says of a network; FoleyError for what it cannot mean."""
    try:
        figures = json.loads(about.get(key, "{}"))
    except ValueError:
        figures = None
    right = isinstance(figures, dict) and all(
        name in known and isinstance(value, known[name]) for name, value in figures.items()
    )
    if not right:
        raise FoleyError(
            f"The weights of {title} have figures in their metadata that cannot be read: "
            f"{', '.join(known)} are known. Write the file again with foleystage train."
        )
    return figures
