"""Encoders and codecs under ComfyUI's memory management: loaded when used, unloaded when asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
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
    """FOLEY_VIDEO_ENCODER, FOLEY_TEXT_ENCODER and FOLEY_CODEC: a row and its module, which is a
    store of parts as those of core are (`core.stores.Store`)."""

    part: Any
    patcher: Any

    def ready(self, seconds: float = 0.0) -> nn.Module:
        """The module on its device, with room beside it for `seconds` of sound."""
        room = int(seconds * _BYTES_A_SECOND)
        comfy.model_management.load_models_gpu([self.patcher], memory_required=room)
        return self.patcher.model

    @contextlib.contextmanager
    def using(self, role: str) -> Iterator[nn.Module]:
        """The module, or of several the one of a role, on its device."""
        yield _of_role(self.ready(), role)

    def weights(self, role: str) -> str:
        """A name for a part's weights."""
        return fingerprint(_of_role(self.patcher.model, role))

    @property
    def device(self) -> torch.device:
        """Where the module is once it is ready."""
        return self.patcher.load_device


def _of_role(module: nn.Module, role: str) -> nn.Module:
    return module[role] if isinstance(module, nn.ModuleDict) else module


def managed(part: Any, module: nn.Module) -> Managed:
    """A module that ComfyUI moves as it needs the room."""
    management = comfy.model_management
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    module.eval().requires_grad_(False)
    device = management.get_torch_device()
    wait_briefly(device)
    return Managed(part, patcher(module, device, management.unet_offload_device()))
