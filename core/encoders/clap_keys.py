"""LAION's own CLAP files under transformers' names, and the sizes that follow from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from .names import renamed, split_qkv

# Spectra are computed by the feature extractor; the rest is of pre-training.
_UNUSED = (
    "audio_branch.spectrogram_extractor.",
    "audio_branch.logmel_extractor.",
    "audio_branch.tscam_conv.",
    "audio_branch.head.",
    "audio_transform.",
    "text_transform.",
)
_RENAMES = (
    (r"^audio_branch\.bn0\.", "audio_branch.batch_norm."),
    (r"\.attn\.relative", ".attention.self.relative"),
    (r"\.attn\.qkv\.", ".attention.self.qkv."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"^(audio|text)_projection\.0\.", r"\1_projection.linear1."),
    (r"^(audio|text)_projection\.2\.", r"\1_projection.linear2."),
    (r"^audio_branch\.", "audio_model.audio_encoder."),
    (r"^text_branch\.", "text_model."),
)


def is_laion(keys: Iterable[str]) -> bool:
    """Whether these are named as in LAION's own files."""
    return any(key.removeprefix("module.").startswith("audio_branch.") for key in keys)


def transformers_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """LAION's tensors under the names of transformers' ClapModel; what it lacks is left out."""
    kept = [k for k in tensors if not k.startswith(_UNUSED) and not k.endswith(".attn_mask")]
    return split_qkv({renamed(key, _RENAMES): tensors[key] for key in kept})


def sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """transformers' ClapConfig of renamed tensors; {} (its defaults) when they are not CLAP's.

    HTSAT-tiny, or HTSAT-base, which LAION's music and speech files use.
    """
    audio = "audio_model.audio_encoder."
    patches = tensors.get(f"{audio}patch_embed.proj.weight")
    shared = tensors.get("text_projection.linear2.weight")
    if patches is None or shared is None:
        return {}
    tables: dict[int, dict[int, int]] = {}
    for key, value in tensors.items():
        if found := re.match(r".*\.layers\.(\d+)\.blocks\.(\d+)\..*position_bias_table$", key):
            tables.setdefault(int(found[1]), {})[int(found[2])] = value.shape[1]
    depths = [len(tables[stage]) for stage in sorted(tables)]
    width = patches.shape[0]
    return {
        "projection_dim": shared.shape[0],
        "text_config": {"projection_dim": shared.shape[0]},
        "audio_config": {
            "patch_embeds_hidden_size": width,
            "hidden_size": width << (len(depths) - 1),
            "depths": depths,
            "num_attention_heads": [tables[stage][0] for stage in sorted(tables)],
            "projection_dim": shared.shape[0],
        },
    }
