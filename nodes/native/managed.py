"""Encoders and codecs under ComfyUI's memory management: loaded when used, unloaded when asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import comfy.model_patcher
import torch
from torch import nn

from ...core.encoders.cache import fingerprint
from ...core.threads import wait_briefly

# Codecs work in tiles; from 8 s to 32 s of sound the largest grows by 10 MB a second.
_BYTES_A_SECOND = 16e6


@dataclass(frozen=True, eq=False)
class Managed:
    """FOLEY_VIDEO_ENCODER, FOLEY_TEXT_ENCODER and FOLEY_CODEC: a row and its modules, which are a
    store of parts as those of core are (`core.stores.Store`)."""

    part: Any
    patcher: Any

    def ready(self, role: str, seconds: float = 0.0) -> nn.Module:
        """The module of a role on its device, with room beside it for `seconds` of sound."""
        room = int(seconds * _BYTES_A_SECOND)
        comfy.model_management.load_models_gpu([self.patcher], memory_required=room)
        return self.patcher.model[role]

    @contextlib.contextmanager
    def using(self, role: str) -> Iterator[nn.Module]:
        """The module of a role, on its device."""
        yield self.ready(role)

    def keeping(self) -> contextlib.AbstractContextManager[None]:
        """ComfyUI keeps them."""
        return contextlib.nullcontext()

    def weights(self, role: str) -> str:
        """A name for a part's weights."""
        return fingerprint(self.patcher.model[role])

    @property
    def device(self) -> torch.device:
        """Where the modules are once they are ready."""
        return self.patcher.load_device


def managed(part: Any, modules: Mapping[str, nn.Module]) -> Managed:
    """Modules, by role, that ComfyUI moves as it needs the room."""
    management = comfy.model_management
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    # In a module of their own: ComfyUI gives what it manages a `device`, an encoder has its own.
    module = nn.ModuleDict(modules).eval().requires_grad_(False)
    device = management.get_torch_device()
    wait_briefly(device)
    return Managed(part, patcher(module, device, management.unet_offload_device()))
