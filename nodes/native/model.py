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
from ...core.generators import Generator, Prepared, Window
from ...core.sampling import LINEAR, Windows
from ...core.sampling.windows import crossfades
from ...core.weights.files import load_into
from ..parts import GeneratorPart
from ..values import Heard, heard_of
from .rescale import rescaling

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


@dataclass(frozen=True, eq=False)
class _Plan:
    """What a batch of terms shares: the windows of the take, their position tables and blending
    weights. Not a tensor, so that ComfyUI does not cast the tables."""

    spans: tuple[tuple[int, int], ...]
    shared: tuple[Mapping[str, Tensor], ...]
    weights: tuple[Tensor, ...]

    def fits(self, other: _Plan) -> bool:
        """Whether terms of both plans can run in one batch."""
        shapes = [[{k: v.shape for k, v in s.items()} for s in p.shared] for p in (self, other)]
        return self.spans == other.spans and shapes[0] == shapes[1]


class _SharedPlan(comfy.conds.CONDConstant):
    def can_concat(self, other) -> bool:
        return self.cond.fits(other.cond)


class FoleyModel(comfy.model_base.BaseModel):
    """A core generator under ComfyUI's samplers; `diffusion_model` is the generator itself, so LoRA
    keys are `diffusion_model.<name in the checkpoint>`."""

    def __init__(self, part: GeneratorPart, kind: str, config: _Config, device=None) -> None:
        network = partial(_build, part)
        config.sampling_settings = dict(_KINDS[kind].settings)
        super().__init__(config, _KINDS[kind].model_type, device=device, unet_model=network)
        self.part = part
        self.kind = _KINDS[kind]
        self.latent_format = FoleyLatentFormat(self.diffusion_model)

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
        prepared, plan = self._prepare(heard, length, options["device"])
        conds = {
            f"{i}.{name}": comfy.conds.CONDRegular(value)
            for i, part in enumerate(prepared)
            for name, value in part.batched.items()
        }
        return {**conds, "plan": _SharedPlan(plan)}

    def _prepare(self, heard: Heard, length: int, device) -> tuple[list[Prepared], _Plan]:
        generator, seconds = self.diffusion_model, heard.seconds
        whole = generator.latent_shape(seconds)[0]
        if whole != length:
            raise FoleyError(
                f"The latent has {length} frames, but this conditioning is for {whole} "
                f"({seconds:.2f} s): use the latent of Foley Conditioning, or one as long."
            )
        streams = {k: v.to(device, self.compute_dtype) for k, v in heard.streams.items()}
        spans = Windows().cut(generator, seconds)
        parts = _windows(generator, heard.every, seconds, spans)
        own = _windows(generator, streams, seconds, spans)
        prepared = [
            generator.prepare(mine.conditions, lengths=part.lengths, batch=1).to(
                device, self.compute_dtype
            )
            for part, mine in zip(parts, own, strict=True)
        ]
        return prepared, _Plan(
            spans=tuple((part.first, part.last) for part in parts),
            shared=tuple(part.shared for part in prepared),
            weights=tuple(weight.T.to(device) for weight in crossfades(parts, length)),
        )

    def _apply_model(
        self, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **conds
    ) -> Tensor:
        """Denoised [B, C, T] of x at sigmas t [B]."""
        plan: _Plan = conds.pop("plan")
        sampling, dtype = self.model_sampling, self.compute_dtype
        noisy = sampling.calculate_input(t, x).to(dtype).transpose(1, 2)  # (B, T, C)
        moments = self.kind.time(sampling, t).float()
        prediction = torch.zeros_like(x, dtype=torch.float32)
        for i, (first, last) in enumerate(plan.spans):
            mine = {k.partition(".")[2]: v for k, v in conds.items() if k.startswith(f"{i}.")}
            mine = {k: v.to(x.device, dtype) for k, v in mine.items()}
            prepared = Prepared(mine, plan.shared[i])
            part = self.diffusion_model(noisy[:, first:last], moments, prepared).float()
            prediction[..., first:last] += plan.weights[i] * part.transpose(1, 2)
        return sampling.calculate_denoised(t, self.kind.sign * prediction, x)


def _windows(
    generator: Generator, streams: Mapping[str, Tensor], seconds: float, spans: list
) -> list[Window]:
    """The parts of a take; one that needs no cutting asks nothing of the generator."""
    if len(spans) > 1:
        return [generator.window(streams, seconds, *span) for span in spans]
    return [
        Window(streams, generator.lengths(streams, seconds), 0, generator.latent_shape(seconds)[0])
    ]


def _build(part: GeneratorPart, *, dtype, device, operations) -> Generator:
    network = part.build(operations=operations, dtype=dtype, device=device)
    network.dtype = dtype
    # Nulls and statistics are small and are no layer's weights: kept whole, they are cast in use.
    for name, value in network.named_parameters(recurse=False):
        setattr(network, name, torch.nn.Parameter(value.float(), requires_grad=False))
    for name, value in network.named_buffers(recurse=False):
        network.register_buffer(name, value.float())
    return network.requires_grad_(False)


def load_model(part: GeneratorPart, path: Path, weight_dtype: str = "default"):
    """The MODEL of a weights file, not yet on its device.

    Raises:
        FoleyError: the file is missing, damaged or of another model.
    """
    device = comfy.model_management.get_torch_device()
    offload = comfy.model_management.unet_offload_device()
    supported, wanted = _Config.supported_inference_dtypes, DTYPES[weight_dtype]
    with torch.device("meta"):
        empty = part.build()
    count = sum(value.numel() for value in empty.parameters())
    dtype = wanted or comfy.model_management.unet_dtype(
        device=device, model_params=count, supported_dtypes=supported
    )
    config = _Config({})
    config.set_inference_dtype(
        dtype, comfy.model_management.unet_manual_cast(dtype, device, supported)
    )
    config.memory_usage_factor = part.memory_factor
    model = FoleyModel(part, empty.parameterization, config, device=offload)
    if part.fill is not None:
        part.fill(model.diffusion_model, path)
    else:
        load_into(model.diffusion_model, path, prefix=part.prefix)
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return rescaling(patcher(model, device, offload), empty.rescale)


def foley_model(model) -> FoleyModel:
    """The FoleyModel of a MODEL; FoleyError for a model that makes pictures."""
    inner = getattr(model, "model", None)
    if not isinstance(inner, FoleyModel):
        raise FoleyError(
            "This MODEL does not make sound: connect the one of Load Foley Model (LoRA loaders in "
            "between are fine)."
        )
    return inner
