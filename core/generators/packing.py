"""Which way a network is repacked for prediction on a CPU."""

from __future__ import annotations

from torch import nn

from . import mdsgen_packed, packed
from .mdsgen import MDSGen


def pack_network(network: nn.Module) -> nn.Module:
    """A network of any family packed, in place; returns it. Ask `packed.can_pack` first."""
    return mdsgen_packed.pack(network) if isinstance(network, MDSGen) else packed.pack(network)
