"""Checkpoints of FoleyGenEx: shapes say the network, the file's metadata what shapes cannot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import FoleyError
from ..weights.families import Shapes
from .base import CheckpointSpec
from .foleygenex import SAID, FoleyGenEx, FoleyGenExConfig
from .mmaudio_checkpoint import SHARED, plain
from .mmaudio_checkpoint import recognise as recognise_base

_OWN = ("input_embed.", "place_cond.")
# Figures that a file's metadata holds as JSON under this name.
FIGURES = "figures"
_KINDS: Mapping[str, type] = {"sample_rate": int, "samples_per_latent": int}
RECORDED = ("nulls", "order", "codec", "sample_rate", "samples_per_latent")


def recognise(shapes: Shapes, about: Mapping[str, str]) -> FoleyGenExConfig | None:
    """The config of a file's network, None for any other file."""
    shapes = {plain(key): shape for key, shape in shapes.items()}
    base = {key: shape for key, shape in shapes.items() if not key.startswith(_OWN)}
    weight = shapes.get("input_embed.conv_pos_embed.conv1d.0.weight")
    config = recognise_base(base, about, reference=False)
    if config is None or weight is None:
        return None
    own = {
        "most_groups": weight[0] // weight[1],
        "places": shapes.get("place_cond.in_proj.weight", (0,))[0] // SAID,
    }
    return FoleyGenExConfig.of(config, **own, **_figures(about))


def _figures(about: Mapping[str, str]) -> dict[str, Any]:
    """What the metadata says of the network; FoleyError for what it cannot mean."""
    try:
        figures = json.loads(about.get(FIGURES, "{}"))
    except ValueError:
        figures = None
    right = isinstance(figures, dict) and all(
        name in RECORDED and isinstance(value, _KINDS.get(name, str))
        for name, value in figures.items()
    )
    if not right:
        raise FoleyError(
            "The weights of FoleyGenEx have figures in their metadata that cannot be read: "
            f"{', '.join(RECORDED)} are known. Write the file again with foleystage train."
        )
    return figures


def record(config: FoleyGenExConfig) -> dict[str, str]:
    """What a file's metadata has to say of its network."""
    return {FIGURES: json.dumps({name: getattr(config, name) for name in RECORDED})}


FOLEYGENEX_CHECKPOINT = CheckpointSpec("foleygenex", "FoleyGenEx", recognise, FoleyGenEx, **SHARED)
