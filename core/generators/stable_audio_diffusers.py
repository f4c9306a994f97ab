"""Stable Audio's transformer and timing as diffusers names them (StableAudioDiTModel and
StableAudioProjectionModel), under the names of the public file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import FoleyError
from .stable_audio import STABLE_AUDIO_OPEN
from .stable_audio_checkpoint import NETWORK, ROTARY, TIMING, rotary_frequencies

_NETWORK_NAMES = (
    (r"^timestep_proj\.", "to_timestep_embed."),
    (r"^global_proj\.", "to_global_embed."),
    (r"^cross_attention_proj\.", "to_cond_embed."),
    (r"^time_proj\.", "timestep_features."),
    (r"^proj_(in|out)\.", r"transformer.project_\1."),
    (r"^(pre|post)process_conv\.", r"\1process_conv."),
    (r"^transformer_blocks\.", "transformer.layers."),
)
_BLOCK_NAMES = (
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"\.to_out\.0\.", ".to_out."),
    (r"\.ff\.net\.", ".ff.ff."),
    (r"\.norm1\.", ".pre_norm."),
    (r"\.norm2\.", ".cross_attend_norm."),
    (r"\.norm3\.", ".ff_norm."),
    (r"_norm\.weight$", "_norm.gamma"),
    (r"_norm\.bias$", "_norm.beta"),
)
_NUMBERS = {"start_number_conditioner": "seconds_start", "end_number_conditioner": "seconds_total"}
_FUSED = {".self_attn.": ("to_qkv", "qkv"), ".cross_attn.": ("to_kv", "kv")}


def public_network(tensors: Mapping[str, Tensor], *, head_dim: int) -> dict[str, Tensor]:
    """Weights of the transformer, with the rotary frequencies of heads of a width.

    Raises:
        FoleyError: norms that shift, for which the public network has no place.
        KeyError: a name that is not known, or a part of a fused weight that is missing.
    """
    named = {_named(key): value for key, value in tensors.items()}
    for name, value in named.items():
        if name.endswith(".beta") and value.any():
            raise FoleyError(
                "The transformer of this folder has norms that shift, which Stable Audio's own "
                "format has no place for: it was trained further in another form."
            )
    fused = {f"{NETWORK}{name}": value for name, value in _fused(named).items()}
    frequencies = f"{NETWORK}timestep_features.weight"
    fused[frequencies] = fused[frequencies].view(-1, 1)
    width = fused[f"{NETWORK}transformer.project_in.weight"].shape[0]
    config = replace(STABLE_AUDIO_OPEN, embed_dim=width, num_heads=max(width // head_dim, 1))
    return {**fused, ROTARY: rotary_frequencies(config.rotary_dim)}


def public_timing(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the numbers of seconds.

    Raises:
        FoleyError: the folder projects its texts, for which the public file has no place.
        KeyError: a name that is not known.
    """
    made = {}
    for key, value in tensors.items():
        if key.startswith("text_projection."):
            raise FoleyError(
                "The projection_model of this folder changes the width of texts, which Stable "
                "Audio's own format has no place for: it is of another text encoder."
            )
        number, _, place = key.partition(".time_positional_embedding.")
        made[f"{TIMING}{_NUMBERS[number]}.embedder.embedding.{place}"] = value
    return made


def _named(key: str) -> str:
    name = key
    for before, after in _NETWORK_NAMES:
        name, found = re.subn(before, after, name)
        if found:
            break
    else:
        raise KeyError(key)
    for before, after in _BLOCK_NAMES if key.startswith("transformer_blocks.") else ():
        name = re.sub(before, after, name)
    return name


def _fused(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values in one weight, as the public file has them; those of texts without
    the queries."""
    made: dict[str, Tensor] = {}
    for name, value in named.items():
        attention = next((kind for kind in _FUSED if kind in name), None)
        letter = re.search(r"\.to_([qkv])\.weight$", name)
        if attention is None or letter is None or letter[1] not in _FUSED[attention][1]:
            made[name] = value
            continue
        whole, letters = _FUSED[attention]
        place = name[: letter.start()]
        if letter[1] == letters[0]:
            parts = [named[f"{place}.to_{each}.weight"] for each in letters]
            made[f"{place}.{whole}.weight"] = torch.cat(parts)
    return made
