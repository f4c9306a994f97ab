"""A generator as ComfyUI's MODEL: sampled, cast, patched, offloaded and unloaded like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

from ...core.errors import FoleyError
from ...core.generators import Generator
from ...core.generators.packed import can_pack
from ...core.sampling import LINEAR
from ...core.threads import wait_briefly
from ...core.weights.fill import fill
from ..rows import GeneratorPart
from ..values import heard_of
from .packing import packing
from .rescale import rescaling
from .terms import PreparedTermCond, prepare

DTYPES = {
    "default": None,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
}


@dataclass(frozen=True)
class _Kind:
    """How a parameterization reads in ComfyUI: its model type, the network's time of a sigma, and
    the sign of its prediction there, and the settings of ComfyUI's schedule."""

    model_type: comfy.model_base.ModelType
    time: Callable[[Any, Tensor], Tensor]
    sign: float
    settings: Mapping[str, Any]


def _between_steps(sampling, sigma: Tensor) -> Tensor:
    """The diffusion time of a sigma, 0 to 999; ComfyUI's own knows whole numbers alone."""
    known = sampling.log_sigmas.to(sigma.device)
    value = sigma.log().clamp(known[0], known[-1])
    above = torch.searchsorted(known, value.contiguous()).clamp(1, len(known) - 1)
    low, high = known[above - 1], known[above]
    return above - 1 + (value - low) / (high - low)


_KINDS = {
    # sigma runs from 1 (noise) to 0, our flow time from 0 to 1, so the velocity turns round.
    "flow": _Kind(
        comfy.model_base.ModelType.FLOW,
        lambda sampling, sigma: 1 - sigma,
        -1.0,
        {"shift": 1.0, "multiplier": 1000},
    ),
    # What ComfyUI calls sqrt_linear are betas that rise evenly.
    "epsilon": _Kind(
        comfy.model_base.ModelType.EPS,
        _between_steps,
        1.0,
        {
            "beta_schedule": "sqrt_linear",
            "linear_start": LINEAR.first_beta,
            "linear_end": LINEAR.last_beta,
        },
    ),
    "v": _Kind(
        comfy.model_base.ModelType.V_PREDICTION_CONTINUOUS,
        lambda sampling, sigma: sampling.timestep(sigma),
        1.0,
        {},
    ),
}


# Solvers of core under ComfyUI's names.
_SOLVERS = {"euler": "euler", "dpm_solver_2m": "dpmpp_2m"}


class FoleyLatentFormat(comfy.latent_formats.LatentFormat):
    """LATENT [B, C, T] holds the codec's numbers; the network works on normalised ones."""

    latent_dimensions = 1

    def __init__(self, generator: Generator | None = None) -> None:
        self.generator = generator
        self.latent_channels = generator.latent_dim if generator is not None else 1

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

    def __init__(self, part: GeneratorPart, kind: str, config: _Config, device=None) -> None:
        network = partial(_build, part, config.manual_cast_dtype)
        config.sampling_settings = dict(_KINDS[kind].settings)
        super().__init__(config, _KINDS[kind].model_type, device=device, unet_model=network)
        self.part = part
        self.kind = _KINDS[kind]
        self.latent_format = FoleyLatentFormat(self.diffusion_model)
        # The network that a run began with, and the same repacked.
        self.packed: tuple[Generator, Generator] | None = None

    @property
    def compute_dtype(self) -> torch.dtype:
        """What predictions are computed in."""
        return self.manual_cast_dtype or self.get_dtype()

    def covered(self, seconds: float) -> float:
        """The shortest take of at least `seconds` that this model can make."""
        return self.diffusion_model.config.snap(seconds)

    def extra_conds(self, **options) -> dict[str, comfy.conds.CONDRegular]:
        """All of a term that does not depend on the noisy latent, once a sampling run."""
        heard, length = heard_of(options), options["noise"].shape[-1]
        if heard.part != self.part.name:
            raise FoleyError(
                f"This conditioning was made for {heard.part}, but the model is {self.part.name}: "
                "connect the same model to Foley Conditioning and to the sampler."
            )
        generator = self.diffusion_model
        whole = generator.latent_shape(heard.seconds)[0]
        if whole != length:
            raise FoleyError(
                f"The latent has {length} frames, but this conditioning is for {whole} "
                f"({heard.seconds:.2f} s): use the latent of Foley Conditioning, or one as long."
            )
        streams = {k: v.to(options["device"], self.compute_dtype) for k, v in heard.streams.items()}
        term = prepare(generator, streams, heard.every, heard.seconds, length, heard.long)
        return {"term": PreparedTermCond(term)}

    def _apply_model(
        self, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **conds
    ) -> Tensor:
        """Denoised [B, C, T] of x at sigmas t [B]; the terms of a batch have its takes each."""
        first, *others = conds["term"]
        sampling, dtype = self.model_sampling, self.compute_dtype
        noisy = sampling.calculate_input(t, x).to(dtype).transpose(1, 2)  # (B, T, C)
        times = self.kind.time(sampling, t).float()
        prediction = torch.zeros_like(x, dtype=torch.float32)
        takes = len(x) // (1 + len(others))
        network = self.diffusion_model
        windows = first.together(others, network, takes, x.device, dtype)
        if self.packed is not None and self.packed[0] is network:
            network = self.packed[1]
        for place, prepared, weight in windows:
            part = network(noisy[:, place], times, prepared).float()
            prediction[..., place] += weight * part.transpose(1, 2)
        return sampling.calculate_denoised(t, self.kind.sign * prediction, x)


def _build(
    part: GeneratorPart, cast: torch.dtype | None, *, dtype, device, operations
) -> Generator:
    network = part.build(operations=operations, dtype=dtype, device=device)
    network.dtype = dtype
    # Nulls are no layer's weights, so nothing casts them: they have the type that is computed in.
    for name, value in network.named_parameters(recurse=False):
        setattr(network, name, torch.nn.Parameter(value.to(cast or dtype), requires_grad=False))
    # Statistics of latents are kept whole.
    for name, value in network.named_buffers(recurse=False):
        network.register_buffer(name, value.float())
    return network.requires_grad_(False)


def load_model(
    part: GeneratorPart, path: Path, weight_dtype: str = "default", disable_dynamic: bool = False
):
    """The MODEL of a weights file, not yet on its device.

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
        twin = part.build()
    count = sum(value.numel() for value in twin.parameters())
    dtype = wanted or comfy.model_management.unet_dtype(
        device=device, model_params=count, supported_dtypes=supported
    )
    config = _Config({})
    cast = comfy.model_management.unet_manual_cast(dtype, device, supported)
    # ComfyUI computes in float32 on every CPU; some are faster in bfloat16, as core knows.
    own = dtype == torch.bfloat16 and can_pack(dtype, device)
    config.set_inference_dtype(dtype, None if own else cast)
    config.memory_usage_factor = part.memory_factor
    model = FoleyModel(part, twin.parameterization, config, device=offload)
    fill(model.diffusion_model, part.read(path), path, twin=twin.to(dtype))
    patcher = comfy.model_patcher.ModelPatcher
    if not disable_dynamic:
        patcher = getattr(comfy.model_patcher, "CoreModelPatcher", patcher)
    made = packing(rescaling(patcher(model, device, offload), twin.sampling.rescale))
    # How ComfyUI makes another one of its own: compiled, hooked, or for a second GPU.
    made.cached_patcher_init = (load_model, (part, path, weight_dtype))
    return made


def own_sampler(generator: Generator) -> str:
    """ComfyUI's name of the solver that a generator is sampled with.

    Raises:
        FoleyError: ComfyUI has none that takes the same steps.
    """
    solver = generator.sampling.solver
    if solver not in _SOLVERS:
        raise FoleyError(
            f"ComfyUI has no sampler that walks as this model's own, {solver}: choose one by name."
        )
    return _SOLVERS[solver]


def foley_model(model) -> FoleyModel:
    """The FoleyModel of a MODEL; FoleyError for a model that makes pictures."""
    inner = getattr(model, "model", None)
    if not isinstance(inner, FoleyModel):
        raise FoleyError(
            "This MODEL does not make sound: connect the one of Load Foley Model (LoRA loaders in "
            "between are fine)."
        )
    return inner
