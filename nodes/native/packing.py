"""On a CPU, a network is repacked for the length of a sampling run, as core does it on loading.

The network itself is left as it is: LoRAs, hooks and other nodes see its own weights. What is
packed is a second copy, which goes when the run ends.
"""

from __future__ import annotations

import copy
import itertools

import torch
from comfy.patcher_extension import CallbacksMP

from ...core.generators import Generator
from ...core.generators.packed import can_pack
from ...core.loading import least_packed


def packing(patcher):
    """The MODEL, repacked for each of its runs where that pays; not a copy."""
    patcher.add_callback(CallbacksMP.ON_PRE_RUN, _pack)
    patcher.add_callback(CallbacksMP.ON_CLEANUP, _unpack)
    return patcher


def _pack(patcher) -> None:
    model = patcher.model
    network, pack = model.diffusion_model, model.row.generator.checkpoint.pack
    if pack is not None and _packable(patcher, network, model.compute_dtype):
        model.packed = (network, pack(_sharing(network)))


def _unpack(patcher) -> None:
    patcher.model.packed = None


def _packable(patcher, network: Generator, dtype: torch.dtype) -> bool:
    """Whether nothing would change the weights during the run, or stand between them and it."""
    if not isinstance(network, Generator) or not can_pack(dtype, patcher.load_device):
        return False
    if patcher.hook_patches or patcher.forced_hooks:
        return False
    if any(key.startswith("diffusion_model.") for key in patcher.object_patches):
        return False
    weights = list(network.parameters())
    layers = [layer for layer in network.modules() if hasattr(layer, "weight_function")]
    return (
        sum(value.numel() for value in weights) >= least_packed(patcher.model.row.generator)
        and all(value.device.type == "cpu" for value in weights)
        and all(value.dtype == dtype for value in weights if value.ndim > 1 and value.numel() > 1e5)
        and not any(layer.weight_function or layer.bias_function for layer in layers)
    )


def _sharing(network: Generator) -> Generator:
    """Modules of its own over the same tensors."""
    tensors = itertools.chain(network.parameters(), network.buffers())
    return copy.deepcopy(network, {id(value): value for value in tensors})
