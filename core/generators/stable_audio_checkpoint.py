"""Checkpoints of Stable Audio Open and of bridges into it: shapes say the network, the metadata
what they cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from ..errors import FoleyError
from ..weights.families import Shapes, count_blocks, holds, sized
from ..weights.schema import Hertz, Seconds, Size, Within
from .base import CheckpointSpec
from .bridge import BridgeConfig, NullVideo, Positions
from .figures import Known, check_heads, read_figures, unfit, write_figures
from .foley_control import FoleyControl, FoleyControlConfig, bridged
from .mmdit import ROPE_THETA
from .packed import STABLE_AUDIO_KINDS, pack
from .stable_audio import STABLE_AUDIO_OPEN, StableAudio, StableAudioConfig, stable_audio_mini

NETWORK = "model.model."
TIMING = "conditioner.conditioners."
_EMBEDDER = ".embedder.embedding."
BRIDGE = "bridge."
BRIDGE_KEY = "bridge"
ROTARY = f"{NETWORK}transformer.rotary_pos_emb.inv_freq"
_LAYERS = "transformer.layers."
_INNER = "transformer.layers.0.ff.ff.2.weight"
# What sizes are read off, with the number of its axes.
_NEEDED = {
    "timestep_features.weight": 2,
    "to_cond_embed.0.weight": 2,
    "to_global_embed.0.weight": 2,
    "transformer.layers.0.cross_attn.to_kv.weight": 2,
    "preprocess_conv.weight": 3,
    "seconds_total.0.weights": 1,
    _INNER: 2,
}
_INTO = f"{BRIDGE}blocks.0.to_kv.weight"
_PROJECT = f"{BRIDGE}project.weight"
# Later members of the family have more than this network.
_OTHERS = (
    "transformer.memory_tokens",
    "transformer.layers.0.self_attn.q_norm.weight",
    "transformer.layers.0.self_attn.q_norm.gamma",
)
RECORDED: Known = {
    "codec": str,
    "sample_rate": Hertz,
    "samples_per_latent": Hertz,
    "text_tokens": Size,
    "longest": Seconds,
    "objective": Literal["v", "flow"],
}
OF_BRIDGE: Known = {
    "encoder": str,
    "stream": str,
    "video_rate": Annotated[float, Within(0.1, 1000)],
    "places": Size,
    "num_heads": Size,
    "positions": Positions,
    "rotary_dim": Size,
    "longest": Seconds,
    "null_video": NullVideo,
}


def own_name(key: str) -> str | None:
    """The network's name of a weight of the public file; None for what prediction does not use."""
    if key.startswith(TIMING):
        name = key.removeprefix(TIMING).replace(_EMBEDDER, ".")
        return name if name.startswith(("seconds_start.", "seconds_total.")) else None
    if key.startswith((BRIDGE, "latent_")):
        return key
    name = key.removeprefix(NETWORK)
    if name == key or key == ROTARY or name.endswith(".beta"):
        return None
    return name.removesuffix(".gamma") + ".weight" if name.endswith(".gamma") else name


def native_tensors(network: StableAudio) -> dict[str, Tensor]:
    """The weights as the public file has them, and as ComfyUI's own model reads them."""
    named: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        if name.startswith("seconds_"):
            number, _, rest = name.partition(".")
            named[f"{TIMING}{number}{_EMBEDDER}{rest}"] = value
        elif name.startswith((BRIDGE, "latent_")):
            named[name] = value
        else:
            gain = name.endswith("norm.weight")
            named[NETWORK + (name.removesuffix("weight") + "gamma" if gain else name)] = value
    named[ROTARY] = rotary_frequencies(network.config.rotary_dim)
    return named


def rotary_frequencies(dim: int) -> Tensor:
    """What the public file keeps of the rotary tables, `[dim / 2]`."""
    return ROPE_THETA ** -(torch.arange(0, dim, 2) / dim)


def recognise(shapes: Shapes, about: Mapping[str, str]) -> StableAudioConfig | None:
    """The config of a backbone, None for any other file. Without metadata it is of the published
    rate and codec; without the start among its numbers it is of the flow objective."""
    if any(key.startswith(BRIDGE) for key in shapes):
        return None
    return _backbone(shapes, about)


def _backbone(shapes: Shapes, about: Mapping[str, str]) -> StableAudioConfig | None:
    stored = shapes
    shapes = {own_name(key) or "": shape for key, shape in shapes.items()} | _others(shapes)
    rotary, found = sized(stored, {ROTARY: 1}), sized(shapes, _NEEDED)
    if rotary is None or found is None or any(key in shapes for key in _OTHERS):
        return None
    dim, depth = found["to_global_embed.0.weight"][0], count_blocks(shapes, _LAYERS)
    heads = max(dim // (4 * rotary[ROTARY][0]), 1)
    if dim % heads or not holds(stored, dim, depth):
        return None
    context, tokens = found["to_cond_embed.0.weight"]
    start = "seconds_start.0.weights" in shapes
    figures = {
        "io_channels": found["preprocess_conv.weight"][0],
        "embed_dim": dim,
        "depth": depth,
        "num_heads": heads,
        "cond_token_dim": tokens,
        "global_cond_dim": found["to_global_embed.0.weight"][1],
        "project_cond_tokens": context != tokens,
        "ff_mult": found[_INNER][1] // dim,
        "start": start,
        "normalized": "latent_mean" in shapes,
        "objective": "v" if start else "flow",
        **read_figures(about, RECORDED, "Stable Audio"),
    }
    return replace(STABLE_AUDIO_OPEN, **figures)


def _others(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """Shapes of what `own_name` gives another name or none."""
    return {key.removeprefix(NETWORK): shape for key, shape in shapes.items()}


def recognise_bridge(shapes: Shapes, about: Mapping[str, str]) -> FoleyControlConfig | None:
    """The config of a bridge, alone or with its backbone; None for any other file. Alone it stands
    for the backbone of its width that is known here."""
    found = sized(shapes, {_INTO: 2, **({_PROJECT: 2} if _PROJECT in shapes else {})})
    if found is None:
        return None
    inner, project = found[_INTO], found.get(_PROJECT)
    width, depth = inner[0] // 2, count_blocks(shapes, f"{BRIDGE}blocks.")
    if not width or not holds(shapes, width, depth):
        return None
    figures = read_figures(about, OF_BRIDGE, "Foley Control", BRIDGE_KEY)
    config = BridgeConfig(
        embed_dim=width,
        video_dim=inner[1] if project is None else project[1],
        projected=0 if project is None else project[0],
        depth=depth,
        adapter="shared" if f"{BRIDGE}adapter.0.weight" in shapes else "per block",
    )
    config = replace(config, **figures)
    if figures:
        _check_bridge(config)
    backbone, mini = _backbone(shapes, about), stable_audio_mini()
    if backbone is None and any(not key.startswith(BRIDGE) for key in shapes):
        return None
    if backbone is None:
        backbone = mini if config.embed_dim == mini.embed_dim else STABLE_AUDIO_OPEN
        width, heads = config.embed_dim, config.num_heads
        backbone = replace(backbone, embed_dim=width, depth=config.depth, num_heads=heads)
    check_fit(config, backbone.embed_dim, backbone.depth)
    return bridged(backbone, config)


def _check_bridge(config: BridgeConfig) -> None:
    """FoleyError for what the metadata says and a bridge of its width cannot be."""
    check_heads("Foley Control", config.embed_dim, config.num_heads)
    if config.rotary_dim % 2 or config.rotary_dim > config.embed_dim // config.num_heads:
        raise unfit("Foley Control", f"{config.rotary_dim} features of a head cannot turn")


def check_fit(config: BridgeConfig, embed_dim: int, depth: int) -> None:
    """FoleyError for a bridge that was trained on a backbone of another size."""
    if (config.embed_dim, config.depth) != (embed_dim, depth):
        raise FoleyError(
            f"This bridge is for a backbone of {config.depth} blocks, {config.embed_dim} wide, but "
            f"this one has {depth} blocks, {embed_dim} wide: use it with the backbone that it was "
            "trained on."
        )


def record(config: StableAudioConfig) -> dict[str, str]:
    """What the metadata of a backbone's file has to say."""
    return write_figures(config, RECORDED)


def record_bridge(config: BridgeConfig) -> dict[str, str]:
    """What the metadata of a bridge's file has to say."""
    return write_figures(config, OF_BRIDGE, BRIDGE_KEY)


def _variant(config: StableAudioConfig) -> str:
    return {STABLE_AUDIO_OPEN.embed_dim: "1.0"}.get(config.embed_dim, "")


SHARED: dict[str, Any] = {
    "key": own_name,
    "pack": partial(pack, kinds=STABLE_AUDIO_KINDS),
    "compiles": True,
    "variant": _variant,
}
STABLE_AUDIO_CHECKPOINT = CheckpointSpec(
    "stable_audio", "Stable Audio Open", recognise, StableAudio, **SHARED
)
FOLEY_CONTROL_CHECKPOINT = CheckpointSpec(
    "foley_control", "Foley Control", recognise_bridge, FoleyControl, **SHARED
)
