"""Encoders and codecs under ComfyUI's memory management: loaded when used, unloaded when asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.model_management
import comfy.model_patcher
from torch import nn


@dataclass(frozen=True, eq=False)
class Managed:
    """FOLEY_VIDEO_ENCODER, FOLEY_TEXT_ENCODER and FOLEY_CODEC: a row and its module."""

    part: Any
    patcher: Any

    def ready(self, memory: int = 0) -> nn.Module:
        """The module on its device, with `memory` bytes free beside it."""
        comfy.model_management.load_models_gpu([self.patcher], memory_required=memory)
        return self.patcher.model


def managed(part: Any, module: nn.Module) -> Managed:
    """A module in float32 that ComfyUI moves as it needs the room."""
    management = comfy.model_management
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    module.eval().requires_grad_(False)
    return Managed(
        part, patcher(module, management.get_torch_device(), management.unet_offload_device())
    )
