"""The families of generators: whose checkpoint a file is."""

from __future__ import annotations

from ..weights.families import Family, Shapes
from .base import CheckpointSpec
from .mdsgen_checkpoint import MDSGEN_CHECKPOINT
from .mmaudio_checkpoint import AC_FOLEY_CHECKPOINT, MMAUDIO_CHECKPOINT

CHECKPOINTS: dict[str, CheckpointSpec] = {
    spec.family: spec for spec in (AC_FOLEY_CHECKPOINT, MMAUDIO_CHECKPOINT, MDSGEN_CHECKPOINT)
}


def family_of(shapes: Shapes) -> Family | None:
    """The family of a generator's weights and which size they are, None for any other file."""
    for spec in CHECKPOINTS.values():
        config = spec.recognise(shapes, {})
        if config is not None:
            return Family(spec.family, spec.variant(config))
    return None
