"""Key names of CLIP files: what transformers calls each weight, as open_clip calls it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from .names import renamed

Half = Literal["visual", "text"]

_PREFIXES = ("module.", "model.", "clip.", "clip_model.")
_UNUSED = re.compile(r"(^|\.)(attn_mask|position_ids|logit_bias)$")

# transformers' names and open_clip's; the misspelling is transformers' own.
_RENAMES = (
    (r"^text_model\.embeddings\.token_embedding\.", "token_embedding."),
    (r"^text_model\.embeddings\.position_embedding\.weight$", "positional_embedding"),
    (r"^vision_model\.embeddings\.class_embedding$", "visual.class_embedding"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "visual.conv1."),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", "visual.positional_embedding"),
    (r"^text_model\.final_layer_norm\.", "ln_final."),
    (r"^vision_model\.pre_layrnorm\.", "visual.ln_pre."),
    (r"^vision_model\.post_layernorm\.", "visual.ln_post."),
    (r"^text_model\.encoder\.layers\.", "transformer.resblocks."),
    (r"^vision_model\.encoder\.layers\.", "visual.transformer.resblocks."),
    (r"^visual_projection\.weight$", "visual.proj"),
    (r"^text_projection\.weight$", "text_projection"),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
    (r"\.self_attn\.", ".attn."),
)
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
    named = {renamed(key, _RENAMES): value for key, value in tensors.items()}
    for key in named.keys() & {"visual.proj", "text_projection"}:
        named[key] = named[key].T.contiguous()
    for key in [key for key in named if ".attn.q_proj." in key]:
        keys = [key.replace(".q_proj.", f".{part}_proj.") for part in "qkv"]
        parts = [named.pop(one) for one in keys if one in named]
        if len(parts) == len(keys):
            named[key.replace(".q_proj.", ".in_proj_")] = torch.cat(parts)
    return named
