"""The network of a weights file, for tests that need no more than that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foleystage.core.generators import CheckpointSpec, Generator
from foleystage.core.parts import read_checkpoint, recognised
from foleystage.core.weights.fill import fill


def network_of(checkpoint: CheckpointSpec, path: Path, **made: Any) -> Generator:
    """It, ready for inference, in the types of the file."""
    network = checkpoint.build(recognised(checkpoint, path), device="meta", **made)
    return fill(network, read_checkpoint(checkpoint, path), path)
