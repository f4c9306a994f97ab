"""A bridge to the picture in ComfyUI's own Stable Audio MODEL, which is sampled, patched and
offloaded as before.

Every block of that network has an unused place between its attention to the text and its
feed-forward, `conformer`, whose result is added; there the bridge's blocks are called.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.patcher_extension
import torch
from torch import Tensor, nn

from ...core.errors import FoleyError
from ...core.generators.bridge import Bridge, BridgeConfig
from ...core.generators.stable_audio_checkpoint import (
    BRIDGE,
    FOLEY_CONTROL_CHECKPOINT,
    check_fit,
)
from ...core.parts import Part, read_checkpoint, recognised
from ...core.threads import wait_briefly
from ...core.weights.fill import fill
from .backbone import backbone_config, is_backbone
from .model import FoleyModel

KEY = "foley_bridge"
_DTYPES = [torch.bfloat16, torch.float16, torch.float32]
_PLACE = "conformer"
_NEGATIVE = 1


@dataclass(frozen=True, eq=False)
class LoadedBridge:
    """FOLEY_BRIDGE: a bridge that ComfyUI moves as it needs the room."""

    part: Part
    patcher: Any

    @property
    def config(self) -> BridgeConfig:
        """Of its network."""
        return self.patcher.model.config


def load_bridge(part: Part, path: Path, disable_dynamic: bool = False) -> LoadedBridge:
    """The bridge of a weights file, not yet on its device.

    Raises:
        FoleyError: the file cannot be read, or holds no bridge.
    """
    found = recognised(FOLEY_CONTROL_CHECKPOINT, path)
    if found is None:
        raise FoleyError(f"{path.name} holds no bridge: choose the file of one.")
    config = found.bridge
    device = comfy.model_management.get_torch_device()
    offload = comfy.model_management.unet_offload_device()
    wait_briefly(device)
    with torch.device("meta"):
        twin = Bridge(config)
    count = sum(value.numel() for value in twin.parameters())
    dtype = comfy.model_management.unet_dtype(
        device=device, model_params=count, supported_dtypes=_DTYPES
    )
    bridge = Bridge(config, operations=comfy.ops.manual_cast, dtype=dtype, device=offload)
    tensors = read_checkpoint(FOLEY_CONTROL_CHECKPOINT, path)
    own = {k.removeprefix(BRIDGE): v for k, v in tensors.items() if k.startswith(BRIDGE)}
    fill(bridge, own, path, twin=twin.to(dtype))
    patcher = comfy.model_patcher.ModelPatcher
    if not disable_dynamic:
        patcher = getattr(comfy.model_patcher, "CoreModelPatcher", patcher)
    made = patcher(bridge, device, offload)
    made.cached_patcher_init = (_load_patcher, (part, path))
    return LoadedBridge(part, made)


def _load_patcher(part: Part, path: Path, disable_dynamic: bool = False):
    """As ComfyUI makes another one of its own, for a second GPU."""
    return load_bridge(part, path, disable_dynamic).patcher


@dataclass(frozen=True)
class Strength:
    """How much of a bridge is added, and when. start, end: shares of the sampling. guided: without
    the picture on the negative side, so that guidance leads towards it."""

    amount: float = 1.0
    start: float = 0.0
    end: float = 1.0
    guided: bool = False

    def check(self) -> None:
        """FoleyError for figures that make no sense."""
        if not math.isfinite(self.amount):
            raise FoleyError(f"The strength is {self.amount}: set it to a number, such as 1.")
        if not self.start < self.end:
            raise FoleyError(
                f"The bridge would work from {self.start:g} to {self.end:g} of the sampling, which "
                "is never: let start_percent be less than end_percent."
            )

    def counts(self, sampling: Any, sigma: Tensor) -> bool:
        """Whether it works at sigmas [B] of a step."""
        if not self.amount:
            return False
        if (self.start, self.end) == (0.0, 1.0):
            return True
        first, last = map(sampling.percent_to_sigma, (self.start, self.end))
        return float(first) >= float(sigma.max()) > float(last)


@dataclass(frozen=True)
class _Call:
    """A running call of the model: the rows of its batch that see the picture, None for all, and
    those that see a picture of nothing."""

    rows: Tensor | None = None
    blank: Tensor | None = None


class BridgeRun:
    """What the places of a network share. video: `[1, M, video_dim]`; rate: of latents, in Hz."""

    def __init__(self, bridge: Bridge, video: Tensor, rate: float, strength: Strength) -> None:
        self.bridge, self.video, self.rate, self.strength = bridge, video, rate, strength
        self._here = threading.local()
        self._kept: dict[tuple, Any] = {}

    def wrap(
        self,
        executor,
        x,
        t,
        c_concat=None,
        c_crossattn=None,
        control=None,
        transformer_options: Mapping[str, Any] = {},  # noqa: B006 - as what it wraps has it
        **conds,
    ) -> Tensor:
        """Around ComfyUI's `apply_model`: the places know of the running call."""
        counts = self.strength.counts(executor.class_obj.model_sampling, t)
        self._here.call = self._call_of(x, transformer_options) if counts else None
        try:
            return executor(x, t, c_concat, c_crossattn, control, transformer_options, **conds)
        finally:
            self._here.call = None

    def _call_of(self, x: Tensor, options: Mapping[str, Any]) -> _Call | None:
        sides = options.get("cond_or_uncond") or [0]
        if not self.strength.guided or _NEGATIVE not in sides:
            return _Call()
        negative = torch.tensor(sides).repeat_interleave(len(x) // len(sides)) == _NEGATIVE
        seen = (~negative).nonzero()[:, 0].to(x.device)
        zeros = self.bridge.config.null_video == "zeros"
        return _Call(seen, negative.nonzero()[:, 0].to(x.device) if zeros else None)

    def added(self, index: int, x: Tensor) -> Tensor | float:
        """What a block adds to x `[B, 1 + L, D]`, whose first token is no latent."""
        call = getattr(self._here, "call", None)
        if call is None:
            return 0.0
        if call.rows is None:
            return self._attended(index, x, self._picture(x))
        out = torch.zeros_like(x)
        if len(call.rows):
            seen = self._attended(index, x[call.rows], self._picture(x))
            out = out.index_copy(0, call.rows, seen)
        if call.blank is not None:
            blank = self._attended(index, x[call.blank], self._picture(x, blank=True))
            out = out.index_copy(0, call.blank, blank)
        return out

    def _attended(self, index: int, x: Tensor, picture: tuple[Tensor, Tensor]) -> Tensor:
        keys, values = (each[:, index].expand(len(x), -1, -1, -1) for each in picture)
        made = self.bridge.blocks[index](x, keys, values, self._table(x))
        return made if self.strength.amount == 1 else made * self.strength.amount

    def _picture(self, x: Tensor, *, blank: bool = False) -> tuple[Tensor, Tensor]:
        """Keys and values of all blocks, made once a run."""
        key = (x.device, x.dtype, blank)
        if key not in self._kept:
            video = torch.zeros_like(self.video) if blank else self.video
            self._kept[key] = self.bridge.keys_and_values(video.to(x), self.rate)
        return self._kept[key]

    def _table(self, x: Tensor) -> Tensor | None:
        key = (x.device, x.shape[1])
        if key not in self._kept:
            self._kept[key] = self.bridge.table(x.shape[1] - 1, x.device)
        return self._kept[key]

    def forget(self, *_) -> None:
        """Lets go what was kept for a run."""
        self._kept.clear()


class BridgeSlot(nn.Module):
    """In the place of a block. It has no weights: those are the bridge's, a model of its own."""

    def __init__(self, index: int, run: BridgeRun) -> None:
        super().__init__()
        self.index, self.run = index, run

    def forward(self, x: Tensor) -> Tensor | float:
        return self.run.added(self.index, x)


def with_bridge(model, bridge: LoadedBridge, video: Tensor, strength: Strength):
    """A copy of ComfyUI's Stable Audio MODEL that follows a picture. video: `[1, M, video_dim]`.

    Raises:
        FoleyError: another MODEL, one that the bridge was not trained on, a picture that it does
            not know, or figures that make no sense.
    """
    strength.check()
    _check_model(model)
    config = backbone_config(model)
    check_fit(bridge.config, config.embed_dim, config.depth)
    module = bridge.patcher.model
    module.check(video)
    run = BridgeRun(module, video, config.latent.rate, strength)
    made = model.clone()
    for index in range(config.depth):
        made.add_object_patch(_name(index), BridgeSlot(index, run))
    kinds = comfy.patcher_extension
    made.add_wrapper_with_key(kinds.WrappersMP.APPLY_MODEL, KEY, run.wrap)
    made.add_callback_with_key(kinds.CallbacksMP.ON_CLEANUP, KEY, run.forget)
    made.set_additional_models(KEY, [bridge.patcher])
    return made


def _name(index: int) -> str:
    return f"diffusion_model.transformer.layers.{index}.{_PLACE}"


def _check_model(model) -> None:
    if isinstance(getattr(model, "model", None), FoleyModel):
        raise FoleyError(
            "This MODEL is of Load Foley Model, where Foley Control has its bridge inside already: "
            "connect the one of Load Foley Backbone, or ComfyUI's own Stable Audio."
        )
    if not is_backbone(model):
        raise FoleyError(
            "This MODEL is not Stable Audio, which the bridge was trained on: connect the one of "
            "Load Foley Backbone, or of Load Checkpoint with Stable Audio Open."
        )
    if model.additional_models.get(KEY):
        raise FoleyError(
            "This MODEL has a bridge already: connect the one from before that Apply Foley Control."
        )
    layers = model.model.diffusion_model.transformer.layers
    if not _can_wrap() or not _has_place(type(layers[0])):
        raise FoleyError(
            "This ComfyUI's Stable Audio has no place for a bridge: use Load Foley Model with "
            "foley_control, or another version of ComfyUI."
        )
    if any(model.get_model_object(_name(index)) is not None for index in range(len(layers))):
        raise FoleyError(
            "Another node has filled the place of the bridge in this MODEL: connect the one from "
            "before it."
        )


def _can_wrap() -> bool:
    kinds = comfy.patcher_extension
    return hasattr(kinds.WrappersMP, "APPLY_MODEL") and hasattr(kinds.CallbacksMP, "ON_CLEANUP")


class _Probe(nn.Module):
    """Notes what it is given, and adds 1."""

    def __init__(self, name: str, seen: list) -> None:
        super().__init__()
        self.name, self.seen = name, seen

    def forward(self, x: Tensor, *_, **__) -> Tensor:
        self.seen.append((self.name, float(x.flatten()[0])))
        return torch.ones_like(x)


@functools.cache
def _has_place(kind: type[nn.Module]) -> bool:
    """Whether blocks of a kind call what is in the place between their attention to the text and
    their feed-forward, and add it."""
    order = ("self_attn", "cross_attn", _PLACE, "ff")
    seen: list = []
    try:
        block = kind(64, cross_attend=True, dim_context=64, operations=nn)
        if getattr(block, _PLACE) is not None:
            return False
        for name in ("pre_norm", "cross_attend_norm", "ff_norm"):
            setattr(block, name, nn.Identity())
        for name in order:
            setattr(block, name, _Probe(name, seen))
        x = torch.zeros(1, 2, 64)
        out = block(x, context=x)
    except (AttributeError, TypeError, RuntimeError):
        return False
    steps = [(name, float(index)) for index, name in enumerate(order)]
    return seen == steps and bool((out == len(order)).all())
