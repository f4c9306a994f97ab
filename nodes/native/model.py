"""A generator as ComfyUI's MODEL: sampled, cast, patched, offloaded and unloaded like any other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models_base
import torch
from torch import Tensor

from ...core.catalog import SystemSpec
from ...core.errors import FoleyError
from ...core.generators import Generator
from ...core.generators.packed import can_pack
from ...core.parts import read_checkpoint
from ...core.sampling.windows import blend
from ...core.threads import wait_briefly
from ...core.weights.fill import fill
from ..values import entry_of
from .kinds import kind_of
from .known import VELOCITY
from .packing import packing
from .rescale import rescaling
from .terms import PreparedTermCond, prepare
from .tokens import require_token_sampler

DTYPES = {
    "default": None,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
}


class FoleyLatentFormat(comfy.latent_formats.LatentFormat):
    """LATENT [B, C, T] holds the codec's numbers; the network works on normalised ones."""

    latent_dimensions = 1

    def __init__(self, generator: Generator | None = None) -> None:
        self.generator = generator
        latent = None if generator is None else generator.config.latent
        # Of tokens a latent holds the ids.
        self.latent_channels = 1 if latent is None else latent.dim

    def process_in(self, latent: Tensor) -> Tensor:
        return self.generator.normalize(latent.transpose(1, 2)).transpose(1, 2)

    def process_out(self, latent: Tensor) -> Tensor:
        return self.generator.unnormalize(latent.transpose(1, 2)).transpose(1, 2)


class _Config(comfy.supported_models_base.BASE):
    unet_config: dict[str, Any] = {}
    unet_extra_config: dict[str, Any] = {}
    latent_format = FoleyLatentFormat
    supported_inference_dtypes = [torch.bfloat16, torch.float16, torch.float32]


class FoleyModel(comfy.model_base.BaseModel):
    """A core generator under ComfyUI's samplers; `diffusion_model` is the generator itself, so LoRA
    keys are `diffusion_model.<name in the checkpoint>`."""

    def __init__(self, row: SystemSpec, dynamics: str, config: _Config, device=None) -> None:
        network = partial(_build, row, config.manual_cast_dtype)
        self.kind = kind_of(dynamics)
        config.sampling_settings = dict(self.kind.settings)
        super().__init__(config, self.kind.model_type, device=device, unet_model=network)
        self.row = row
        self.latent_format = FoleyLatentFormat(self.diffusion_model)
        # The network that a run began with, and the same repacked.
        self.packed: tuple[Generator, Generator] | None = None

    @property
    def compute_dtype(self) -> torch.dtype:
        """What predictions are computed in."""
        return self.manual_cast_dtype or self.get_dtype()

    def extra_conds(self, **options) -> dict[str, comfy.conds.CONDRegular]:
        """All of a term that does not depend on the noisy latent, once a sampling run."""
        entry, length = entry_of(options), options["noise"].shape[-1]
        if entry.system != self.row.name:
            raise FoleyError(
                f"This conditioning was made for {entry.system}, but the model is {self.row.name}: "
                "connect the same model to Foley Conditioning and to the sampler."
            )
        generator = self.diffusion_model
        whole = generator.latent_shape(entry.seconds)[0]
        if whole != length:
            raise FoleyError(
                f"The latent has {length} frames, but this conditioning is for {whole} "
                f"({entry.seconds:.2f} s): use the latent of Foley Conditioning, or one as long."
            )
        streams = {k: v.to(options["device"], self.compute_dtype) for k, v in entry.streams.items()}
        return {"term": PreparedTermCond(prepare(generator, streams, entry))}

    def _apply_model(
        self, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **conds
    ) -> Tensor:
        """Denoised [B, C, T] of x at sigmas t [B]; the terms of a batch have its takes each."""
        first, *others = conds["term"]
        sampling, dtype = self.model_sampling, self.compute_dtype
        network = self.diffusion_model
        latent = network.config.latent
        if latent.codes:
            noisy = x[:, 0].round().long()
            noisy = noisy.unflatten(1, (-1, latent.dim)) if latent.dim > 1 else noisy
        else:
            noisy = sampling.calculate_input(t, x).to(dtype).transpose(1, 2)  # [B, T, C]
        times = self.kind.time(sampling, t).float()
        takes = len(x) // (1 + len(others))
        joined = first.together(others, network, takes, x.device, dtype)
        if self.packed is not None and self.packed[0] is network:
            network = self.packed[1]
        if latent.codes:
            prepared = joined[require_token_sampler(transformer_options)]
            logits = network(noisy, times, prepared).float().flatten(1, -2)
            return self.kind.denoised(sampling, t, logits.transpose(1, 2), x)
        parts = [
            network(noisy[:, piece.span], times, prepared).float()
            for piece, prepared in zip(first.pieces, joined, strict=True)
        ]
        prediction = blend(parts, first.pieces).transpose(1, 2)
        if (transformer_options or {}).get(VELOCITY):
            return prediction
        return self.kind.denoised(sampling, t, prediction, x)


def _build(row: SystemSpec, cast: torch.dtype | None, *, dtype, device, operations) -> Generator:
    network = row.generator.build(operations=operations, dtype=dtype, device=device)
    network.dtype = dtype
    # What is no layer's weight nothing casts: it has the type that is computed in.
    for module in network.modules():
        if hasattr(module, "comfy_cast_weights"):
            continue
        for name, value in module.named_parameters(recurse=False):
            setattr(module, name, torch.nn.Parameter(value.to(cast or dtype), requires_grad=False))
    # Statistics of latents are kept whole.
    for name, value in network.named_buffers(recurse=False):
        network.register_buffer(name, value.float())
    return network.requires_grad_(False)


def load_model(
    row: SystemSpec,
    paths: Sequence[Path],
    weight_dtype: str = "default",
    disable_dynamic: bool = False,
):
    """The MODEL of a generator's files, its own first, not yet on its device.

    disable_dynamic: its weights are moved as a whole also where ComfyUI has dynamic VRAM, as hooks
    and compiled models need it.

    Raises:
        FoleyError: the file is missing, damaged or of another model.
    """
    device = comfy.model_management.get_torch_device()
    offload = comfy.model_management.unet_offload_device()
    wait_briefly(device)
    supported, wanted = _Config.supported_inference_dtypes, DTYPES[weight_dtype]
    with torch.device("meta"):
        twin = row.generator.build()
    count = sum(value.numel() for value in twin.parameters())
    dtype = wanted or comfy.model_management.unet_dtype(
        device=device, model_params=count, supported_dtypes=supported
    )
    config = _Config({})
    cast = comfy.model_management.unet_manual_cast(dtype, device, supported)
    # ComfyUI computes in float32 on every CPU; some are faster in bfloat16, as core knows.
    own = dtype == torch.bfloat16 and can_pack(dtype, device)
    config.set_inference_dtype(dtype, None if own else cast)
    config.memory_usage_factor = row.generator.memory_factor
    model = FoleyModel(row, twin.dynamics, config, device=offload)
    tensors = read_checkpoint(row.generator.checkpoint, *paths)
    fill(model.diffusion_model, tensors, paths[0], twin=twin.to(dtype))
    patcher = comfy.model_patcher.ModelPatcher
    if not disable_dynamic:
        patcher = getattr(comfy.model_patcher, "CoreModelPatcher", patcher)
    made = packing(rescaling(patcher(model, device, offload), row.sampling.rescale))
    # How ComfyUI makes another one of its own: compiled, hooked, or for a second GPU.
    made.cached_patcher_init = (load_model, (row, paths, weight_dtype))
    return made


def foley_model(model) -> FoleyModel:
    """The FoleyModel of a MODEL; FoleyError for a model that makes pictures, or for ComfyUI's own
    Stable Audio."""
    inner = getattr(model, "model", None)
    if isinstance(inner, comfy.model_base.StableAudio1):
        raise FoleyError(
            "This MODEL is ComfyUI's own Stable Audio: give it CLIPTextEncode, Empty Foley Latent "
            "and KSampler, and the latent to Foley Decode."
        )
    if not isinstance(inner, FoleyModel):
        raise FoleyError(
            "This MODEL does not make sound: connect the one of Load Foley Model (LoRA loaders in "
            "between are fine)."
        )
    return inner
