"""The network that FoleyGenEx's training begins with: from scratch, or MMAudio's weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from ..catalog import SystemSpec, system_of_file
from ..errors import FoleyError
from ..generators.foleygenex import FoleyGenEx, FoleyGenExConfig
from ..parts import read_checkpoint
from ..weights.fill import fill
from ..weights.store import locate

Nulls = Literal["", "zeros", "learned"]
_FAMILIES = ("mmaudio", "foleygenex")


def read_base(name: str) -> tuple[SystemSpec, Path]:
    """The row and the file of weights to begin with: a name of the registry, or a path.

    Raises:
        FoleyError: no such weights here, or they are neither MMAudio's nor FoleyGenEx's.
    """
    path = Path(name) if Path(name).suffix else locate(name)
    row = system_of_file(path)
    if row.generator.checkpoint.family not in _FAMILIES:
        raise FoleyError(
            f"{path.name} is a network of {row.generator.checkpoint.title}; FoleyGenEx begins with "
            "MMAudio's weights, its own, or none."
        )
    return row, path


def base_config(row: SystemSpec, nulls: Nulls) -> FoleyGenExConfig:
    """Of the network that a base's becomes. nulls: "" keeps what the base has, which is learned
    ones where it is MMAudio's."""
    own: Any = row.config
    if isinstance(own, FoleyGenExConfig):
        return replace(own, nulls=nulls or own.nulls)
    return FoleyGenExConfig.of(own, nulls=nulls or "learned")


def begin(config: FoleyGenExConfig, base: tuple[SystemSpec, Path] | None, seed: int) -> FoleyGenEx:
    """The network to train, in float32; with MMAudio's weights it is MMAudio, bit for bit."""
    network = FoleyGenEx(config, rng=torch.Generator().manual_seed(seed))
    if base is None:
        return network
    row, path = base
    network.input_embed.pass_through()
    stored = read_checkpoint(row.generator.checkpoint, path, dtype=torch.float32)
    own = {f"input_embed.{k}": v for k, v in network.input_embed.state_dict().items()}
    # What is mapped from a file would change under training.
    copied = {key: value.clone() for key, value in {**own, **stored}.items()}
    network = fill(network, copied, path).train().requires_grad_(True)
    # The text of no words: an encoder's, not the network's own.
    network.empty_string_feat.requires_grad_(False)
    return network
