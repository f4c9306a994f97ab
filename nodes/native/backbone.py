"""Stable Audio of any size as ComfyUI's own MODEL, and what is known of one that is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.ldm.audio.dit
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models
import torch
from torch import Tensor

from ...core.catalog import SystemSpec
from ...core.errors import FoleyError
from ...core.generators import GeneratorConfig
from ...core.generators.stable_audio import STABLE_AUDIO_OPEN, StableAudioConfig
from ...core.generators.stable_audio_checkpoint import NETWORK, TIMING
from ...core.threads import wait_briefly
from ...core.weights.fill import fill
from ...core.weights.load import read_weights
from .model import DTYPES, FoleyModel, foley_model

_STATISTICS = ("latent_mean", "latent_std")
# Zeros in the public file, which ComfyUI's norms have no place for.
_ZEROS = ".beta"
_ROTARY = "transformer.rotary_pos_emb.inv_freq"


class BackboneFormat(comfy.latent_formats.StableAudio1):
    """LATENT [B, C, T] holds the codec's numbers; the network works on normalised ones."""

    def __init__(self, config: StableAudioConfig, mean: Tensor, std: Tensor) -> None:
        self.latent_channels = config.io_channels
        self.temporal_downscale_ratio = config.samples_per_latent
        self.mean, self.std = mean[:, None].float(), std[:, None].float()

    def process_in(self, latent: Tensor) -> Tensor:
        return (latent - self.mean.to(latent)) / self.std.to(latent)

    def process_out(self, latent: Tensor) -> Tensor:
        return latent * self.std.to(latent) + self.mean.to(latent)


class BackboneModel(comfy.model_base.StableAudio1):
    """ComfyUI's own model; a take is as long as its latent says, at the rate of its codec."""

    def __init__(self, config: StableAudioConfig, supported: Any, *numbers: Any, device) -> None:
        super().__init__(supported, *numbers, device=device)
        self.config = config

    def extra_conds(self, **options) -> dict[str, comfy.conds.CONDRegular]:
        seconds = self.config.seconds_told(options["noise"].shape[-1])
        made = super().extra_conds(**{"seconds_total": seconds, **options})
        words = options.get("cross_attn")
        if words is not None and not words.any():
            # Trained without words, it was not told the length in their place either.
            made["c_crossattn"] = comfy.conds.CONDRegular(
                torch.zeros_like(made["c_crossattn"].cond)
            )
        return made


def load_backbone(
    row: SystemSpec,
    paths: Sequence[Path],
    weight_dtype: str = "default",
    disable_dynamic: bool = False,
):
    """ComfyUI's native MODEL of a Stable Audio file, not yet on its device.

    Raises:
        FoleyError: the file is damaged, or of a relative that ComfyUI's network is not made for.
    """
    config = row.config
    check_backbone(config, paths[0])
    device = comfy.model_management.get_torch_device()
    offload = comfy.model_management.unet_offload_device()
    wait_briefly(device)
    tensors = read_weights(
        paths[0], keep=lambda key: key.startswith((NETWORK, TIMING, *_STATISTICS))
    )
    figures = _unet_config(config)
    with torch.device("meta"):
        twin = comfy.ldm.audio.dit.AudioDiffusionTransformer(**figures, operations=torch.nn)
    dtype = DTYPES[weight_dtype] or comfy.model_management.unet_dtype(
        device=device,
        model_params=sum(value.numel() for value in twin.parameters()),
        supported_dtypes=comfy.supported_models.StableAudio.supported_inference_dtypes,
    )
    supported = _supported(row, figures, tensors, dtype, device)
    numbers = (_numbers(tensors, name) for name in ("seconds_start", "seconds_total"))
    model = BackboneModel(config, supported, *numbers, device=offload)
    named = {
        key.removeprefix(NETWORK): value
        for key, value in tensors.items()
        if key.startswith(NETWORK) and not key.endswith(_ZEROS)
    }
    fill(model.diffusion_model, named, paths[0], twin=twin.to(dtype))
    _turn_exactly(model.diffusion_model, config)
    patcher = comfy.model_patcher.ModelPatcher
    if not disable_dynamic:
        patcher = getattr(comfy.model_patcher, "CoreModelPatcher", patcher)
    made = patcher(model, device, offload)
    made.cached_patcher_init = (load_backbone, (row, paths, weight_dtype))
    return made


def check_backbone(config: StableAudioConfig, path: Path) -> None:
    """FoleyError for a relative that ComfyUI's Stable Audio is not made for."""
    known = STABLE_AUDIO_OPEN
    if config.objective != known.objective or not config.start:
        raise FoleyError(
            f"{path.name} is Stable Audio Open Small, whose steps are others than those of "
            "ComfyUI's Stable Audio: load it with Load Foley Model."
        )
    if config.cond_token_dim != known.cond_token_dim:
        raise FoleyError(
            f"{path.name} reads words {config.cond_token_dim} wide, but ComfyUI's Stable Audio "
            f"reads them {known.cond_token_dim} wide: load it with Load Foley Model."
        )


def _unet_config(config: StableAudioConfig) -> dict[str, Any]:
    """ComfyUI's names of the figures."""
    names = ("io_channels", "embed_dim", "depth", "num_heads", "cond_token_dim", "global_cond_dim")
    return {
        "audio_model": "dit1.0",
        **{name: getattr(config, name) for name in names},
        "project_cond_tokens": config.project_cond_tokens,
        "ff_kwargs": {"mult": config.ff_mult},
    }


def _supported(row: SystemSpec, figures: dict[str, Any], tensors, dtype, device) -> Any:
    supported = comfy.supported_models.StableAudio(figures)
    cast = comfy.model_management.unet_manual_cast(
        dtype, device, supported.supported_inference_dtypes
    )
    supported.set_inference_dtype(dtype, cast)
    supported.memory_usage_factor = row.generator.memory_factor
    if row.config.normalized:
        supported.latent_format = BackboneFormat(row.config, *map(tensors.get, _STATISTICS))
    return supported


def _numbers(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{TIMING}{name}."
    return {k.removeprefix(prefix): v.float() for k, v in tensors.items() if k.startswith(prefix)}


def _turn_exactly(network: torch.nn.Module, config: StableAudioConfig) -> None:
    """Rotary frequencies in float32, whatever the file or the weights have been rounded to."""
    exponents = torch.arange(0, config.rotary_dim, 2) / config.rotary_dim
    rotary = network.transformer.rotary_pos_emb
    rotary.inv_freq = (10000.0**-exponents).to(rotary.inv_freq.device)
    # Newer ComfyUIs note the types that weights and buffers are kept in.
    note = getattr(comfy.model_management, "archive_model_dtypes", None)
    if note is not None:
        note(network)


def is_backbone(model) -> bool:
    """Whether a MODEL is ComfyUI's own Stable Audio."""
    return isinstance(getattr(model, "model", None), comfy.model_base.StableAudio1)


def backbone_config(model) -> StableAudioConfig:
    """What is known of a MODEL that `is_backbone`: its size, and its codec and rate, which are the
    published ones unless Load Foley Backbone loaded it."""
    inner = model.model
    if isinstance(inner, BackboneModel):
        return inner.config
    network = inner.diffusion_model.transformer
    channels = inner.latent_format.latent_channels
    return replace(
        STABLE_AUDIO_OPEN, io_channels=channels, embed_dim=network.dim, depth=network.depth
    )


def config_of(model) -> GeneratorConfig:
    """The config of any MODEL that makes sound; FoleyError for one that does not."""
    if is_backbone(model):
        return backbone_config(model)
    inner: FoleyModel = foley_model(model)
    return inner.row.config
