"""Key names of CLIP files: what transformers calls each weight, as open_clip calls it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

Half = Literal["visual", "text"]

_PREFIXES = ("module.", "model.", "clip.", "clip_model.")
_UNUSED = re.compile(r"(^|\.)(attn_mask|position_ids)$")

_WHOLE = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
}
_STARTS = {
    "text_model.final_layer_norm.": "ln_final.",
    # The misspelling is transformers' own.
    "vision_model.pre_layrnorm.": "visual.ln_pre.",
    "vision_model.post_layernorm.": "visual.ln_post.",
    "text_model.encoder.layers.": "transformer.resblocks.",
    "vision_model.encoder.layers.": "visual.transformer.resblocks.",
}
_INNER = {
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
    ".self_attn.out_proj.": ".attn.out_proj.",
}


# How keys of each half start, in both layouts; what no feature of either half needs is the text's.
_HALVES: dict[Half, tuple[str, ...]] = {
    "visual": ("visual.", "vision_model.", "visual_projection."),
    "text": (
        "text.",
        "text_model.",
        "text_projection",
        "token_embedding.",
        "positional_embedding",
        "transformer.",
        "ln_final.",
        "attn_mask",
        "logit_scale",
        "logit_bias",
    ),
}


def may_be_of(half: Half, key: str) -> bool:
    """Whether a key of a file is of this half, or of neither; False where it is the other's."""
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    return not key.startswith(_HALVES["text" if half == "visual" else "visual"])


def open_clip_names(tensors: Mapping[str, Tensor], half: Half | None = None) -> dict[str, Tensor]:
    """Weights of a CLIP file under open_clip's names, whichever of the two layouts it has.

    Text towers nested as `text.` (open_clip's later class) and common prefixes are unwrapped.
    half: the one that the tensors are of, None for both.
    """
    tensors = _unwrapped(tensors)
    if any(key.startswith(("vision_model.", "text_model.")) for key in tensors):
        tensors = _from_transformers(tensors)
    named = {k.removeprefix("text."): v for k, v in tensors.items() if not _UNUSED.search(k)}
    named.pop("logit_bias", None)
    if half != "visual":
        scale = named.get("logit_scale")
        named["logit_scale"] = torch.zeros(()) if scale is None else scale.reshape(())
    return named


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if tensors and all(key.startswith(prefix) for key in tensors):
            tensors = {key[len(prefix) :]: value for key, value in tensors.items()}
    return dict(tensors)


def _from_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    stacked: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if match := re.fullmatch(r"(.*)\.self_attn\.([qkv])_proj\.(weight|bias)", key):
            block, part, kind = match.groups()
            stacked.setdefault(f"{_renamed(block + '.')}attn.in_proj_{kind}", {})[part] = value
        elif key == "visual_projection.weight":
            named["visual.proj"] = value.T.contiguous()
        elif key == "text_projection.weight":
            named["text_projection"] = value.T.contiguous()
        else:
            named[_WHOLE.get(key) or _renamed(key)] = value
    for key, parts in stacked.items():
        if set(parts) == set("qkv"):
            named[key] = torch.cat([parts[name] for name in "qkv"])
    return named


def _renamed(key: str) -> str:
    for old, new in _STARTS.items():
        if key.startswith(old):
            key = new + key[len(old) :]
    for old, new in _INNER.items():
        key = key.replace(old, new)
    return key
