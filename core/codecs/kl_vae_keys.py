"""Names of the 2-D autoencoders' weights: the original (CompVis) and older ones as diffusers'."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_OWN = ("encoder.", "quant_conv.", "quantize.embedding.", "post_quant_conv.", "decoder.")
_UP = re.compile(r"decoder\.up\.(\d+)\.")
_ATTENTION = re.compile(r"attn(_1)?\b|attentions\.")
# Original names to diffusers': the first table everywhere, the second inside attention.
_RENAMES = (
    (r"\b(down|up)\.(\d+)\.block\.", r"\1_blocks.\2.resnets."),
    (r"\b(down|up)\.(\d+)\.attn\.", r"\1_blocks.\2.attentions."),
    (r"\b(down|up)\.(\d+)\.(\w+sample)\.", r"\1_blocks.\2.\3rs.0."),
    (r"\bmid\.attn_1\.", "mid_block.attentions.0."),
    (r"\bmid\.block_1\.", "mid_block.resnets.0."),
    (r"\bmid\.block_2\.", "mid_block.resnets.1."),
    (r"\bnin_shortcut\.", "conv_shortcut."),
    (r"coder\.norm_out\.", "coder.conv_norm_out."),
)
_ATTENTION_RENAMES = (
    (r"\.norm\.", ".group_norm."),
    (r"\.(?:q|query)\.", ".to_q."),
    (r"\.(?:k|key)\.", ".to_k."),
    (r"\.(?:v|value)\.", ".to_v."),
    (r"\.(?:proj_out|proj_attn)\.", ".to_out.0."),
)


def diffusers_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An autoencoder's tensors under diffusers' names; others are left out."""
    levels = 1 + max((int(m[1]) for k in state if (m := _UP.match(k))), default=-1)
    return {
        _diffusers_name(key, levels): _as_linear(key, tensor)
        for key, tensor in state.items()
        if key.startswith(_OWN)
    }


def _diffusers_name(key: str, levels: int) -> str:
    # The original decoder counts its levels from the finest.
    key = _UP.sub(lambda m: f"decoder.up.{levels - 1 - int(m[1])}.", key)
    table = _RENAMES + (_ATTENTION_RENAMES if _ATTENTION.search(key) else ())
    for pattern, name in table:
        key = re.sub(pattern, name, key)
    return key


def _as_linear(key: str, tensor: Tensor) -> Tensor:
    """Attention's 1x1 convolutions as linear weights."""
    pointwise = _ATTENTION.search(key) and tensor.ndim == 4
    return tensor[:, :, 0, 0] if pointwise else tensor
